"""Exact match of sequences read from CTC outputs: plates, words, phonemes."""

from __future__ import annotations

import numpy as np

from ...errors import ContractError
from .metric import Metric, Outputs, weighted_mean
from .records import mismatch, pick

__all__ = ["collapse", "ctc"]


def ctc(output: str | None, *, blank: int = -1, axis: int = -1) -> Metric:
    """Share of samples whose best path is the label: the best class per column, repeats merged, blanks dropped.

    Best-path decoding of Graves et al., Connectionist Temporal Classification, ICML 2006, section 3.2. Labels are
    sequences of classes; negative entries fill them up and do not count.

    Args:
        output: The output looked at; None takes the first.
        blank: Class that stands for nothing; negative counts from the last.
        axis: Axis of the classes, once that of the batch is gone: -1 for (T, C), 0 for (C, T).
    """

    def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
        answer, wanted = pick(outputs, output), np.asarray(label)
        scores = _without_batch(answer)
        if scores.ndim != 2 or wanted.dtype.kind not in "iu":
            raise mismatch("ctc", answer, wanted, "integer labels and an output of columns × classes")
        if not -2 <= axis < 2:
            raise ContractError("metric 'ctc'", f"axis {axis} is not one of 2", remedy="Give axis 0 or 1")
        rows = np.moveaxis(scores, axis, -1)
        classes = rows.shape[1]
        if not -classes <= blank < classes:
            raise ContractError(
                "metric 'ctc'", f"blank {blank} is not one of {classes} classes", remedy="Give the class of the blank"
            )
        read = collapse(rows.argmax(axis=1), blank % classes)
        right = np.array_equal(read, wanted[wanted >= 0]) and bool(np.isfinite(rows).all())
        return np.array([right], dtype=np.float64)

    return Metric(name="ctc", direction="higher", unit="pt", record=record, weighted=weighted_mean, bounded=True)


def _without_batch(answer: np.ndarray) -> np.ndarray:
    """(1, a, b) or (T, 1, C) without the axis of 1."""
    if answer.ndim == 3 and 1 in answer.shape[:2]:
        return answer[0] if answer.shape[0] == 1 else answer[:, 0]
    return answer


def collapse(path: np.ndarray, blank: int) -> np.ndarray:
    """The path (T,) with repeats merged, then blanks dropped."""
    starts = np.ones(len(path), bool)
    starts[1:] = path[1:] != path[:-1]
    return np.asarray(path[starts & (path != blank)])
