"""Multiply-accumulates of a graph, from its shapes alone. Unknown dimensions count as 1.

The proof counts what really ran (`runtimes/placement.py`); this is for choosing before anything runs.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx_ir as ir

__all__ = ["macs_by_op", "macs_of", "unsized", "unsized_notes"]


def macs_by_op(model: ir.Model) -> Counter[str]:
    """MACs of one inference by operator type, subgraphs included."""
    found: Counter[str] = Counter()
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        if macs := macs_of(node):
            found[node.op_type] += macs
    return found


def unsized(model: ir.Model) -> tuple[str, ...]:
    """Nodes whose MACs are counted of sizes that nobody knows; a free batch is one sample."""
    nodes = ir.traversal.RecursiveGraphIterator(model.graph)
    return tuple(str(node.name) for node in nodes if macs_of(node) and _free(node))


def unsized_notes(model: ir.Model) -> tuple[str, ...]:
    """What to tell people of them."""
    number = len(unsized(model))
    if not number:
        return ()
    what = f"{number} node has" if number == 1 else f"{number} nodes have"
    free = any(not isinstance(dim, int) for value in model.graph.inputs for dim in value.shape or ())
    return (f"{what} MACs of unknown sizes, counted as 1{': --shape fixes those of inputs' if free else ''}",)


def macs_of(node: ir.Node) -> int:
    """MACs of one node; 0 for operators without any.

    Conv: outputs * inputs per group * kernel. MatMul, MatMulInteger, Gemm: outputs * K. ONNX Runtime's MatMulNBits and
    MatMulBnb4: outputs * their attribute K. Recurrent nets: steps * batch * (weights of W and R), from the weights'
    own sizes.
    """
    weight = node.inputs[1] if len(node.inputs) > 1 else None
    if weight is None or weight.shape is None or not node.outputs:
        return 0
    w, out = _dims(weight), _dims(node.outputs[0])
    match node.op_type:
        case "Conv" if w:
            return _product(out) * _product(w[1:])
        case "ConvTranspose" if w and node.inputs[0] is not None:
            return _product(_dims(node.inputs[0])) * _product(w[1:])
        case "Gemm" if len(w) == 2:
            return _product(out) * w[1 if node.attributes.get_int("transB", 0) else 0]
        case "MatMulNBits" | "MatMulBnb4":
            return _product(out) * node.attributes.get_int("K", 0)
        case "MatMul" | "MatMulInteger" if w:
            return _product(out) * w[-2 if len(w) > 1 else 0]
        case "LSTM" | "GRU" | "RNN" if node.inputs[0] is not None:
            recurrent = node.inputs[2] if len(node.inputs) > 2 else None
            steps = _product(_dims(node.inputs[0])[:2])
            return steps * (_product(w) + (_product(_dims(recurrent)) if recurrent is not None else 0))
    return 0


def _free(node: ir.Node) -> bool:
    """Whether a size that its MACs are counted of is unknown, the batch aside."""
    recurrent = node.op_type in ("LSTM", "GRU", "RNN")
    value = node.inputs[0] if recurrent or node.op_type == "ConvTranspose" else node.outputs[0]
    if value is None or value.shape is None:
        return True
    batch = 1 if recurrent else 0
    return any(not isinstance(dim, int) for axis, dim in enumerate(value.shape) if axis != batch)


def _dims(value: ir.Value) -> list[int]:
    return [] if value.shape is None else [dim if isinstance(dim, int) else 1 for dim in value.shape]


def _product(dims: list[int]) -> int:
    return int(np.prod(dims, dtype=np.int64)) if dims else 0
