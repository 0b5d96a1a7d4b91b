"""One point of a search: what was measured of a bundle, read back from its proof."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...bundle import Bundle
from ..metrics import Metric
from ..metrics.intervals import Interval
from ..prove import SCORES
from ..report.records import proof_json
from .candidate import Candidate

__all__ = ["Measured", "Point", "point_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A number and its interval of 95%; both ends are the number where it is exact."""

    value: float
    low: float
    high: float

    @classmethod
    def exact(cls, value: float) -> Measured:
        """A number that would be the same again."""
        return cls(value=value, low=value, high=value)

    @classmethod
    def within(cls, value: float, interval: Interval | None) -> Measured:
        """A number in its interval; exact where there is none."""
        return cls.exact(value) if interval is None else cls(value=value, low=interval[0], high=interval[1])

    def to_json(self) -> dict[str, object]:
        """The number as JSON values; one without bound is null."""
        return {
            "value": self.value if math.isfinite(self.value) else None,
            "interval": None if self.low == self.high else [self.low, self.high],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A candidate that became a bundle, proved on evaluation samples.

    Attributes:
        candidate: Which.
        key: Of its trial.
        bundle: As it lies on the shelf.
        proof, verdict: Its records; the verdict knows no latency.
        metric: The task metric, where there is one.
        records: What it recorded of every sample, shape (n, k).
        cached: The trial was finished before this search.
        seconds: The trial took; 0 where it is cached.
    """

    candidate: Candidate
    key: str
    bundle: Bundle
    proof: Mapping[str, Any]
    verdict: Mapping[str, Any]
    metric: Metric | None = None
    records: np.ndarray | None = field(default=None, compare=False, repr=False)
    cached: bool = False
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """That of the candidate."""
        return self.candidate.name

    @property
    def scored(self) -> Mapping[str, Any] | None:
        """The task metric's values, its own and its float model's; None without labels."""
        evaluation: Mapping[str, Any] = self.proof["evaluation"] or {}
        return evaluation.get("metric")

    @property
    def size(self) -> Measured:
        """Model bytes that ship."""
        return Measured.exact(float(self.proof["size"]["bundle_bytes"]))

    @property
    def accuracy(self) -> Measured | None:
        """The task metric, in its own unit."""
        scored = self.scored
        return None if scored is None else Measured.within(scored["value"], scored["value_interval"])

    @property
    def sqnr(self) -> Measured | None:
        """Of the worst output against its own float model, dB; infinite where all are identical."""
        outputs = ((self.proof["evaluation"] or {}).get("outputs") or {}).values()
        found = [each["against_float"] for each in outputs if not each["carried"] and each["against_float"]]
        if not found:
            return None
        worst = [math.inf if each["exact"] else each["sqnr_db"] for each in found]
        known = [value for value in worst if value is not None]
        return Measured.exact(min(known)) if known else None


def point_of(candidate: Candidate, key: str, bundle: Bundle, *, cached: bool, seconds: float) -> Point | None:
    """The point a bundle is; None where it has no proof, as one that was not packed by a trial.

    Raises:
        BundleError: A record of its proof is no JSON object.
    """
    proof, verdict = proof_json(bundle, "proof"), proof_json(bundle, "verdict")
    if proof is None or verdict is None:
        return None
    records: np.ndarray | None = None
    if (bundle.proof / SCORES).is_file():
        with np.load(bundle.proof / SCORES) as arrays:
            records = arrays["records"]
    return Point(
        candidate=candidate,
        key=key,
        bundle=bundle,
        proof=proof,
        verdict=verdict,
        metric=_metric(candidate, proof),
        records=records,
        cached=cached,
        seconds=seconds,
    )


def _metric(candidate: Candidate, proof: Mapping[str, Any]) -> Metric | None:
    """The metric that scored it: that which was asked for, else the one its labels chose."""
    from ..metrics import metric_named

    asked = candidate.whole().metric
    scored = (proof["evaluation"] or {}).get("metric")
    if asked is not None or scored is None:
        return asked
    return metric_named(scored["name"])
