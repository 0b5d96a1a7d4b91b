"""The graph that a module was made of: shared by its copies, written anew with other weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

__all__ = ["Source"]


class Source:
    """A model that nobody changes.

    Copies of a module share it; a pickled one carries it as ONNX.

    Args:
        model: Cloned; its tensors are shared.
    """

    def __init__(self, model: ir.Model) -> None:
        self.model = model.clone()

    def rewritten(self, arrays: Mapping[str, np.ndarray]) -> ir.Model:
        """A clone with some initializers' numbers; those that are the same, bit for bit, stay the tensors they were."""
        made = self.model.clone()
        for name, array in arrays.items():
            value = made.graph.initializers[name]
            held = value.const_value
            assert held is not None
            if np.ascontiguousarray(held.numpy()).tobytes() != array.tobytes():
                value.const_value = ir.Tensor(np.array(array), dtype=held.dtype, name=name)
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Source:
        return self

    def __getstate__(self) -> bytes:
        data: bytes = ir.to_proto(self.model).SerializeToString()
        return data

    def __setstate__(self, state: bytes) -> None:
        import onnx

        self.model = ir.from_proto(onnx.ModelProto.FromString(state))
