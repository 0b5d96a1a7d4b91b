"""Movers: what Concat, Expand, Pad, Reshape, Split and Slice do to labels as they do it to elements (see `trace`).

Each takes a node and labels and returns the labels of its outputs, or None when they cannot be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import onnx_ir as ir

from ..edit import constant_array

__all__ = ["Trace", "concat", "expand", "pad", "reshape", "slice_", "split"]

_LARGEST = 1 << 20


class Trace(Protocol):
    """The labels given so far."""

    def join(self, a: np.ndarray, b: np.ndarray) -> None: ...  # from now on the same
    def fresh(self, shape: tuple[int, ...]) -> np.ndarray: ...
    def is_bound(self, labels: np.ndarray) -> bool: ...  # who does not scale reads them


def concat(node: ir.Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray] | None:
    """Labels side by side, those of constants pinned."""
    parts = []
    for value, labels in zip(node.inputs, inputs, strict=True):
        if value is None or value.shape is None or len(value.shape) == 0:
            return None
        rank = len(value.shape)
        axis = node.attributes.get_int("axis", 0) % rank
        size = value.shape[axis]
        known = np.zeros((1,) * rank, np.int64) if labels is None or labels.ndim == 0 else labels
        if not isinstance(size, int) or known.ndim != rank:
            return None
        parts.append(np.repeat(known, size, axis=axis) if known.shape[axis] == 1 else known)
    rank, axis = parts[0].ndim, node.attributes.get_int("axis", 0) % parts[0].ndim
    sizes = [max(part.shape[k] for part in parts) for k in range(rank)]
    wide = [np.broadcast_to(p, [p.shape[k] if k == axis else sizes[k] for k in range(rank)]) for p in parts]
    return [np.concatenate(wide, axis=axis)]


def expand(node: ir.Node, x: np.ndarray) -> list[np.ndarray] | None:
    """Copies take the label of what they copy; only an axis of size 1 is copied."""
    shape = node.outputs[0].shape
    if shape is None or len(shape) < x.ndim:
        return None
    return [x.reshape((1,) * (len(shape) - x.ndim) + x.shape)]


def pad(node: ir.Node, x: np.ndarray, trace: Trace) -> list[np.ndarray] | None:
    """Copies take the label of what they copy; zeros are free, whatever the factor."""
    if len(node.inputs) > 3 and node.inputs[3] is not None:
        return None
    pads = node.attributes.get_ints("pads", None)
    if pads is None:
        given = constant_array(node.inputs[1]) if len(node.inputs) > 1 else None
        pads = None if given is None else tuple(int(each) for each in given.reshape(-1))
    fill = constant_array(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else 0.0
    if pads is None or fill is None or bool(np.any(fill)) or node.attributes.get_float("value", 0.0) != 0.0:
        return None
    for axis in range(x.ndim):
        before, after = pads[axis], pads[axis + x.ndim]
        if x.shape[axis] == 1 or before == after == 0:
            continue
        if before < 0 or after < 0 or node.attributes.get_string("mode", "constant") != "constant":
            return None
        zeros = [trace.fresh((*x.shape[:axis], count, *x.shape[axis + 1 :])) for count in (before, after)]
        x = np.concatenate([zeros[0], x, zeros[1]], axis=axis)
    return [x]


def reshape(x: np.ndarray, old: ir.Value | None, new: ir.Value) -> list[np.ndarray] | None:
    """Match the dimensions of both shapes from the last one on, in blocks of the same number of elements."""
    if old is None or old.shape is None or new.shape is None or len(old.shape) != x.ndim:
        return None
    before, after = list(old.shape), list(new.shape)
    sizes, spread = [1] * len(after), list(x.shape)
    while before and after:
        i, j = len(before) - 1, len(after) - 1
        a, b = before[i], after[j]
        if not isinstance(a, int) or not isinstance(b, int):
            break
        while a != b:
            grow, dims, k = (True, before, i - 1) if a < b else (False, after, j - 1)
            dim = dims[k] if k >= 0 else None
            if not isinstance(dim, int) or dim == 0:
                break
            if grow:
                a, i = a * dim, k
            else:
                b, j = b * dim, k
        if a != b:
            break
        if any(size != 1 for size in x.shape[i : len(before)]):
            spread[i : len(before)] = [int(dim) for dim in before[i:]]  # type: ignore[arg-type]
            sizes[j : len(after)] = [int(dim) for dim in after[j:]]  # type: ignore[arg-type]
        del before[i:], after[j:]
    if any(size != 1 for size in x.shape[: len(before)]) or np.prod(sizes) > _LARGEST:
        return None
    return [np.broadcast_to(x, spread).reshape(sizes)]


def split(node: ir.Node, x: np.ndarray) -> list[np.ndarray] | None:
    """A share of the labels for each output."""
    axis = node.attributes.get_int("axis", 0) % x.ndim
    if x.shape[axis] == 1:
        return [x] * len(node.outputs)
    sizes = [None if value.shape is None else value.shape[axis] for value in node.outputs]
    if not all(isinstance(size, int) for size in sizes) or sum(sizes) != x.shape[axis]:  # type: ignore[arg-type]
        return None
    return np.split(x, np.cumsum(sizes)[:-1], axis=axis)  # type: ignore[arg-type]


def slice_(node: ir.Node, x: np.ndarray) -> list[np.ndarray] | None:
    """The labels of the elements taken."""
    given = [None if value is None else constant_array(value) for value in node.inputs[1:]]
    if len(given) < 2 or any(array is None for array in given):
        return None
    starts, ends = (array.reshape(-1) for array in given[:2] if array is not None)
    axes = given[2].reshape(-1) if len(given) > 2 and given[2] is not None else np.arange(starts.size)
    steps = given[3].reshape(-1) if len(given) > 3 and given[3] is not None else np.ones(starts.size, np.int64)
    cuts = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if x.shape[axis % x.ndim] == 1:
            continue
        if step < 0:
            return None
        cuts[axis % x.ndim] = slice(int(start), int(end), int(step))
    return [x[tuple(cuts)]]
