"""Equal constants are one, so that equal operators are found equal. Weights stay apart, though they may start equal."""

from __future__ import annotations

import onnx_ir as ir

from .fold_weights import WEIGHT

__all__ = ["share_constants"]

_LARGEST = 1 << 16


def share_constants(model: ir.Model) -> None:
    """Let equal constants of the main graph be one; edited in place."""
    first: dict[tuple[object, ...], ir.Value] = {}
    for name, value in tuple(model.graph.initializers.items()):
        tensor = value.const_value
        if tensor is None or WEIGHT in value.meta or tensor.nbytes > _LARGEST or value.is_graph_output():
            continue
        kept = first.setdefault((tensor.dtype, tuple(tensor.shape.numpy()), tensor.tobytes()), value)
        if kept is not value:
            value.replace_all_uses_with(kept)
            del model.graph.initializers[name]
