"""What a graph computes along the last axis, element by element: y_j = Σ ± x_k · c_l, whatever it is written with.

Slices, halves, Neg, Concat, stacks of pairs, Reshape: all of them only say which element goes where. Followed by
element ("lane"), every way to write a rotation gives the same sums of products. A lane is one element of a leaf, which
is a value where following stops, alone or under a function of its own (Cos, Sin).

Axes before the last are not followed: whoever asks compares their sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from ..edit import constant_array, constant_scalar, is_op
from .size import Dims, Size
from .sizes import Sizes

__all__ = ["Lane", "Lanes", "Sum"]

# Heads are no wider; the pairs of a stack are of two.
_MOST = 1024
_TERMS = 4
_FACTORS = 2
# Batch, tokens and heads are before the lanes: a rank from which on the last two axes are lanes.
_PARTED = 5


@dataclass(frozen=True, slots=True)
class Lane:
    """One element of a leaf's last axis (of its last two, of rank five), under a function or none."""

    leaf: ir.Value
    index: int
    function: str = ""


# Products of lanes, sorted, and their coefficients.
Sum: TypeAlias = dict[tuple[Lane, ...], float]


class Lanes:
    """Follows values of a graph by lane.

    Args:
        sizes: Those of the graph.
        moves: Stop at sums and products: follow only where elements go.
    """

    def __init__(self, sizes: Sizes, *, moves: bool = False) -> None:
        self._sizes = sizes
        self._rules = {op: rule for op, rule in _RULES.items() if not (moves and op in _ARITHMETIC)}
        # What a function is of is not taken apart.
        self.moved = self if moves else Lanes(sizes, moves=True)
        self._known: dict[ir.Value, np.ndarray | None] = {}

    def of(self, value: ir.Value | None) -> np.ndarray | None:
        """The sums of a value's last axes, an object array of `Sum`; None where their sizes are not numbers."""
        if value is None:
            return None
        if value not in self._known:
            self._known[value] = None
            node = value.producer()
            found = None
            if node is not None and is_op(node, "Split"):
                found = _split(self, node, value)
            elif node is not None and is_op(node, *self._rules):
                found = self._rules[node.op_type](self, node)
            self._known[value] = found if found is not None else self._leaf(value)
        return self._known[value]

    def sizes(self, value: ir.Value | None) -> Dims:
        """The sizes of a value; none where they are unknown."""
        return self._sizes.of(value) or ()

    def _leaf(self, value: ir.Value) -> np.ndarray | None:
        dims = self.sizes(value)
        last = [size.number for size in dims[-2 if len(dims) == _PARTED else -1 :]]
        shape = [size for size in last if size is not None]
        if not shape or len(shape) < len(last) or not 0 < np.prod(shape) <= _MOST:
            return None
        made = np.empty(int(np.prod(shape)), object)
        for index in range(made.size):
            made[index] = {(Lane(value, index),): 1.0}
        return made.reshape(shape)


_Rule: TypeAlias = Callable[[Lanes, ir.Node], np.ndarray | None]


def _each(array: np.ndarray, make: Callable[[Sum], Sum | None]) -> np.ndarray | None:
    made = np.empty(array.size, object)
    for index, sum_ in enumerate(array.reshape(-1)):
        made[index] = make(sum_)
        if made[index] is None:
            return None
    return made.reshape(array.shape)


def _scaled(array: np.ndarray | None, factor: float) -> np.ndarray | None:
    return None if array is None else _each(array, lambda sum_: {key: each * factor for key, each in sum_.items()})


def _neg(lanes: Lanes, node: ir.Node) -> np.ndarray | None:
    return _scaled(lanes.of(node.inputs[0]), -1.0)


def _combined(a: np.ndarray | None, b: np.ndarray | None, how: Callable[[Sum, Sum], Sum | None]) -> np.ndarray | None:
    if a is None or b is None or a.ndim > 2 or b.ndim > 2:
        return None
    try:
        a, b = np.broadcast_arrays(a, b)
    except ValueError:
        return None
    made = np.empty(a.size, object)
    for index, (one, other) in enumerate(zip(a.reshape(-1), b.reshape(-1), strict=True)):
        made[index] = how(one, other)
        if made[index] is None:
            return None
    return made.reshape(a.shape)


def _added(one: Sum, other: Sum) -> Sum | None:
    made = dict(one)
    for key, factor in other.items():
        made[key] = made.get(key, 0.0) + factor
    return made if len(made) <= _TERMS else None


def _multiplied(one: Sum, other: Sum) -> Sum | None:
    made: Sum = {}
    for a, factor in one.items():
        for b, times in other.items():
            key = tuple(sorted((*a, *b), key=lambda lane: (id(lane.leaf), lane.index, lane.function)))
            if len(key) > _FACTORS:
                return None
            made[key] = made.get(key, 0.0) + factor * times
    return made if len(made) <= _TERMS else None


def _add(lanes: Lanes, node: ir.Node) -> np.ndarray | None:
    a, b = (lanes.of(each) for each in node.inputs)
    return _combined(a, _scaled(b, -1.0) if node.op_type == "Sub" else b, _added)


def _mul(lanes: Lanes, node: ir.Node) -> np.ndarray | None:
    for one, other in ((0, 1), (1, 0)):
        factor = constant_scalar(node.inputs[other])
        if factor is not None and len(lanes.sizes(node.inputs[other])) <= len(lanes.sizes(node.inputs[one])):
            return _scaled(lanes.of(node.inputs[one]), factor)
    return _combined(lanes.of(node.inputs[0]), lanes.of(node.inputs[1]), _multiplied)


