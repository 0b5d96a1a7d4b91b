"""Metrics of order: area under ROC, rank correlation."""

from __future__ import annotations

import numpy as np

from .metric import Metric, Outputs
from .records import mismatch, once, pick

__all__ = ["auc", "spearman"]


def _score_and_label(metric: str, output: np.ndarray, label: np.ndarray) -> np.ndarray:
    if label.size == 1 and output.size > 1:
        output = _margin(output) if metric == "auc" else _cosine(output)
    if output.size != 1 or label.size != 1:
        raise mismatch(metric, output, label, "one score and one label per sample")
    return np.array([output.reshape(()), label.reshape(())], dtype=np.float64)


def _margin(output: np.ndarray) -> np.ndarray:
    """Score of class 1 less that of class 0: grows with the probability of class 1, for logits and probabilities."""
    flat = output.reshape(-1).astype(np.float64)
    return flat[1:] - flat[:1] if flat.size == 2 else output


def _cosine(output: np.ndarray) -> np.ndarray:
    """Cosine of the two rows of a pair of embeddings (a batch of two, or two steps); anything else as it is."""
    if len(output) != 2 or output.size < 4:
        return output
    a, b = output.reshape(2, -1).astype(np.float64)
    length = np.sqrt((a @ a) * (b @ b))
    return np.asarray(a @ b / length if length else np.nan)


def auc(output: str | None) -> Metric:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half."""

    def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
        return _score_and_label("auc", pick(outputs, output), np.asarray(label))

    def weighted(records: np.ndarray, weights: np.ndarray) -> np.ndarray:
        order = np.argsort(records[:, 0], kind="stable")
        score, positive = records[order, 0], records[order, 1] > 0
        starts = np.flatnonzero(np.diff(score, prepend=-np.inf))
        weights = weights[:, order].astype(np.float64)
        pos = np.add.reduceat(weights * positive, starts, axis=1)
        neg = np.add.reduceat(weights * ~positive, starts, axis=1)
        below = np.cumsum(neg, axis=1) - neg / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((pos * below).sum(axis=1) / (pos.sum(axis=1) * neg.sum(axis=1)))

    return Metric(name="auc", direction="higher", unit="pt", record=record, aggregate=once(weighted), weighted=weighted)


def spearman(output: str | None) -> Metric:
    """Pearson correlation of mid-ranks (what `scipy.stats.spearmanr` computes), for weighted samples.

    The score of a sample that gives two embeddings, rows of its output, is their cosine.
    """

    def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
        return _score_and_label("spearman", pick(outputs, output), np.asarray(label))

    def ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        _, group = np.unique(values, return_inverse=True)
        order = np.argsort(group, kind="stable")
        starts = np.flatnonzero(np.diff(group[order], prepend=-1))
        each = np.add.reduceat(weights[:, order], starts, axis=1)
        return np.asarray((np.cumsum(each, axis=1) - (each - 1) / 2)[:, group])

    def weighted(records: np.ndarray, weights: np.ndarray) -> np.ndarray:
        weights = weights.astype(np.float64)
        total = weights.sum(axis=1, keepdims=True)
        x, y = ranks(records[:, 0], weights), ranks(records[:, 1], weights)
        x = x - (weights * x).sum(axis=1, keepdims=True) / total
        y = y - (weights * y).sum(axis=1, keepdims=True) / total
        spread = np.sqrt((weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((weights * x * y).sum(axis=1) / spread)

    return Metric(
        name="spearman", direction="higher", unit="pt", record=record, aggregate=once(weighted), weighted=weighted
    )
