"""Mean intersection over union of segmentations."""

from __future__ import annotations

import numpy as np

from ...errors import SamplesError
from .metric import Metric, Outputs
from .records import additive, mismatch, pick

__all__ = ["miou"]

INDICES = 256  # classes of an output that holds class indices: masks are bytes


def miou(output: str | None, *, ignore: int = 255) -> Metric:
    """Mean over the classes that labels hold of tp / (tp + fp + fn), pixels counted over all samples (PASCAL VOC).

    The output holds class scores (1, C, H, W), or class indices as integers (1, H, W). Labels are masks (h, w) of
    class indices; where they have another size than the output, the predicted mask is resized to it (nearest).

    Args:
        output: The output looked at; None takes the first.
        ignore: Label of pixels that do not count, beside negative ones.
    """

    def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
        answer, mask = pick(outputs, output), _plane(np.asarray(label))
        if mask.ndim != 2 or mask.dtype.kind not in "iub":
            raise mismatch("miou", answer, mask, "a mask of integer classes (h, w)")
        chosen, classes = _chosen(answer, mask)
        kept = (mask >= 0) & (mask != ignore)
        truth, found = mask[kept].astype(np.int64), _resized(chosen, mask.shape)[kept]
        if truth.size and truth.max() >= classes:
            raise SamplesError(
                "label",
                f"has class {int(truth.max())}, the output has {classes} classes",
                remedy="Map the labels to the model's classes, or mark those pixels with 255",
            )
        counted = [np.bincount(of, minlength=classes) for of in (truth[truth == found], found, truth)]
        return np.stack(counted).astype(np.float64).reshape(-1)

    def finish(sums: np.ndarray) -> np.ndarray:
        hits, found, truth = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
        occurs = truth > 0
        each = hits / np.where(occurs, found + truth - hits, 1.0)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(occurs, each, 0.0).sum(axis=-1) / occurs.sum(axis=-1))

    aggregate, weighted = additive(finish)
    return Metric(name="miou", direction="higher", unit="pt", record=record, aggregate=aggregate, weighted=weighted)


def _chosen(answer: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, int]:
    """The class of every pixel (H, W), and how many classes there are."""
    answer = _plane(answer)
    if answer.dtype.kind in "iu" and answer.ndim == 2:
        return np.clip(answer, 0, INDICES - 1).astype(np.int64), INDICES
    if answer.ndim != 3 or answer.shape[0] < 2:
        raise mismatch("miou", answer, mask, "class scores (1, C, H, W) or integer classes (1, H, W)")
    return answer.argmax(axis=0), answer.shape[0]


def _plane(array: np.ndarray) -> np.ndarray:
    """Without leading axes of 1, down to two axes."""
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    return array


def _resized(chosen: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Nearest neighbour by pixel centres."""
    rows, columns = (
        ((np.arange(want) + 0.5) * have / want).astype(np.int64) for have, want in zip(chosen.shape, shape, strict=True)
    )
    return np.asarray(chosen[rows[:, None], columns])
