"""x + Where(true everywhere, 0, least) -> x: a mask that hides nothing.

`transformers` 5 makes one of every encoder without padding (vision, sound) while it is traced. Exact.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

__all__ = ["drop_open_masks"]

_MOVES = ("Expand", "Reshape", "Unsqueeze", "Cast", "Identity")


def drop_open_masks(model: ir.Model) -> None:
    """Drop what adds nothing; edited in place."""
    for node in tuple(model.graph):
        if node.op_type != "Where" or node.domain or not _all(node.inputs[0], 1) or not _all(node.inputs[1], 0):
            continue
        for use in tuple(node.outputs[0].uses()):
            add = use.node
            if add.op_type != "Add" or add.outputs[0].is_graph_output():
                continue
            rest = add.inputs[1 - use.idx]
            if rest is not None and _no_larger(node.outputs[0], rest):
                add.outputs[0].replace_all_uses_with(rest)


def _all(value: ir.Value | None, wanted: int) -> bool:
    """Whether every element is `wanted`, by a constant behind nothing but a change of shape."""
    while value is not None and (node := value.producer()) is not None and node.op_type in _MOVES:
        value = node.inputs[0]
    tensor = None if value is None or value.is_graph_input() else value.const_value
    return tensor is not None and bool(np.all(tensor.numpy() == wanted))


def _no_larger(mask: ir.Value, x: ir.Value) -> bool:
    """Whether adding `mask` leaves the shape of `x`: each size is 1, or x's own."""
    if mask.shape is None or x.shape is None or len(mask.shape) > len(x.shape):
        return False
    sizes = list(x.shape)[len(x.shape) - len(mask.shape) :]
    return all(str(one) in ("1", str(other)) for one, other in zip(mask.shape, sizes, strict=True))
