"""Verdicts that later ones are compared with: `verdicts.lock`, written on purpose only.

Every clause that was met and measured stands there with its value and with how far a later one may be worse, in the
same unit: half of its confidence interval, a quarter for times and memory, else nothing. Both may be edited.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import ContractError, OutputError
from ..clauses import CLAUSE_KINDS
from ..contract import ClauseResult, Verdict
from ..write_whole import write_whole
from .outcome import Outcome

__all__ = ["Baseline", "Kept"]

_VERSION = "1"
# What a clock or the system's memory shows is never twice the same.
_VARYING = frozenset({"load_time", "p95", "latency_ratio", "p95_ratio", "peak_memory"})
_VARYING_SHARE = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """One clause of an earlier verdict: what was measured, the unit of both, and how much worse is tolerated."""

    measured: float
    unit: str | None
    tolerated: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.measured) and math.isfinite(self.tolerated) and self.tolerated >= 0):
            raise ValueError("measured and tolerated must be numbers, tolerated not below 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """Earlier verdicts: bundle → clause → what was kept of it."""

    verdicts: Mapping[str, Mapping[str, Kept]]

    @classmethod
    def load(cls, file: Path) -> Baseline:
        """Read a `verdicts.lock`.

        Raises:
            ContractError: It cannot be read, or is none.
        """
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
            if values["schema_version"] != _VERSION:
                raise ValueError(f"schema_version is {values['schema_version']!r}, not {_VERSION!r}")
            verdicts = {
                name: {clause: Kept(**kept) for clause, kept in clauses.items()}
                for name, clauses in values["verdicts"].items()
            }
        except OSError as error:
            raise ContractError(
                str(file), f"cannot be read: {error.strerror}", remedy="Write it with --update-baseline"
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ContractError(
                str(file), f"is no baseline: {error}", remedy="Mend it, or write it again with --update-baseline"
            ) from error
        return cls(verdicts=verdicts)

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Baseline:
        """The baseline of these outcomes: the clauses that are met and were measured."""
        return cls(
            verdicts={
                outcome.job.name: {
                    result["id"]: _kept(result)
                    for result in outcome.verdict["results"]
                    if result["status"] == "met" and result["measured"] is not None
                }
                for outcome in outcomes
                if outcome.verdict is not None
            }
        )

    def save(self, file: Path) -> None:
        """Write the baseline.

        Raises:
            OutputError: It cannot be written.
        """
        verdicts = {
            name: {clause: {slot: getattr(kept, slot) for slot in Kept.__slots__} for clause, kept in clauses.items()}
            for name, clauses in self.verdicts.items()
        }
        text = json.dumps({"schema_version": _VERSION, "verdicts": verdicts}, indent=2, sort_keys=True) + "\n"
        try:
            write_whole(file, text)
        except OSError as error:
            raise OutputError(str(file), f"cannot be written: {error.strerror}", remedy="Name another file") from error

    def compared(self, name: str, verdict: Verdict) -> Verdict:
        """The verdict in which a clause that got worse than tolerated is broken.

        Args:
            name: The bundle: `faces/raspberry-pi-5`.
            verdict: What was measured now. One that is `checked` stays so unless something is broken.
        """
        known = self.verdicts.get(name, {})
        results = [_drifted(result, known[result.id]) if result.id in known else result for result in verdict.results]
        if all(now is before for now, before in zip(results, verdict.results, strict=True)):
            return verdict
        return Verdict.of(results, executed=verdict.word != "checked", notes=verdict.notes)


def _kept(result: Mapping[str, Any]) -> Kept:
    measured, interval = float(result["measured"]), result["interval"]
    tolerated = (interval[1] - interval[0]) / 2 if interval else 0.0
    if result["id"] in _VARYING:
        tolerated = max(tolerated, _VARYING_SHARE * abs(measured))
    return Kept(measured=measured, unit=result["unit"], tolerated=tolerated)


def _drifted(result: ClauseResult, kept: Kept) -> ClauseResult:
    """The result, broken where it is worse than before by more than is tolerated."""
    unit = None if result.limit is None else result.limit.unit
    if result.measured is None or result.status == "broken" or unit != kept.unit:
        return result
    worse = result.measured - kept.measured
    if CLAUSE_KINDS[result.id].direction == "min":
        worse = -worse
    if worse <= kept.tolerated:
        return result
    reason = f"worse than the baseline's {kept.measured:.4g} by {worse:.4g}, where {kept.tolerated:.4g} is tolerated"
    return replace(result, status="broken", reason=f"{reason}; {result.reason}" if result.reason else reason)
