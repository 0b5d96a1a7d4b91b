"""Turn a proto into `onnx_ir`, with an error of ours when it cannot be."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from ...errors import ModelError

__all__ = ["to_ir"]


def to_ir(model: onnx.ModelProto, origin: str) -> ir.Model:
    """Deserialize a model.

    Raises:
        ModelError: It holds something `onnx_ir` does not know, such as maps or sparse tensors.
    """
    try:
        return ir.from_proto(model)
    except Exception as error:  # onnx_ir wraps whatever went wrong, level by level, in errors of its own
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        detail = str(cause).strip().splitlines() or [type(cause).__name__]
        raise ModelError(
            origin, f"cannot be represented: {detail[0]}", remedy="Export the model without this feature"
        ) from error
