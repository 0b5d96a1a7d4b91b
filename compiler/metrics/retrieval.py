"""Recall of a search among embeddings."""

from __future__ import annotations

import numpy as np

from .metric import Metric, Outputs
from .records import mismatch, once, pick

__all__ = ["recall"]


def recall(output: str | None, k: int = 10) -> Metric:
    """Share of pairs whose second embedding is among the k nearest of all seconds to the first, by cosine.

    A sample gives two embeddings, a query's and that of what it should find, rows of its output or two steps. Its
    label says whether it is asked (above 0), or is only there to be found instead.
    """

    def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
        found, label = pick(outputs, output), np.asarray(label)
        if len(found) != 2 or found.size < 4 or label.size != 1:
            raise mismatch("recall", found, label, "two embeddings and one label per sample")
        rows = found.reshape(2, -1).astype(np.float64)
        lengths = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
        rows = rows / np.where(lengths > 0, lengths, 1)
        return np.concatenate([rows.reshape(-1), [float(label.reshape(())) > 0]])

    def weighted(records: np.ndarray, weights: np.ndarray) -> np.ndarray:
        size = (records.shape[1] - 1) // 2
        likeness = records[:, :size] @ records[:, size : 2 * size].T
        ahead = likeness > np.diagonal(likeness)[:, None] + 1e-12
        weights = weights.astype(np.float64)
        hits = weights @ ahead.T.astype(np.float64) < k
        asked = weights * records[:, -1]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((asked * hits).sum(axis=1) / asked.sum(axis=1))

    return Metric(
        name=f"recall@{k}", direction="higher", unit="pt", record=record, aggregate=once(weighted), weighted=weighted
    )
