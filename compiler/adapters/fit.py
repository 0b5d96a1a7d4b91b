"""Fit the factors of an adapter to the linears of a graph: one (A, B) for each, modules packed in it side by side.

[x A1 B1 | x A2 B2] = x [A1 A2] [B1  0]
                                [ 0 B2]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...errors import ModelError
from .linears import Linear
from .match import Match
from .peft import LowRank, Peft

__all__ = ["fit"]


def fit(peft: Peft, matches: Mapping[str, Match]) -> dict[Linear, LowRank]:
    """The factors of every linear that an adapter changes.

    Raises:
        ModelError: A module has other sizes than its linear, or two modules are one linear.
    """
    by_linear: dict[Linear, dict[str, Match]] = {}
    for module, match in matches.items():
        by_linear.setdefault(match.linear, {})[module] = match
    found = {}
    for linear, modules in by_linear.items():
        factors = {module: peft.modules[module] for module in modules}
        if any(match.parts > 1 for match in modules.values()):
            found[linear] = _packed(linear, modules, factors, peft.origin)
            continue
        if len(factors) > 1:
            raise ModelError(
                f"{peft.origin}, modules {' and '.join(map(repr, factors))}",
                f"are one linear of the graph, {linear.name!r}",
                remedy="Map them to linears of their own with --adapter-map MODULE=NODE",
            )
        ((module, alone),) = factors.items()
        _check(module, alone, linear, linear.columns, peft.origin)
        found[linear] = alone
    return found


def _packed(linear: Linear, modules: Mapping[str, Match], factors: Mapping[str, LowRank], where: str) -> LowRank:
    """The factors of a linear in which several modules lie side by side, some of which may have none."""
    parts = next(iter(modules.values())).parts
    known = {match.part: factors[module].b.shape[1] for module, match in modules.items()}
    widths = _widths(linear.columns, parts, known)
    for module, match in modules.items():
        _check(module, factors[module], linear, widths[match.part], where)
    ordered = sorted(modules, key=lambda module: modules[module].part)
    b = np.zeros((sum(factors[module].rank for module in ordered), linear.columns), np.float32)
    row = 0
    for module in ordered:
        each, part = factors[module], modules[module].part
        column = sum(widths[:part])
        b[row : row + each.rank, column : column + widths[part]] = each.b
        row += each.rank
    return LowRank(a=np.concatenate([factors[module].a for module in ordered], axis=1), b=b)


def _widths(columns: int, parts: int, known: Mapping[int, int]) -> Sequence[int]:
    """Columns of every part. Of two parts each has half; of three (q, k, v) the last two have as many."""
    if parts == 2:
        return (columns // 2, columns // 2)
    pair = known.get(1, known.get(2))
    if pair is None:
        pair = (columns - known[0]) // 2
    return (columns - 2 * pair, pair, pair)


def _check(module: str, each: LowRank, linear: Linear, columns: int, where: str) -> None:
    got, need = (each.a.shape[0], each.b.shape[1]), (linear.rows, columns)
    if got != need:
        raise ModelError(
            f"{where}, module {module!r}",
            f"takes {got[0]} and gives {got[1]} features, "
            f"its linear {linear.name!r} takes {need[0]} and gives {need[1]}",
            remedy="Give an adapter that was trained on this model",
        )
