"""A measured value against a limit, and the words of results that every judge shares."""

from __future__ import annotations

from ...contract import Clause, ClauseResult, Limit, Status
from ...metrics.intervals import Interval

__all__ = ["NO_EVALUATION", "NO_FLOAT", "ROUNDING", "decide", "limit_of", "scaled", "some", "unknown"]

NO_EVALUATION = "no evaluation samples were given: add --evaluation"
NO_FLOAT = "no float model to compare with: add --model with the model this bundle was compiled from"
ROUNDING = 1e-9  # 0.914 - 0.904 is not 0.01 in floating point; a limit of 1pt means 1pt
_NAMES_SHOWN = 3


def decide(
    clause: Clause, measured: float, interval: Interval | None, n: int | None, reason: str, *, upper: bool | None = None
) -> ClauseResult:
    """Compare a measured value (in the limit's unit) with the limit; `upper` overrules the clause's direction."""
    limit = limit_of(clause)
    upper = clause.kind.direction == "max" if upper is None else upper
    low, high = interval or (measured, measured)
    worst, best = (high, low) if upper else (-low, -high)
    bound = limit.value if upper else -limit.value
    bound += ROUNDING * max(abs(bound), 1.0)
    status: Status = "met" if worst <= bound else "broken" if best > bound else "inconclusive"
    return ClauseResult(
        id=clause.id, limit=limit, measured=measured, interval=interval, n=n, status=status, reason=reason
    )


def unknown(clause: Clause, reason: str) -> ClauseResult:
    """The result of a clause that could not be measured."""
    return ClauseResult(id=clause.id, limit=clause.limit, measured=None, status="unknown", reason=reason)


def limit_of(clause: Clause) -> Limit:
    """The limit of a clause that has one."""
    assert clause.limit is not None, f"clause {clause.id!r} has a limit"
    return clause.limit


def scaled(interval: Interval | None, factor: float) -> Interval | None:
    """An interval in another unit."""
    return None if interval is None else (interval[0] * factor, interval[1] * factor)


def some(names: list[str]) -> str:
    """The first names of a list, and how many more there are."""
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
