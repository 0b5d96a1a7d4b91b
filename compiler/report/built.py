"""A build for the terminal: one row a bundle, then clauses that are not met, then errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from ..building.outcome import Outcome
from .layout import heading, lines, table
from .text import verdict_table

__all__ = ["build_report"]

_STYLES = {"proved": "green", "checked": "green", "broken": "red", "inconclusive": "yellow", "failed": "red"}


def build_report(outcomes: Sequence[Outcome]) -> list[RenderableType]:
    """The table of a build, the clauses that are not met, the errors."""
    columns = ("bundle", "verdict", "seconds", "", "folder")
    parts: list[RenderableType] = [table(columns, [_row(outcome) for outcome in outcomes], right=("seconds",))]
    for outcome in outcomes:
        missed = _missed(outcome)
        if missed:
            parts += [heading(outcome.job.name), verdict_table({"results": missed})]
    errors = lines(f"{outcome.job.name}: {outcome.error}" for outcome in outcomes if outcome.error)
    if errors is not None:
        parts += [heading("Errors"), errors]
    return parts


def _row(outcome: Outcome) -> tuple[RenderableType, ...]:
    word = "failed" if outcome.verdict is None else str(outcome.verdict["word"])
    folder = "" if outcome.bundle is None else str(outcome.bundle)
    cached = "cached" if outcome.cached else ""
    return outcome.job.name, Text(word, style=_STYLES[word]), f"{outcome.seconds:.1f}", cached, folder


def _missed(outcome: Outcome) -> list[dict[str, Any]]:
    """The results of clauses that keep a bundle from being proved; unknown ones that are excused do not."""
    if outcome.verdict is None:
        return []
    expected = ("met", "unknown") if outcome.verdict["word"] in ("proved", "checked") else ("met",)
    return [each for each in outcome.verdict["results"] if each["status"] not in expected]