def _function(lanes: Lanes, node: ir.Node) -> np.ndarray | None:
    def under(sum_: Sum) -> Sum | None:
        [(key, factor), *more] = sum_.items()
        if more or len(key) != 1 or factor != 1.0 or key[0].function:
            return None
        return {(Lane(key[0].leaf, key[0].index, node.op_type),): 1.0}

    found = lanes.moved.of(node.inputs[0])
    return None if found is None else _each(found, under)


def _concat(lanes: Lanes, node: ir.Node) -> np.ndarray | None:
    parts = [lanes.of(each) for each in node.inputs]
    known = [part for part in parts if part is not None]
    rank = len(lanes.sizes(node.inputs[0]))
    axis = node.attributes.get_int("axis", 0) - (rank if node.attributes.get_int("axis", 0) >= 0 else 0)
    if len(known) < len(parts) or len({part.ndim for part in known}) > 1 or -axis > known[0].ndim:
        return None
    try:
        return np.concatenate(known, axis)
    except ValueError:
        return None


def _slice(lanes: Lanes, node: ir.Node) -> np.ndarray | None:
    source, rank = lanes.of(node.inputs[0]), len(lanes.sizes(node.inputs[0]))
    given = [constant_array(each) for each in node.inputs[1:]]
    if source is None or len(given) < 3 or any(each is None for each in given):
        return None
    starts, ends, axes, *rest = ([int(number) for number in each.reshape(-1)] for each in given if each is not None)
    steps = rest[0] if rest else [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        back = axis if axis < 0 else axis - rank
        if -back > source.ndim or step < 1:
            return None
        source = _cut(source, back, slice(start, end, step))
    return source


def _cut(source: np.ndarray, axis: int, part: slice) -> np.ndarray:
    picked = range(*part.indices(source.shape[axis]))
    made: np.ndarray = np.take(source, np.asarray(picked, np.int64), axis)
    return made


def _split(lanes: Lanes, node: ir.Node, value: ir.Value) -> np.ndarray | None:
    source, dims = lanes.of(node.inputs[0]), lanes.sizes(node.inputs[0])
    axis = node.attributes.get_int("axis", 0)
    back = axis if axis < 0 else axis - len(dims)
    lengths = [lanes.sizes(each)[back].number if lanes.sizes(each) else None for each in node.outputs]
    if source is None or -back > source.ndim or None in lengths:
        return None
    at = list(node.outputs).index(value)
    start = sum(length or 0 for length in lengths[:at])
    return _cut(source, back, slice(start, start + (lengths[at] or 0)))


def _gather(lanes: Lanes, node: ir.Node) -> np.ndarray | None:
    source, index = lanes.of(node.inputs[0]), constant_array(node.inputs[1])
    axis = node.attributes.get_int("axis", 0)
    back = axis if axis < 0 else axis - len(lanes.sizes(node.inputs[0]))
    if source is None or index is None or index.ndim > 1 or -back > source.ndim:
        return None
    taken: np.ndarray = np.take(source, index, back)
    return taken if isinstance(taken, np.ndarray) and taken.ndim else None


def _reshape(lanes: Lanes, node: ir.Node) -> np.ndarray | None:
    """Unsqueeze, Squeeze, Reshape: elements stay in order; those of the last axes are among the last again."""
    source, dims = lanes.of(node.inputs[0]), lanes.sizes(node.outputs[0])
    if source is None:
        return None
    shape: list[int] = []
    for size in reversed(dims):
        if size.number is None or int(np.prod(shape)) == source.size:
            break
        shape.insert(0, size.number)
    # (…, 4) → (…, 4, 1) and (…, 2, 2) part a head's lanes; what makes rank four of three parts heads.
    parts_heads = len(shape) > source.ndim and len(dims) < _PARTED
    return source.reshape(shape) if shape and int(np.prod(shape)) == source.size and not parts_heads else None


def _transpose(lanes: Lanes, node: ir.Node) -> np.ndarray | None:
    source, order = lanes.of(node.inputs[0]), list(node.attributes.get_ints("perm", ()))
    rank = len(order)
    if source is None or order[: rank - source.ndim] != list(range(rank - source.ndim)) or not order:
        return None
    return source.transpose([axis - (rank - source.ndim) for axis in order[rank - source.ndim :]])


def _same(lanes: Lanes, node: ir.Node) -> np.ndarray | None:
    given = node.inputs[0]
    return lanes.of(given) if given is not None and given.dtype == node.outputs[0].dtype else None


def _expand(lanes: Lanes, node: ir.Node) -> np.ndarray | None:
    before, after = lanes.sizes(node.inputs[0]), lanes.sizes(node.outputs[0])
    # The order of elements is kept where nothing is repeated but axes of one before all others.
    kept = len(before) == len(after) and all(a == b for a, b in zip(before, after, strict=True))
    return lanes.of(node.inputs[0]) if kept and is_op(node, "Expand") and Size.of(0) not in after else None


_ARITHMETIC = ("Neg", "Add", "Sub", "Mul", "Cos", "Sin")
_RULES: dict[str, _Rule] = {
    "Neg": _neg, "Add": _add, "Sub": _add, "Mul": _mul, "Cos": _function, "Sin": _function, "Concat": _concat,
    "Slice": _slice, "Gather": _gather, "Reshape": _reshape, "Unsqueeze": _reshape,
    "Squeeze": _reshape, "Transpose": _transpose, "Cast": _same, "Identity": _same, "Expand": _expand,
}  # fmt: skip
