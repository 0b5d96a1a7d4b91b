"""The built-in task metrics.

============ ========= ==== ================================================= =====================
name         direction unit record of one sample                              number
============ ========= ==== ================================================= =====================
top1, top5   higher    pt   hits, positions                                   Σ hits / Σ positions
f1           higher    pt   tp, fp, fn of every class                         binary or macro F1
auc          higher    pt   score, label                                      area under ROC
spearman     higher    pt   score, label                                      rank correlation
mse          lower          Σ (x - y)², elements                              mean
psnr         higher    dB   10 log10(peak² / mse)                             mean over samples
perplexity   lower          Σ negative log likelihood, positions              exp of the mean
============ ========= ==== ================================================= =====================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ...errors import ContractError, SamplesError
from .metric import Aggregate, Metric, Outputs, Weighted, weighted_mean

__all__ = ["METRICS"]


def _pick(outputs: Outputs, output: str | None) -> np.ndarray:
    name = next(iter(outputs)) if output is None else output
    if name not in outputs:
        raise ContractError(
            f"metric output {name!r}", "is not an output of the model", remedy=f"Outputs here: {', '.join(outputs)}"
        )
    return np.asarray(outputs[name])


def _mismatch(metric: str, got: np.ndarray, label: np.ndarray, need: str) -> SamplesError:
    return SamplesError(
        "label",
        f"has shape {label.shape} beside an output of shape {got.shape}; {metric} needs {need}",
        remedy="Give labels of that shape, another metric, or name the output it looks at",
    )


def _scores(metric: str, output: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class scores (positions, classes) float64 and class indices (positions,); negative indices are dropped.

    One label: the whole output is one row of classes, whatever its axes ([N, 1000, 1, 1]).
    Several: classes are the last axis ([1, T, V] with labels [T]), else the first ([1, C, H, W] with [H, W]).
    """
    index = np.asarray(label)
    if index.dtype.kind not in "iub":
        if index.dtype.kind != "f" or not np.array_equal(index, np.floor(index)):
            raise SamplesError(
                "label",
                f"has dtype {index.dtype} and is no class index; {metric} needs integers",
                remedy="Give class indices as labels, or another metric",
            )
        index = index.astype(np.int64)
    if index.size == 1:
        scores = output.reshape(1, -1)
    else:
        squeezed, wanted = np.squeeze(output), np.squeeze(index).shape
        if squeezed.shape[:-1] == wanted:
            scores = squeezed.reshape(-1, squeezed.shape[-1])
        elif squeezed.shape[1:] == wanted:
            scores = np.moveaxis(squeezed, 0, -1).reshape(-1, squeezed.shape[0])
        else:
            raise _mismatch(metric, output, index, "one class index per position, classes on the last or first axis")
    index = index.reshape(-1).astype(np.int64)
    if index.size and index.max() >= scores.shape[1] and scores.shape[1] > 1:
        raise SamplesError(
            "label",
            f"is class {int(index.max())}, the output has {scores.shape[1]} classes",
            remedy="Check that labels count from 0 in the order of the model's classes",
        )
    kept = index >= 0  # -100 is how language-model data marks positions that do not count
    return scores[kept].astype(np.float64), index[kept]


def _additive(finish: Callable[[np.ndarray], np.ndarray]) -> tuple[Aggregate, Weighted]:
    """Aggregate and weighted form of a metric that is a function of the sum of its records."""

    def aggregate(records: np.ndarray) -> float:
        return float(finish(records.sum(axis=0)))

    def weighted(records: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return finish(weights @ records)

    return aggregate, weighted


def _share(sums: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])


def _top(k: int) -> Callable[[str | None], Metric]:
    def build(output: str | None) -> Metric:
        def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
            scores, index = _scores(f"top{k}", _pick(outputs, output), label)
            own = np.take_along_axis(scores, index[:, None], axis=1)
            # Stable rank: classes with a higher score, and equal ones that come first, as argmax breaks ties.
            ahead = (scores > own).sum(axis=1)
            ahead += ((scores == own) & (np.arange(scores.shape[1]) < index[:, None])).sum(axis=1)
            valid = np.isfinite(own[:, 0])
            return np.array([np.count_nonzero((ahead < k) & valid), len(index)], dtype=np.float64)

        aggregate, weighted = _additive(_share)
        return Metric(
            name=f"top{k}", direction="higher", unit="pt", record=record,
            aggregate=aggregate, weighted=weighted, bounded=True,
        )  # fmt: skip

    return build


