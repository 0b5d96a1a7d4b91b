"""What an examination ends in: findings, birthplaces of error, repairs that were measured, and the diagnosis."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..coverage import window
from ..value_histograms import value_histogram
from .case import Site
from .portrait import Portrait

__all__ = ["EXPLAINS", "Birth", "Curve", "Diagnosis", "Finding", "Outcome", "Repair", "decibels_of"]

# A cause explains an error when taking it out removes at least half of the noise (3 dB).
EXPLAINS = 0.5
_SITES = 8
Curve = Sequence[tuple[int, str, float]]


def decibels_of(noise: float) -> float:
    """Signal to noise in dB of a noise-to-signal ratio."""
    if noise <= 0:
        return math.inf
    return -10 * math.log10(noise) if math.isfinite(noise) else -math.inf


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One cause that has evidence, and what the experiment without it showed.

    Attributes:
        cause, meaning: What it is called, and how it makes error.
        sites: Where it shows, the worst first.
        recovered: Share of the outputs' noise that is gone without it, 0..1.
        before_db, after_db: SQNR of the outputs with and without it.
        measured_on: `calibration` or `evaluation` samples.
    """

    cause: str
    meaning: str
    sites: tuple[Site, ...]
    recovered: float
    before_db: float
    after_db: float
    measured_on: str = "calibration"

    @property
    def explains(self) -> bool:
        """Whether most of the error is gone without it."""
        return self.recovered >= EXPLAINS


@dataclass(frozen=True, kw_only=True, slots=True)
class Birth:
    """Where error is born: one node's weights and result rounded, all else float.

    Attributes:
        node: The node; None for a value that no integer kernel writes (a graph input).
        value: The result that is rounded; None where the kernel writes float.
        op: The operator.
        sqnr_db: SQNR of the outputs when only this is rounded.
        share: Its part of the noise of all births.
    """

    node: str | None
    value: str | None
    op: str
    sqnr_db: float
    share: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Repair:
    """A change of the compile that may help.

    Attributes:
        title: What it does.
        settings: Policy fields and their new values.
        recalibrate: Observe samples like the evaluation samples.
        keeps_integers: No node becomes float.
    """

    title: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    recalibrate: bool = False
    keeps_integers: bool = True

    @property
    def lines(self) -> tuple[str, ...]:
        """Lines of `[compile]` in edgec.toml that make it permanent."""
        found = [f"{name} = {_toml(value)}" for name, value in self.settings.items()]
        if self.recalibrate:
            found.append("# [calibration] path: samples like the evaluation samples")
        return tuple(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """A repair and what was measured with it.

    Attributes:
        repair: What was tried.
        sqnr_db: SQNR of the outputs with it.
        gain_db: How much better than without.
        integer_share: Share of MACs that stay in integers.
        predicted: Products were computed as the kernels of another processor do, bit for bit; none of it ran there.
        failed: Why it could not be tried; the numbers say nothing then.
    """

    repair: Repair
    sqnr_db: float
    gain_db: float
    integer_share: float = 0.0
    predicted: bool = False
    failed: str = ""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Diagnosis:
    """What is wrong with a bundle, and what helps.

    Attributes:
        cause: The cause named; None when none explains the error.
        findings: All causes with evidence, the one named first.
        sqnr_db: SQNR of the outputs on calibration samples.
        unseen_db: The same on evaluation samples; None without them.
        births: Where error is born, the largest share first.
        curve: (depth, value, SQNR in dB) of every value: where error shows.
        repairs: What was tried, the best first.
        best: The repair to keep; None when none helps.
        guilty: Portraits of the values the named cause is about.
        notes: What the reader must know.
    """

    cause: str | None
    findings: tuple[Finding, ...]
    sqnr_db: float
    unseen_db: float | None
    births: tuple[Birth, ...]
    curve: Curve
    repairs: tuple[Outcome, ...]
    best: Outcome | None
    guilty: tuple[Portrait, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether no cause explains the error: it is that of rounding, spread over all values."""
        return self.cause is None

    def to_json(self) -> dict[str, object]:
        """JSON values; numbers without bound are null."""
        return {
            "cause": self.cause,
            "healthy": self.healthy,
            "sqnr_db": _finite(self.sqnr_db),
            "unseen_sqnr_db": None if self.unseen_db is None else _finite(self.unseen_db),
            "findings": [_finding(each) for each in self.findings],
            "births": [
                {"node": e.node, "value": e.value, "op": e.op, "sqnr_db": _finite(e.sqnr_db), "share": e.share}
                for e in self.births
            ],
            "error_by_depth": [[depth, name, _finite(sqnr)] for depth, name, sqnr in self.curve],
            "repairs": [_outcome(each) for each in self.repairs],
            "best": None if self.best is None else _outcome(self.best),
            "guilty": [_drawn(each) for each in self.guilty],
            "notes": list(self.notes),
        }


def _finding(found: Finding) -> dict[str, object]:
    return {
        "cause": found.cause,
        "meaning": found.meaning,
        "recovered": found.recovered,
        "before_db": _finite(found.before_db),
        "after_db": _finite(found.after_db),
        "measured_on": found.measured_on,
        "sites": [
            {"name": s.name, "severity": _finite(s.severity), "evidence": s.evidence} for s in found.sites[:_SITES]
        ],
    }


def _outcome(outcome: Outcome) -> dict[str, object]:
    repair = outcome.repair
    return {
        "title": repair.title,
        "settings": {k: list(v) if isinstance(v, tuple) else v for k, v in repair.settings.items()},
        "recalibrate": repair.recalibrate,
        "keeps_integers": repair.keeps_integers,
        "lines": list(repair.lines),
        "sqnr_db": _finite(outcome.sqnr_db),
        "gain_db": _finite(outcome.gain_db),
        "integer_share": outcome.integer_share,
        "predicted": outcome.predicted,
        "failed": outcome.failed,
    }


def _drawn(guilty: Portrait) -> dict[str, Any]:
    step, sets = float(guilty.params.scale.reshape(())), [("observed", guilty.histogram)]
    return value_histogram(guilty.name, "", sets, step=step, clip=window(guilty.params)).to_json()


def _toml(value: Any) -> str:
    """A TOML value; JSON's strings, numbers, booleans and flat lists are TOML's."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
