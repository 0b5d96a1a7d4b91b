"""What the entries of a mask are, as a function of where they are: for which i and j, and by what.

Index arithmetic of a graph (Range, comparisons, Trilu, Where, …) is followed as whole-number sums of an entry's
coordinates and of sizes. Two masks are the same for every size when their sums are: a proof, where comparing arrays of
some sizes is none. Coordinates are counted from behind: -1 is the column, -2 the row.

Constants as long as a context (a triangle that is cut where it is read) are compared whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from ..edit import constant_array, is_op
from .size import Size
from .sizes import Sizes

__all__ = ["Choice", "Entries", "Linear"]

_ZERO = Size.of(0)


@dataclass(frozen=True, slots=True)
class Linear:
    """Σ factor · coordinate + constant."""

    factors: frozenset[tuple[int, int]]
    constant: Size

    def plus(self, other: Linear, sign: int = 1) -> Linear:
        """The sum, or the difference."""
        found = dict(self.factors)
        for axis, factor in other.factors:
            found[axis] = found.get(axis, 0) + sign * factor
        kept = frozenset((axis, factor) for axis, factor in found.items() if factor)
        return Linear(kept, self.constant + other.constant * Size.of(sign))

    def moved(self, where: Callable[[int], int | None]) -> Linear | None:
        """The same of an entry whose coordinates have other places; None where one has none."""
        places = [(where(axis), factor) for axis, factor in self.factors]
        if any(axis is None for axis, _ in places):
            return None
        return Linear(frozenset((axis, factor) for axis, factor in places if axis is not None), self.constant)


@dataclass(frozen=True, slots=True)
class Choice:
    """One number where a sum is at least 0, another elsewhere; `test` is None where both are the same."""

    test: Linear | None
    then: float
    otherwise: float


_Entry: TypeAlias = Linear | Choice


class Entries:
    """Follows values of a graph by entry.

    Args:
        sizes: Those of the graph.
    """

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self._known: dict[ir.Value, _Entry | None] = {}

    def of(self, value: ir.Value | None) -> _Entry | None:
        """What the entries of a value are; None where that is not known."""
        if value is None:
            return None
        if value not in self._known:
            self._known[value] = None
            self._known[value] = self._entry(value)
        return self._known[value]

    def _entry(self, value: ir.Value) -> _Entry | None:
        held = self.sizes.held(value)
        if held is not None and held.size == 1:
            return Linear(frozenset(), held.reshape(-1)[0])
        array = constant_array(value)
        if array is not None:
            return _constant(array)
        node = value.producer()
        if node is None or not is_op(node, *_RULES):
            return None
        return _RULES[node.op_type](self, node)


def _constant(array: np.ndarray) -> Choice | None:
    """A number, or a triangle."""
    if array.size == 0 or array.dtype.kind not in "fib":
        return None
    flat = array.reshape(-1)
    if np.all(flat == flat[0]):
        return Choice(None, float(flat[0]), float(flat[0]))
    length = array.shape[-1]
    if array.ndim < 2 or array.shape[-2] != length or flat.size != length * length:
        return None
    square = array.reshape(length, length)
    below = np.tri(length, dtype=bool)
    low, high = square[0, 0], square[0, 1]
    fits = np.array_equal(square, np.where(below, low, high))
    return Choice(Linear(frozenset({(-2, 1), (-1, -1)}), _ZERO), float(low), float(high)) if fits else None


def _range(entries: Entries, node: ir.Node) -> _Entry | None:
    start, step = entries.sizes.held(node.inputs[0]), entries.sizes.held(node.inputs[2])
    if start is None or step is None or step.reshape(-1)[0] != Size.of(1):
        return None
    return Linear(frozenset({(-1, 1)}), start.reshape(-1)[0])


def _on_test(entry: _Entry | None, change: Callable[[Linear], Linear | None]) -> _Entry | None:
    """An entry whose sum is changed."""
    if isinstance(entry, Linear):
        return change(entry)
    if entry is None or entry.test is None:
        return entry
    test = change(entry.test)
    return None if test is None else Choice(test, entry.then, entry.otherwise)


def _placed(entries: Entries, node: ir.Node) -> _Entry | None:
    """Unsqueeze, Squeeze, Reshape that only adds or drops axes of one, Transpose, Expand: coordinates move."""
    before, after = entries.sizes.of(node.inputs[0]), entries.sizes.of(node.outputs[0])
    entry = entries.of(node.inputs[0])
    if before is None or after is None:
        return None
    if is_op(node, "Expand"):
        return entry
    if is_op(node, "Transpose"):
        order = list(node.attributes.get_ints("perm", tuple(reversed(range(len(before))))))
        return _on_test(entry, lambda each: each.moved(lambda axis: order.index(axis % len(order)) - len(order)))
    one = Size.of(1)
    wide = [axis - len(before) for axis, size in enumerate(before) if size != one]
    there = [axis - len(after) for axis, size in enumerate(after) if size != one]
    if [before[axis] for axis in wide] != [after[axis] for axis in there]:
        return None
    where = dict(zip(wide, there, strict=True))
    # The coordinate of an axis of one is 0.
    return _on_test(entry, lambda each: _without(each, where).moved(where.get))


def _without(entry: Linear, kept: dict[int, int]) -> Linear:
    return Linear(frozenset(term for term in entry.factors if term[0] in kept), entry.constant)


def _cast(entries: Entries, node: ir.Node) -> _Entry | None:
    entry, to = entries.of(node.inputs[0]), node.attributes.get_int("to", 0)
    if isinstance(entry, Choice) and to == ir.DataType.BOOL:
        return Choice(entry.test, float(entry.then != 0), float(entry.otherwise != 0))
    return entry


def _number(entry: _Entry | None) -> Choice | None:
    """A choice, also of a whole number that is known."""
    if isinstance(entry, Linear):
        known = entry.constant.number
        return Choice(None, known, known) if known is not None and not entry.factors else None
    return entry


def _together(entries: Entries, node: ir.Node, how: Callable[[float, float], float]) -> _Entry | None:
    """Elementwise on numbers, where at most one of two is chosen by a sum."""
    one, other = (_number(entries.of(value)) for value in node.inputs)
    if one is None or other is None or (one.test is not None and other.test is not None and one.test != other.test):
        return None
    test = one.test if one.test is not None else other.test
    then, otherwise = how(one.then, other.then), how(one.otherwise, other.otherwise)
    return None if np.isnan(then) or np.isnan(otherwise) else Choice(test, then, otherwise)


def _arithmetic(entries: Entries, node: ir.Node) -> _Entry | None:
    one, other = (entries.of(value) for value in node.inputs)
    if isinstance(one, Linear) and isinstance(other, Linear) and is_op(node, "Add", "Sub"):
        return one.plus(other, 1 if node.op_type == "Add" else -1)
    how: dict[str, Callable[[float, float], float]] = {
        "Add": lambda a, b: a + b,
        "Sub": lambda a, b: a - b,
        "Mul": lambda a, b: float(np.multiply(a, b)) if np.isfinite(a * b) else float("nan"),
    }
    return _together(entries, node, how[node.op_type])


def _compared(entries: Entries, node: ir.Node) -> _Entry | None:
    one, other = (entries.of(value) for value in node.inputs)
    if isinstance(one, Linear) and isinstance(other, Linear) and node.op_type != "Equal":
        above = node.op_type.startswith("Greater")
        left = one.plus(other, -1) if above else other.plus(one, -1)
        strict = Linear(frozenset(), Size.of(0 if node.op_type.endswith("OrEqual") else 1))
        return Choice(left.plus(strict, -1), 1.0, 0.0)
    return _together(entries, node, lambda a, b: float(a == b)) if node.op_type == "Equal" else None


def _not(entries: Entries, node: ir.Node) -> _Entry | None:
    entry = _number(entries.of(node.inputs[0]))
    return None if entry is None else Choice(entry.test, float(not entry.then), float(not entry.otherwise))


def _where(entries: Entries, node: ir.Node) -> _Entry | None:
    asked, *both = (_number(entries.of(value)) for value in node.inputs)
    one, other = both
    if asked is None or one is None or other is None:
        return None
    if {test for test in (one.test, other.test) if test is not None} - {asked.test}:
        return None
    then, otherwise = (one.then if asked.then else other.then), (one.otherwise if asked.otherwise else other.otherwise)
    return Choice(asked.test, then, otherwise)


def _filled(entries: Entries, node: ir.Node) -> _Entry | None:
    del entries
    value = node.attributes.get_tensor("value", None)
    return Choice(None, 0.0, 0.0) if value is None else _constant(value.numpy())


def _triangle(entries: Entries, node: ir.Node) -> _Entry | None:
    entry = _number(entries.of(node.inputs[0]))
    given = node.inputs[1] if len(node.inputs) > 1 else None
    offset = None if given is None else entries.sizes.held(given)
    if entry is None or entry.test is not None or (given is not None and offset is None):
        return None
    k = _ZERO if offset is None else offset.reshape(-1)[0]
    ahead = Linear(frozenset({(-1, 1), (-2, -1)}), _ZERO - k)
    if not node.attributes.get_int("upper", 1):
        ahead = Linear(frozenset(), _ZERO).plus(ahead, -1)
    return Choice(ahead, entry.then, 0.0)


def _slice(entries: Entries, node: ir.Node) -> _Entry | None:
    entry, dims = entries.of(node.inputs[0]), entries.sizes.of(node.inputs[0])
    starts, axes = entries.sizes.held(node.inputs[1]), constant_array(node.inputs[3]) if len(node.inputs) > 3 else None
    steps = constant_array(node.inputs[4]) if len(node.inputs) > 4 else None
    if dims is None or starts is None or axes is None or (steps is not None and np.any(steps != 1)):
        return None
    if any(start.number is not None and start.number < 0 for start in starts):
        return None
    begins = {int(axis) % len(dims) - len(dims): start for axis, start in zip(axes, starts, strict=True)}

    def later(each: Linear) -> Linear:
        total = each.constant
        for axis, factor in each.factors:
            total += begins.get(axis, _ZERO) * Size.of(factor)
        return Linear(each.factors, total)

    return _on_test(entry, later)


_RULES: dict[str, Callable[[Entries, ir.Node], _Entry | None]] = {
    "Range": _range, "Cast": _cast, "Identity": _cast, "Not": _not, "Where": _where, "ConstantOfShape": _filled,
    "Trilu": _triangle, "Slice": _slice,
    **dict.fromkeys(("Unsqueeze", "Squeeze", "Reshape", "Transpose", "Expand"), _placed),
    **dict.fromkeys(("Add", "Sub", "Mul"), _arithmetic),
    **dict.fromkeys(("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal"), _compared),
}  # fmt: skip
