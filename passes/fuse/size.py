"""A size as a polynomial of symbols, P + T or 2 B: equal where it is the same number whatever the symbols are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["ONE", "Dims", "Size"]


@dataclass(frozen=True, slots=True)
class Size:
    """Σ coefficient · symbols, whole numbers."""

    terms: frozenset[tuple[tuple[str, ...], int]]

    @staticmethod
    def of(what: int | str) -> Size:
        """A number, or a symbol."""
        if isinstance(what, str):
            return Size(frozenset({((what,), 1)}))
        return Size(frozenset({((), int(what))} if what else ()))

    @property
    def number(self) -> int | None:
        """The number it is, where it is one."""
        if not self.terms:
            return 0
        [(symbols, factor), *more] = self.terms
        return None if symbols or more else factor

    def __add__(self, other: Size) -> Size:
        found = dict(self.terms)
        for symbols, factor in other.terms:
            found[symbols] = found.get(symbols, 0) + factor
        return Size(frozenset((symbols, factor) for symbols, factor in found.items() if factor))

    def __mul__(self, other: Size) -> Size:
        total = Size(frozenset())
        for symbols, factor in self.terms:
            made = frozenset((tuple(sorted(symbols + more)), factor * times) for more, times in other.terms)
            total += Size(made)
        return total

    def __sub__(self, other: Size) -> Size:
        return self + other * Size.of(-1)

    def over(self, other: Size) -> Size | None:
        """The quotient by a product of symbols and a number, where it is whole."""
        if len(other.terms) != 1:
            return Size.of(1) if self == other else None
        [(below, divisor)] = other.terms
        made = []
        for symbols, factor in self.terms:
            left = list(symbols)
            for symbol in below:
                if symbol not in left:
                    return None
                left.remove(symbol)
            if factor % divisor:
                return None
            made.append((tuple(left), factor // divisor))
        return Size(frozenset(made))


Dims: TypeAlias = tuple[Size, ...]
ONE = Size.of(1)
