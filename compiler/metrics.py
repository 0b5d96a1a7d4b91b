"""Task metrics: one record per sample, many records to one number.

A record is additive or at least independent of other samples, so that a metric streams, and so that the
bootstrap (`intervals.py`) can weigh samples instead of running the model again.

A metric of unit `pt` lies in 0..1 and is shown times 100.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ..errors import ContractError, SamplesError

__all__ = ["Metric", "metric_named"]

Outputs: TypeAlias = Mapping[str, np.ndarray]
Record: TypeAlias = Callable[[Outputs, np.ndarray], np.ndarray]
Aggregate: TypeAlias = Callable[[np.ndarray], float]
Weighted: TypeAlias = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _mean(records: np.ndarray) -> float:
    return float(records[:, 0].mean())


def weighted_mean(records: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of the first column under each row of weights."""
    return np.asarray(weights @ records[:, 0] / weights.sum(axis=1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """How well outputs answer labels.

    Attributes:
        name: What the user calls it.
        direction: Which way is better.
        unit: `pt` (0..1, shown times 100), `dB`, or "" (its own).
        record: (outputs of one sample by name, its label) to a float64 array of shape (k,), k the same for
            all samples. A sample of several steps gives its outputs concatenated along axis 0.
        aggregate: Records of shape (n, k) to the metric's value; the mean of the first column unless given.
        weighted: Records (n, k) and sample weights (r, n), integer counts, to r values, each equal to
            `aggregate` of the records repeated by their weights; None resamples one at a time.
        bounded: One sample more or less right moves the value by about 1/n: the rule of three applies
            when no sample differs.
    """

    name: str
    direction: Literal["higher", "lower"]
    unit: str
    record: Record
    aggregate: Aggregate = _mean
    weighted: Weighted | None = None
    bounded: bool = False

    def __post_init__(self) -> None:
        if self.direction not in ("higher", "lower"):
            raise ValueError(f"direction: {self.direction!r} is not 'higher' or 'lower'")

    @property
    def scale(self) -> float:
        """Multiplies a value for display: 100 for `pt`, else 1."""
        return 100.0 if self.unit == "pt" else 1.0

    def drop(self, reference: float, value: float) -> float:
        """How much worse `value` is than `reference`; positive is worse."""
        return reference - value if self.direction == "higher" else value - reference


def metric_named(name: str, output: str | None = None) -> Metric:
    """The metric of that name.

    Args:
        name: One of the built-in metrics (`builtin_metrics.py`), or `module:function`. The function takes
            (outputs by name, label) of one sample and returns a float; it may carry attributes `direction`
            ("higher" unless given) and `unit` ("" unless given). The name may also lead to a `Metric`.
        output: The model output to look at; None takes the first that is not fed back as state.

    Raises:
        ContractError: There is no such metric, or it is not usable as one.
    """
    from .builtin_metrics import METRICS

    if name in METRICS:
        return METRICS[name](output)
    if ":" not in name:
        raise ContractError(
            f"metric {name!r}",
            "is not a built-in metric",
            remedy=f"Choose one of {', '.join(METRICS)}, or give module:function",
        )
    return _imported(name)


def _imported(name: str) -> Metric:
    from .samples.python import find_object

    where = f"metric {name!r}"
    try:
        found = find_object(name)
    except SamplesError as error:
        raise ContractError(
            where, f"cannot be imported: {error.problem}", remedy="Give module:function or file.py:function"
        ) from error
    if isinstance(found, Metric):
        return found
    if not callable(found):
        raise ContractError(
            where, "is neither a function nor a Metric", remedy="Name a function (outputs, label) -> float"
        )
    function: Callable[[Outputs, np.ndarray], object] = found
    way = getattr(found, "direction", "higher")
    if way not in ("higher", "lower"):
        raise ContractError(where, f"direction is {way!r}", remedy="Set it to 'higher' or 'lower'")
    direction: Literal["higher", "lower"] = "lower" if way == "lower" else "higher"
    unit = str(getattr(found, "unit", ""))

    def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
        try:
            value = np.atleast_1d(np.asarray(function(outputs, label), dtype=np.float64))
        except Exception as error:  # the user's own code may raise anything
            raise ContractError(
                where, f"failed on a sample: {type(error).__name__}: {error}", remedy="Correct the function"
            ) from error
        if value.shape != (1,):
            raise ContractError(where, f"returned shape {value.shape}, one number is needed", remedy="Return a float")
        return value

    return Metric(
        name=name, direction=direction, unit=unit, record=record, weighted=weighted_mean, bounded=unit == "pt"
    )
