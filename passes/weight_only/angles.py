"""Which tables hold cosines and sines of rotary positions (RoFormer, arXiv 2104.09864, eq. 15).

They look like embeddings, rows read by Gather, and are none: every query and key is turned by them, so that what a few
bits take from them comes into all scores of all layers, and they are a thousandth of a model. stories260k with its
cache, tables included or in float: perplexity 6.00 or 4.11 in 4 bits, 3.864 or 3.854 in 8, 3.849 in float.

A table is one of these when its rows, moved and scaled by numbers at most, reach

1. the cosines or sines of RotaryEmbedding, or
2. only products with other values, and c² + s² is the same number all over, for it and a table of its shape that is
   read at the same positions, or for its two halves or neighbours in a row. That number is 1, or what YaRN scales with.

Sinusoids that are added to embeddings are left to be stored as those are.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from ..edit import constant_array, is_constant, is_op

__all__ = ["holds_angles"]

_MOVED = (
    "Cast", "Concat", "Expand", "Identity", "Neg", "Reshape", "Slice", "Split", "Squeeze", "Tile", "Transpose",
    "Unsqueeze",
)  # fmt: skip
# Of c² + s², as tables in float16 have it.
_APART = 0.01


def holds_angles(table: ir.Value) -> bool:
    """Whether a constant is a table of cosines or sines that positions are turned by."""
    readers = [node for node, index in table.uses() if is_op(node, "Gather") and index == 0]
    if not readers or len(readers) < len(table.uses()):
        return False
    ends = [end for node in readers for end in _ends(node.outputs[0])]
    if any(node is not None and _turns(node, index) for node, index in ends):
        return True
    return bool(ends) and all(_multiplies(node) for node, _ in ends) and _on_a_circle(table, readers)


def _ends(rows: ir.Value) -> Iterator[tuple[ir.Node | None, int]]:
    """What reads rows that were moved and scaled by numbers at most; no node for an output of the graph."""
    pending, seen = [rows], {rows}
    while pending:
        value = pending.pop()
        if value.is_graph_output():
            yield None, 0
        for node, index in value.uses():
            if not is_op(node, *_MOVED) and not _scales(node):
                yield node, index
                continue
            fresh = [output for output in node.outputs if output not in seen]
            seen.update(fresh)
            pending += fresh


def _scales(node: ir.Node) -> bool:
    return is_op(node, "Mul") and any(is_constant(value) for value in node.inputs)


def _turns(node: ir.Node, index: int) -> bool:
    """Whether an input is of the tables of a RotaryEmbedding, in ONNX's order or in Microsoft's."""
    return node.op_type == "RotaryEmbedding" and index in ((2, 3) if node.domain == "com.microsoft" else (1, 2))


def _multiplies(node: ir.Node | None) -> bool:
    return is_op(node, "Mul")


def _on_a_circle(table: ir.Value, readers: list[ir.Node]) -> bool:
    x = constant_array(table)
    if x is None or x.ndim < 2 or not np.issubdtype(x.dtype, np.floating):
        return False
    if any(_is_circle(x, other) for other in _beside(table, readers)):
        return True
    half, odd = divmod(x.shape[-1], 2)
    pairs = ((x[..., :half], x[..., half:]), (x[..., ::2], x[..., 1::2]))
    return not odd and any(_is_circle(*pair) for pair in pairs)


def _beside(table: ir.Value, readers: list[ir.Node]) -> Iterator[np.ndarray]:
    """Other tables that are read at the same positions."""
    for reader in readers:
        positions = reader.inputs[1]
        for node, index in () if positions is None else positions.uses():
            other = node.inputs[0] if index == 1 and is_op(node, "Gather") else None
            if other is not None and other is not table and (found := constant_array(other)) is not None:
                yield found


def _is_circle(c: np.ndarray, s: np.ndarray) -> bool:
    if c.shape != s.shape or not c.size:
        return False
    squares = np.square(c, dtype=np.float64) + np.square(s, dtype=np.float64)
    return bool(squares.max() > 0 and squares.max() - squares.min() <= _APART * squares.max())
