"""Outcomes as GitHub-flavoured Markdown: a summary for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..building.outcome import Outcome

__all__ = ["cell", "markdown_summary"]

_MARKS = {"met": "✓", "broken": "✗", "inconclusive": "?", "unknown": "–"}


def markdown_summary(outcomes: Sequence[Outcome]) -> str:
    """The summary: a row a bundle, then what is not met, then every clause, folded."""
    return "\n".join(_lines(outcomes)) + "\n"


def _lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield "### edgec"
    yield ""
    yield "| bundle | verdict | not met |"
    yield "|---|---|---|"
    for outcome in outcomes:
        yield f"| {cell(outcome.job.name)} | **{_word(outcome)}** | {cell(_not_met(outcome))} |"
    for outcome in outcomes:
        yield ""
        yield f"<details><summary>{cell(outcome.job.name)}: {_word(outcome)}</summary>"
        yield ""
        if outcome.verdict is None:
            yield cell(outcome.error)
        else:
            yield "| | clause | limit | measured | reason |"
            yield "|---|---|---|---|---|"
            yield from (_row(result) for result in outcome.verdict["results"])
        yield ""
        yield "</details>"


def _word(outcome: Outcome) -> str:
    return "failed" if outcome.verdict is None else str(outcome.verdict["word"])


def _not_met(outcome: Outcome) -> str:
    if outcome.verdict is None:
        return outcome.error
    missed = [result for result in outcome.verdict["results"] if result["status"] in ("broken", "inconclusive")]
    return ", ".join(f"{result['id']} ({_measured(result)}, limit {result['limit'] or 'none'})" for result in missed)


def _row(result: dict[str, Any]) -> str:
    cells = (_MARKS[result["status"]], result["id"], result["limit"] or "", _measured(result), result["reason"])
    return "| " + " | ".join(cell(each) for each in cells) + " |"


def _measured(result: dict[str, Any]) -> str:
    if result["measured"] is None:
        return ""
    interval = result["interval"]
    between = f" [{interval[0]:.4g}, {interval[1]:.4g}]" if interval else ""
    return f"{result['measured']:.4g}{result['unit'] or ''}{between}"


def cell(text: str) -> str:
    """Text that ends no cell and no line."""
    return text.replace("|", "\\|").replace("\n", " ")
