"""Two models compared layer by layer, for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.console import RenderableType

from ..compare import LayerComparison, ValueComparison
from .layout import facts, heading, table
from .units import plural, share

__all__ = ["compared", "decibels", "shortened"]

_LONGEST = 60
_COLUMNS = ("depth", "op", "value", "SQNR", "cosine", "max error", "mean error", "relative", "clipped")


def compared(found: LayerComparison, *, worst: bool, top: int | None) -> Iterator[RenderableType]:
    """The parts of the report, in order.

    Args:
        found: The comparison.
        worst: Lowest SQNR first, not by depth.
        top: Show so many values; None shows all.
    """
    chosen = (found.worst_first if worst else found.values)[:top]
    yield facts(
        [
            ("reference", found.a),
            ("compared", found.b),
            ("samples", str(found.samples)),
            ("values", f"{len(found.values)} matched, {len(found.lone)} without counterpart"),
        ]
    )
    yield heading("Values, the worst first" if worst else "Values, by depth")
    yield table(_COLUMNS, map(_row, chosen), right=_COLUMNS[3:])
    if len(chosen) < len(found.values):
        yield f"{plural(len(found.values) - len(chosen), 'more value')} not shown"
    if found.lone:
        yield heading("Without counterpart (never guessed)")
        rows = [({"a": found.a, "b": found.b}[e.side], e.op, shortened(e.name), e.reason) for e in found.lone]
        yield table(("in", "op", "value", "reason"), rows)


def decibels(value: float) -> str:
    """`31.4 dB`; `identical` without noise."""
    if math.isinf(value):
        return "identical" if value > 0 else "no signal"
    return f"{value:.1f} dB"


def shortened(name: str, longest: int = _LONGEST) -> str:
    """A name with its middle left out when exporters made it endless."""
    half = (longest - 1) // 2
    return name if len(name) <= longest else f"{name[:half]}…{name[-half:]}"


def _row(value: ValueComparison) -> Sequence[str]:
    far = value.distance
    return (
        str(value.depth),
        value.op,
        shortened(value.name) + ("" if value.by == "name" else " (by structure)"),
        decibels(far.sqnr_db),
        f"{far.cosine:.6f}",
        f"{far.max_error:.3g} of {far.peak:.3g}",
        f"{far.mean_error:.2g}",
        share(far.relative_error) if math.isfinite(far.relative_error) else "–",
        "" if far.clipped is None else share(far.clipped),
    )
