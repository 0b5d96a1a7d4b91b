"""Select every step-th element of a value in the graph, so that a small array leaves ONNX Runtime.

A step that shares a factor with a dimension would look at some channels or columns only: with 384 channels last, a
step of 768 sees a single one of them. Steps are therefore coprime to the number of elements where that is known, and
to 6 where it is not.
"""

from __future__ import annotations

import math

import onnx_ir as ir

from .nodes import emit, integers

__all__ = ["stride_of", "strided"]


def strided(model: ir.Model, value: ir.Value, elements: int, prefix: str) -> ir.Value:
    """About `elements` elements of each sample, shape (rows, selected).

    Where the first axis is that of the samples, each sample shows the same elements whatever the batch.

    Args:
        model: The graph to append to.
        value: What to select from.
        elements: How many of each sample; a value that has hardly more shows all.
        prefix: Names what is appended.
    """
    shape = None if value.shape is None else list(value.shape)
    if shape and _counts_samples(shape[0], model.graph):
        flat = emit(model, "Flatten", [value], f"{prefix}_flat", {"axis": 1})
        rest = [dim for dim in shape[1:] if isinstance(dim, int)]
        if len(rest) == len(shape) - 1:
            step = integers(model, f"{prefix}_step", [stride_of(math.prod(rest), elements)])
        else:
            step = _stride_in_graph(model, flat, integers(model, f"{prefix}_elements", [elements]), prefix)
    else:
        flat = emit(model, "Reshape", [value, integers(model, f"{prefix}_row", [1, -1])], f"{prefix}_flat")
        step = _stride_in_graph(model, flat, _elements_of_all(model, elements, prefix), prefix)
    start, end = integers(model, f"{prefix}_start", [0]), integers(model, f"{prefix}_end", [2**62])
    axis = integers(model, f"{prefix}_axis", [1])
    return emit(model, "Slice", [flat, start, end, axis, step], f"{prefix}_selected")


def stride_of(size: int, elements: int) -> int:
    """The largest step that selects at least `elements` of `size` elements and is coprime to `size`."""
    step = max(1, size // elements)
    while math.gcd(step, size) > 1:
        step -= 1
    return step


def _counts_samples(dim: int | ir.SymbolicDim, graph: ir.Graph) -> bool:
    """Whether a first dimension is 1, or the free first dimension of an input."""
    if isinstance(dim, int) or dim.value is None:
        return dim == 1
    inputs = [value for value in graph.inputs if not value.is_initializer()]
    return any(value.shape is not None and len(value.shape) > 0 and value.shape[0] == dim for value in inputs)


def _elements_of_all(model: ir.Model, elements: int, prefix: str) -> ir.Value:
    """`elements` times the number of samples in the batch, an int64 vector of one."""
    budget = integers(model, f"{prefix}_elements", [elements])
    inputs = [value for value in model.graph.inputs if not value.is_initializer()]
    if not inputs or not inputs[0].shape or isinstance(inputs[0].shape[0], int):
        return budget
    shape = emit(model, "Shape", [inputs[0]], f"{prefix}_batch_shape")
    batch = emit(model, "Gather", [shape, integers(model, f"{prefix}_first", [0])], f"{prefix}_batch", {"axis": 0})
    return emit(model, "Mul", [batch, budget], f"{prefix}_budget")


def _stride_in_graph(model: ir.Model, flat: ir.Value, elements: ir.Value, prefix: str) -> ir.Value:
    """The number of the form 6 n + 1 nearest to the size of a row / elements."""
    shape = emit(model, "Shape", [flat], f"{prefix}_shape")
    size = emit(model, "Gather", [shape, integers(model, f"{prefix}_last", [1])], f"{prefix}_size", {"axis": 0})
    ratio = emit(model, "Div", [size, elements], f"{prefix}_ratio")
    six, one = integers(model, f"{prefix}_six", [6]), integers(model, f"{prefix}_one", [1])
    shifted = emit(model, "Add", [ratio, integers(model, f"{prefix}_three", [3])], f"{prefix}_shifted")
    sixths = emit(model, "Div", [shifted, six], f"{prefix}_sixths")
    whole = emit(model, "Mul", [sixths, six], f"{prefix}_whole")
    return emit(model, "Add", [whole, one], f"{prefix}_step")
