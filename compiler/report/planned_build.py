"""A planned build for the terminal: one row a bundle, then errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from .layout import heading, lines, table
from .units import size

if TYPE_CHECKING:
    from ..plan_build import PlannedBundle

__all__ = ["planned_build"]


def planned_build(bundles: Sequence[PlannedBundle]) -> list[RenderableType]:
    """The table of what would be made, the errors."""
    columns = ("bundle", "state", "scheme", "file", "at the peak", "fits")
    parts: list[RenderableType] = [table(columns, [_row(each) for each in bundles], right=("file", "at the peak"))]
    errors = lines(f"{each.job.name}: {each.error}" for each in bundles if each.error)
    return parts if errors is None else [*parts, heading("Errors"), errors]


def _row(each: PlannedBundle) -> tuple[RenderableType, ...]:
    word, style = ("failed", "red") if each.error else ("in the cache", "green") if each.cached else ("to compile", "")
    made, estimate = each.plan, each.estimate
    if made is None or estimate is None:
        return each.job.name, Text(word, style=style), "" if made is None else made.scheme, "", "", ""
    fits = {True: "yes", False: "no", None: "unknown"}[estimate.fits]
    return (
        each.job.name, Text(word, style=style), made.scheme, size(estimate.file_bytes), size(estimate.peak_bytes), fits,
    )  # fmt: skip
