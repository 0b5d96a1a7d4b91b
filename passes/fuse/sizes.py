"""Sizes as polynomials of the graph's symbols: (B, P + T, 4, 8), where ONNX's inference loses what a Concat makes.

Fusions compare sizes: a Reshape keeps the axes before the last, a cache grows by just the new tokens. What a graph
computes of Shape is followed as sizes too, since Reshape, Expand and Slice read it. A size that nothing tells is a
symbol of its own: equal to itself alone.

Presumed, as by whoever wrote the graph: a name of a dimension stands for one number; no axis is empty; a Slice that
ends at a computed size ends inside of what it cuts; symbols that meet in an elementwise operator or a product are
equal, and none of them is 1 there.

Scope: the main graph.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from ..edit import constant_array, is_op
from .size import Dims, Size
from .size_rules import CONTRIB, NUMBERS, SHAPES, split_shapes

__all__ = ["Sizes"]

# Integers of longer tensors are no sizes.
_FEW = 16


class Sizes:
    """The sizes of all values of a graph, as it is now.

    Args:
        graph: Not changed.
    """

    def __init__(self, graph: ir.Graph) -> None:
        self._dims: dict[ir.Value, Dims] = {}
        self._held: dict[ir.Value, np.ndarray] = {}
        self._equal: dict[str, Size] = {}
        for value in (*graph.inputs, *graph.initializers.values()):
            self._learn(value, None)
        for node in graph:
            self._follow(node)

    def of(self, value: ir.Value | None) -> Dims | None:
        """The sizes of a value; None where not even their count is known."""
        dims = None if value is None else self._dims.get(value)
        return None if dims is None else tuple(self.plain(size) for size in dims)

    def plain(self, size: Size) -> Size:
        """A size with one symbol for all that are equal."""
        if not self._equal or size.number is not None:
            return size
        total = Size.of(0)
        for symbols, factor in size.terms:
            term = Size.of(factor)
            for symbol in symbols:
                other = self._equal.get(symbol)
                term *= Size.of(symbol) if other is None else self.plain(other)
            total += term
        return total

    def meet(self, a: Size, b: Size) -> None:
        """Learn that two sizes are equal, where that tells what a symbol is."""
        left = sorted((self.plain(a) - self.plain(b)).terms, key=lambda term: (len(term[0]), term))
        numbers = [factor for symbols, factor in left if not symbols]
        singles = [(symbols[0], factor) for symbols, factor in left if len(symbols) == 1]
        if len(numbers) + len(singles) < len(left) or not singles or abs(singles[-1][1]) != 1 or len(left) > 2:
            return
        symbol, sign = singles[-1]
        rest = self.plain(a) - self.plain(b) - Size(frozenset({((symbol,), sign)}))
        self._equal[symbol] = rest * Size.of(-sign)

    def held(self, value: ir.Value | None) -> np.ndarray | None:
        """The numbers in a small tensor of whole ones, as an array of `Size`."""
        if value is None:
            return None
        found = self._held.get(value)
        if found is not None:
            return _each(found, self.plain)
        array = constant_array(value) if value.dtype in (ir.DataType.INT64, ir.DataType.INT32) else None
        if array is None or array.size > _FEW:
            return None
        return _sizes(array)

    def _learn(self, value: ir.Value, found: Sequence[Size | None] | None) -> None:
        """Take what was found of a value, and what it declares of the rest."""
        said = value.shape
        if found is None:
            if said is None:
                return
            found = [None] * len(said)
        fits = said is not None and len(said) == len(found)
        self._dims[value] = tuple(
            size if size is not None else _said(value, said[axis] if fits and said is not None else None, axis)
            for axis, size in enumerate(found)
        )

    def _follow(self, node: ir.Node) -> None:
        rules = SHAPES if node.domain in ("", "ai.onnx") else CONTRIB if node.domain == "com.microsoft" else {}
        rule = rules.get(node.op_type)
        parts = split_shapes(self, node) if is_op(node, "Split") else None
        for position, value in enumerate(node.outputs):
            self._learn(value, parts[position] if parts else rule(self, node) if rule and not position else None)
        number = NUMBERS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        made = None if number is None else number(self, node)
        if made is not None and made.size <= _FEW:
            self._held[node.outputs[0]] = made


def _sizes(array: np.ndarray) -> np.ndarray:
    return _each(array, lambda number: Size.of(int(number)))


def _each(array: np.ndarray, make: Callable[..., Size]) -> np.ndarray:
    made = np.empty(array.shape, object)
    for index in np.ndindex(array.shape):
        made[index] = make(array[index])
    return made


def _said(value: ir.Value, dim: object, axis: int) -> Size:
    if isinstance(dim, int):
        return Size.of(dim)
    name = getattr(dim, "value", None)
    if name is None:
        return Size.of(f"{value.name}[{axis}]")
    # As torch writes sums of its symbols.
    total = Size.of(0)
    for term in str(name).split(" + "):
        if not re.fullmatch(r"\w+", term):
            return Size.of(str(name))
        total += Size.of(int(term) if term.isdecimal() else term)
    return total
