"""Score the task: one record per labelled sample, of bundle and float alike, then the metric and its intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...errors import ContractError, SamplesError
from ..metrics import Metric, metric_named
from ..metrics.intervals import metric_intervals
from ..metrics.metric import stack
from ..samples.base import Sample
from .proof import MetricProof

__all__ = ["DEFAULT_METRIC", "Task"]

DEFAULT_METRIC = "top1"


class Task:
    """Collects the records of the task metric; without one, takes `DEFAULT_METRIC` where labels are class indices."""

    def __init__(self, metric: Metric | None) -> None:
        self._metric = metric
        self._guessed = False
        self._records: list[np.ndarray] = []
        self._float_records: list[np.ndarray] = []
        self._labelled = 0
        self._failed = ""

    def add(self, sample: Sample, mine: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray] | None) -> None:
        if sample.label is None:  # then no sample has one: readers see to that
            return
        if self._metric is None and not self._labelled and sample.label.size == 1 and sample.label.dtype.kind in "iu":
            self._metric, self._guessed = metric_named(DEFAULT_METRIC), True
        self._labelled += 1
        if self._metric is None:
            return
        try:
            self._records.append(self._record(mine, sample.label))
            if theirs is not None:
                self._float_records.append(self._record(theirs, sample.label))
        except SamplesError as error:
            if self._guessed:
                self._metric, self._failed = None, error.problem
                return
            where = f"label of {sample.id}" if error.where == "label" else error.where
            raise SamplesError(where, error.problem, affects=error.affects, remedy=error.remedy) from error

    def _record(self, outputs: Mapping[str, np.ndarray], label: np.ndarray) -> np.ndarray:
        assert self._metric is not None
        record = np.asarray(self._metric.record(outputs, label), dtype=np.float64)
        alike = self._metric.ragged or not self._records or record.shape == self._records[0].shape
        if record.ndim != 1 or not alike:
            raise ContractError(
                f"metric {self._metric.name!r}",
                f"gave a record of shape {record.shape}",
                remedy="Give one 1-D record per sample, of the same length for all",
            )
        return record

    @property
    def records(self) -> np.ndarray | None:
        """What the metric recorded of the bundle, shape (n, k); None without a metric."""
        return stack(self._records) if self._metric is not None and self._records else None

    def result(self, seed: int) -> tuple[MetricProof | None, str, tuple[str, ...]]:
        """The metric, or why there is none, and notes."""
        metric = self._metric
        if not self._labelled:
            return None, "the evaluation samples have no labels: add them (npz key `label`, or `labels.csv`)", ()
        if metric is None:
            tried = f" ({DEFAULT_METRIC} does not fit them: {self._failed})" if self._failed else ""
            return None, f"there are labels but no metric is named{tried}: name one with --metric", ()
        records = stack(self._records)
        reference = stack(self._float_records) if self._float_records else None
        value = float(metric.aggregate(records))
        intervals = metric_intervals(metric, reference, records, seed=seed)
        if not np.isfinite(value):
            return None, f"{metric.name} is not defined on these samples (all of one class, or constant)", ()
        note = f"metric {metric.name}: chosen because the labels are class indices; name another with --metric"
        against = None if reference is None else float(metric.aggregate(reference))
        return (
            MetricProof(
                name=metric.name,
                direction=metric.direction,
                unit=metric.unit,
                n=len(records),
                float_value=against,
                float_interval=intervals.reference,
                value=value,
                value_interval=intervals.value,
                drop=None if against is None else metric.drop(against, value),
                drop_interval=intervals.drop,
            ),
            "",
            (note,) if self._guessed else (),
        )
