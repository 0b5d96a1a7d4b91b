"""One line of acceptance.

`green` holds, `red` does not, `unknown` could not be decided (the rival's form failed, or `--only` left it out).
`amber` is not settled: a goal missed but its floor held, a figure that acceptance asks of another model only, or a
latency whose median and minimum fall on different sides of the limit, which is a busy machine: run it again.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Line", "last_line", "status"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line of acceptance for one model."""

    model: str
    name: str
    status: str
    text: str


def status(holds: bool) -> str:
    return "green" if holds else "red"


def last_line(error: str) -> str:
    return (error.strip().splitlines() or ["failed without a word"])[-1]
