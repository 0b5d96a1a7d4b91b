"""From one sample's outputs and label to its record: what the built-in metrics share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...errors import ContractError, SamplesError
from .metric import Aggregate, Outputs, Weighted

__all__ = ["additive", "class_scores", "mismatch", "once", "pick", "share"]


def pick(outputs: Outputs, output: str | None) -> np.ndarray:
    """The output of that name, the first without one."""
    name = next(iter(outputs)) if output is None else output
    if name not in outputs:
        raise ContractError(
            f"metric output {name!r}", "is not an output of the model", remedy=f"Outputs here: {', '.join(outputs)}"
        )
    return np.asarray(outputs[name])


def mismatch(metric: str, got: np.ndarray, label: np.ndarray, need: str) -> SamplesError:
    """The error of a label that a metric cannot set beside an output."""
    return SamplesError(
        "label",
        f"has shape {label.shape} beside an output of shape {got.shape}; {metric} needs {need}",
        remedy="Give labels of that shape, another metric, or name the output it looks at",
    )


def class_scores(metric: str, output: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
            raise mismatch(metric, output, index, "one class index per position, classes on the last or first axis")
    index = index.reshape(-1).astype(np.int64)
    if index.size and index.max() >= scores.shape[1] and scores.shape[1] > 1:
        raise SamplesError(
            "label",
            f"is class {int(index.max())}, the output has {scores.shape[1]} classes",
            remedy="Check that labels count from 0 in the order of the model's classes",
        )
    kept = index >= 0  # -100 is how language-model data marks positions that do not count
    return scores[kept].astype(np.float64), index[kept]


def additive(finish: Callable[[np.ndarray], np.ndarray]) -> tuple[Aggregate, Weighted]:
    """Aggregate and weighted form of a metric that is a function of the sum of its records."""

    def aggregate(records: np.ndarray) -> float:
        return float(finish(records.sum(axis=0)))

    def weighted(records: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return finish(weights @ records)

    return aggregate, weighted


def share(sums: np.ndarray) -> np.ndarray:
    """First column over second; NaN where there is nothing to share."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])


def once(weighted: Weighted) -> Aggregate:
    """The aggregate that counts every sample once."""
    return lambda records: float(weighted(records, np.ones((1, len(records))))[0])