def _f1(output: str | None) -> Metric:
    """F1 = 2 tp / (2 tp + fp + fn): of class 1 for two classes, else the mean over classes that occur (macro)."""

    def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
        scores, index = _scores("f1", _pick(outputs, output), label)
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

    aggregate, weighted = _additive(finish)
    return Metric(
        name="f1", direction="higher", unit="pt", record=record, aggregate=aggregate, weighted=weighted, bounded=True
    )


def _score_and_label(metric: str, output: np.ndarray, label: np.ndarray) -> np.ndarray:
    if output.size == 2 and metric == "auc":
        flat = output.reshape(-1).astype(np.float64)
        output = flat[1:] - flat[:1]  # grows with the probability of class 1, for logits and for probabilities
    if output.size != 1 or label.size != 1:
        raise _mismatch(metric, output, label, "one score and one label per sample")
    return np.array([output.reshape(()), label.reshape(())], dtype=np.float64)


def _auc(output: str | None) -> Metric:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half."""

    def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
        return _score_and_label("auc", _pick(outputs, output), np.asarray(label))

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

    return Metric(
        name="auc", direction="higher", unit="pt", record=record, aggregate=_unit(weighted), weighted=weighted
    )


def _spearman(output: str | None) -> Metric:
    """Pearson correlation of mid-ranks (what `scipy.stats.spearmanr` computes), for weighted samples."""

    def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
        return _score_and_label("spearman", _pick(outputs, output), np.asarray(label))

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
        name="spearman", direction="higher", unit="pt", record=record, aggregate=_unit(weighted), weighted=weighted
    )


def _unit(weighted: Weighted) -> Aggregate:
    """The aggregate that counts every sample once."""
    return lambda records: float(weighted(records, np.ones((1, len(records))))[0])


def _errors(metric: str, output: np.ndarray, label: np.ndarray) -> np.ndarray:
    if output.size != label.size:
        raise _mismatch(metric, output, label, "a label of the output's size")
    return output.reshape(-1).astype(np.float64) - label.reshape(-1).astype(np.float64)


def _mse(output: str | None) -> Metric:
    def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
        error = _errors("mse", _pick(outputs, output), np.asarray(label))
        return np.array([np.square(error).sum(), error.size], dtype=np.float64)

    aggregate, weighted = _additive(_share)
    return Metric(name="mse", direction="lower", unit="", record=record, aggregate=aggregate, weighted=weighted)


def _psnr(output: str | None) -> Metric:
    """Mean over samples of 10 log10(peak² / mse); peak is 255 for uint8 labels, else 1; exact counts as 100 dB."""

    def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
        label = np.asarray(label)
        error = _errors("psnr", _pick(outputs, output), label)
        peak = 255.0 if label.dtype == np.uint8 else 1.0
        mse = float(np.square(error).sum()) / max(error.size, 1)
        return np.array([100.0 if mse == 0 else min(100.0, 10 * np.log10(peak * peak / mse))], dtype=np.float64)

    return Metric(name="psnr", direction="higher", unit="dB", record=record, weighted=weighted_mean)


def _perplexity(output: str | None) -> Metric:
    """exp(-mean log p(label)); rows that already are probabilities (in 0..1, sum 1) are taken as such, else softmax."""

    def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
        scores, index = _scores("perplexity", _pick(outputs, output), label)
        own = np.take_along_axis(scores, index[:, None], axis=1)[:, 0]
        probabilities = scores.size and scores.min() >= 0 and np.abs(scores.sum(axis=1) - 1).max() < 0.05
        if probabilities:
            loss = -np.log(np.maximum(own, np.finfo(np.float32).tiny))
        else:
            top = scores.max(axis=1)
            loss = np.log(np.exp(scores - top[:, None]).sum(axis=1)) + top - own
        return np.array([loss.sum(), len(index)], dtype=np.float64)

    def finish(sums: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(_share(sums)))

    aggregate, weighted = _additive(finish)
    return Metric(name="perplexity", direction="lower", unit="", record=record, aggregate=aggregate, weighted=weighted)


METRICS: Mapping[str, Callable[[str | None], Metric]] = {
    "top1": _top(1),
    "top5": _top(5),
    "f1": _f1,
    "spearman": _spearman,
    "mse": _mse,
    "psnr": _psnr,
    "auc": _auc,
    "perplexity": _perplexity,
}
