"""Metrics of class scores: top-k accuracy, F1, perplexity."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...errors import SamplesError
from .metric import Metric, Outputs
from .records import additive, class_scores, pick, share

__all__ = ["f1", "perplexity", "top"]


def top(k: int) -> Callable[[str | None], Metric]:
    """Share of positions whose class is among the k best scores."""

    def build(output: str | None) -> Metric:
        def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
            scores, index = class_scores(f"top{k}", pick(outputs, output), label)
            own = np.take_along_axis(scores, index[:, None], axis=1)
            # Stable rank: classes with a higher score, and equal ones that come first, as argmax breaks ties.
            ahead = (scores > own).sum(axis=1)
            ahead += ((scores == own) & (np.arange(scores.shape[1]) < index[:, None])).sum(axis=1)
            valid = np.isfinite(own[:, 0])
            return np.array([np.count_nonzero((ahead < k) & valid), len(index)], dtype=np.float64)

        aggregate, weighted = additive(share)
        return Metric(
            name=f"top{k}", direction="higher", unit="pt", record=record,
            aggregate=aggregate, weighted=weighted, bounded=True,
        )  # fmt: skip

    return build


def f1(output: str | None) -> Metric:
    """F1 = 2 tp / (2 tp + fp + fn): of class 1 for two classes, else the mean over classes that occur (macro)."""

    def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
        scores, index = class_scores("f1", pick(outputs, output), label)
        if scores.shape[1] == 1:  # one score per position: a probability, positive above 0.5
            chosen, classes = (scores[:, 0] > 0.5).astype(np.int64), 2
        else:
            chosen, classes = scores.argmax(axis=1), scores.shape[1]
        if index.size and index.max() >= classes:
            raise SamplesError(
                "label", f"is class {int(index.max())}, the output has {classes} classes", remedy="Check the labels"
            )
        hit = chosen == index
        counted = [np.bincount(of, minlength=classes) for of in (index[hit], chosen[~hit], index[~hit])]
        return np.stack(counted).astype(np.float64).reshape(-1)

    def finish(sums: np.ndarray) -> np.ndarray:
        tp, fp, fn = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
        support = 2 * tp + fp + fn
        with np.errstate(invalid="ignore", divide="ignore"):
            each = 2 * tp / support
        if each.shape[-1] == 2:
            return np.asarray(each[..., 1])
        occurs = support > 0
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(occurs, each, 0.0).sum(axis=-1) / occurs.sum(axis=-1))

    aggregate, weighted = additive(finish)
    return Metric(
        name="f1", direction="higher", unit="pt", record=record, aggregate=aggregate, weighted=weighted, bounded=True
    )


def perplexity(output: str | None) -> Metric:
    """exp(-mean log p(label)); rows that already are probabilities (in 0..1, sum 1) are taken as such, else softmax."""

    def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
        scores, index = class_scores("perplexity", pick(outputs, output), label)
        own = np.take_along_axis(scores, index[:, None], axis=1)[:, 0]
        probabilities = scores.size and scores.min() >= 0 and np.abs(scores.sum(axis=1) - 1).max() < 0.05
        if probabilities:
            loss = -np.log(np.maximum(own, np.finfo(np.float32).tiny))
        else:
            top = scores.max(axis=1)
            loss = np.log(np.exp(scores - top[:, None]).sum(axis=1)) + top - own
        return np.array([loss.sum(), len(index)], dtype=np.float64)

    def finish(sums: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(share(sums)))

    aggregate, weighted = additive(finish)
    return Metric(name="perplexity", direction="lower", unit="", record=record, aggregate=aggregate, weighted=weighted)
