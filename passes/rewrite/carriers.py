"""Operators that commute with a positive factor per channel, as what they do to labels (see `trace`).

1. f(a x) = a f(x) element by element: Relu, LeakyRelu, PRelu, a one-sided Clip at 0, products with a constant.
2. Pooling and resizing along axes on which the label does not vary; padding with zeros.
3. Movers: Reshape, Transpose, Split, Slice, Concat, Expand and their kin move labels as they move elements.
4. Add, Sub, Sum, Max, Min of several values: their labels become one.
5. x * g and x / g with a computed g: g is pinned, x carried (squeeze-and-excite). Of two factors that could be
   carried, the one that nobody reads who does not scale: beside a gate, what it opens for (SwiGLU).
6. MatMul(p, v) of two values: p is pinned, and columns of v are carried (attention probabilities and values).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..edit import constant_array, is_op
from ..quantize.clamps import bounds_of
from .movers import Trace, concat, expand, pad, reshape, slice_, split

__all__ = ["JOINERS", "carry", "has_ceiling"]


_ELEMENTWISE = ("Relu", "LeakyRelu", "PRelu", "Identity", "Neg", "Abs")
_WINDOWS = ("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Resize", "Upsample")
_SHAPERS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")
_REDUCTIONS = ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin")
JOINERS = ("Add", "Sub", "Sum", "Max", "Min")


def carry(node: ir.Node, inputs: Sequence[np.ndarray | None], trace: Trace) -> list[np.ndarray] | None:
    """Labels of the outputs of a node, or None when it does not commute with a factor per channel.

    Args:
        node: The node.
        inputs: Labels of its inputs; None for a constant and for an input left out.
        trace: Told of labels that are the same, asked for new ones.
    """
    x = inputs[0] if inputs else None
    if is_op(node, *JOINERS):
        return _joined(inputs, trace)
    if is_op(node, "Mul", "Div"):
        return _product(node, inputs, trace)
    if is_op(node, "Concat"):
        return concat(node, inputs)
    if is_op(node, "MatMul"):
        return _weighted(node, inputs, trace)
    if is_op(node, "Shape", "Size"):
        return [np.zeros((), np.int64)]
    if x is None or x.ndim == 0:
        return None
    if is_op(node, "Pad"):
        return pad(node, x, trace)
    if is_op(node, *_ELEMENTWISE) or _is_one_sided(node):
        return [x] if all(labels is None for labels in inputs[1:]) else None
    if is_op(node, *_WINDOWS):
        return [x] if len(node.outputs) == 1 and _is_window(node, x) else None
    if is_op(node, "Transpose"):
        return [np.transpose(x, node.attributes.get_ints("perm", tuple(reversed(range(x.ndim)))))]
    if is_op(node, *_SHAPERS):
        return reshape(x, node.inputs[0], node.outputs[0])
    if is_op(node, *_REDUCTIONS):
        return _reduced(node, x)
    if is_op(node, "Split"):
        return split(node, x)
    if is_op(node, "Slice"):
        return slice_(node, x)
    if is_op(node, "Expand"):
        return expand(node, x)
    return None


def _joined(inputs: Sequence[np.ndarray | None], trace: Trace) -> list[np.ndarray] | None:
    known = [labels for labels in inputs if labels is not None]
    if len(known) != len(inputs) or any(labels.ndim == 0 for labels in known):
        return None
    for each in known[1:]:
        trace.join(known[0], each)
    return [np.array(np.broadcast_arrays(*known)[0])]


def _product(node: ir.Node, inputs: Sequence[np.ndarray | None], trace: Trace) -> list[np.ndarray] | None:
    x, g = inputs
    if x is None or (g is not None and node.op_type == "Mul" and (not x.any() or (g.any() and trace.is_bound(x)))):
        if node.op_type == "Div":
            return None
        x, g = g, x
    out = node.outputs[0].shape
    if x is None or x.ndim == 0 or out is None or len(out) != x.ndim:
        return None
    if g is not None:
        trace.join(g, np.zeros((), np.int64))
    return [x]


def has_ceiling(node: ir.Node) -> bool:
    """Whether a node is a Clip from 0 or from nowhere up to a positive number, as ReLU6 is."""
    low, high = _clip_bounds(node)
    return low in (-np.inf, 0.0) and 0.0 < high < np.inf


def _is_one_sided(node: ir.Node) -> bool:
    return all(np.isinf(bound) or bound == 0.0 for bound in _clip_bounds(node))


def _clip_bounds(node: ir.Node) -> tuple[float, float]:
    """Bounds of a Clip whose bounds are constant inputs; not a number for any other node."""
    constant = all(value is None or constant_array(value) is not None for value in node.inputs[1:])
    return bounds_of(node) if is_op(node, "Clip") and constant and not node.attributes else (np.nan, np.nan)


def _is_window(node: ir.Node, x: np.ndarray) -> bool:
    """Whether a pooling, resizing or padding node mixes elements of one label only."""
    if is_op(node, "Resize", "Upsample"):
        old, new = node.inputs[0], node.outputs[0].shape
        if old is None or old.shape is None or new is None or len(new) != x.ndim:
            return False
        if any(size != 1 and old.shape[k] != new[k] for k, size in enumerate(x.shape)):
            return False
        return "crop" not in node.attributes.get_string("coordinate_transformation_mode", "")
    return all(size == 1 for k, size in enumerate(x.shape) if k != 1)


def _reduced(node: ir.Node, x: np.ndarray) -> list[np.ndarray] | None:
    axes = node.attributes.get_ints("axes", None)
    if axes is None and len(node.inputs) > 1 and node.inputs[1] is not None:
        given = constant_array(node.inputs[1])
        axes = None if given is None else tuple(int(axis) for axis in given.reshape(-1))
    if axes is None:
        return None
    gone = tuple(sorted(axis % x.ndim for axis in axes))
    if any(x.shape[axis] != 1 for axis in gone):
        return None
    return [x if node.attributes.get_int("keepdims", 1) else x.squeeze(gone)]


def _weighted(node: ir.Node, inputs: Sequence[np.ndarray | None], trace: Trace) -> list[np.ndarray] | None:
    """MatMul(p, v): every column of v is summed by itself, so its label survives."""
    p, v = inputs
    out = node.outputs[0].shape
    if p is None or v is None or v.ndim < 2 or v.shape[-2] != 1 or out is None or len(out) != v.ndim:
        return None
    trace.join(p, np.zeros((), np.int64))
    return [v]
