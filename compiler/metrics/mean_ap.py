"""Mean average precision of detections (COCO).

A record is a list of triples: (class, NaN, count) for the objects of a class in the image, then
(class, score, bits) for each detection, bit t set where it meets an object at the t-th IoU threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .detections import read_detections, read_objects
from .matching import match
from .metric import Metric, Outputs
from .records import once

__all__ = ["COCO", "average_precision", "mean_ap"]

COCO = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))


def mean_ap(name: str, thresholds: Sequence[float]) -> Callable[[str | None], Metric]:
    """AP averaged over classes that have objects and over IoU thresholds: COCO's AP@[.5:.95], or AP50.

    What the outputs and labels look like stands in `detections.py`.
    """

    def build(output: str | None) -> Metric:
        def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
            objects = read_objects(name, np.asarray(label))
            found = read_detections(name, outputs, output)
            kinds, counts = np.unique(objects[:, 0], return_counts=True)
            triples = [np.stack([kinds, np.full(len(kinds), np.nan), counts], axis=1)]
            for kind in np.unique(found.classes):
                own = found.classes == kind
                met = match(found.boxes[own], objects[objects[:, 0] == kind, 1:], thresholds)
                bits = met @ (1 << np.arange(len(thresholds)))
                triples.append(np.stack([found.classes[own], found.scores[own], bits], axis=1))
            return np.concatenate(triples).astype(np.float64).reshape(-1)

        def weighted(records: np.ndarray, weights: np.ndarray) -> np.ndarray:
            return _weighted(records, weights.astype(np.float64), len(thresholds))

        return Metric(
            name=name,
            direction="higher",
            unit="pt",
            record=record,
            aggregate=once(weighted),
            weighted=weighted,
            ragged=True,
        )

    return build


def _weighted(records: np.ndarray, weights: np.ndarray, thresholds: int) -> np.ndarray:
    """Mean over classes and thresholds under each row of weights (r, n); NaN where no object was drawn."""
    image, triple = np.nonzero(~np.isnan(records[:, ::3]))
    kind, score, value = (records[image, 3 * triple + part] for part in range(3))
    is_object = np.isnan(score)
    total, occurs = np.zeros(len(weights)), np.zeros(len(weights))
    for each in np.unique(kind[is_object]):
        held = is_object & (kind == each)
        objects = weights[:, image[held]] @ value[held]
        found = np.flatnonzero(~is_object & (kind == each))
        found = found[np.argsort(-score[found], kind="stable")]
        drawn, bits = weights[:, image[found]], value[found].astype(np.int64)
        for bit in range(thresholds):
            total += average_precision(drawn, (bits >> bit) & 1 == 1, objects)
        occurs += objects > 0
    with np.errstate(invalid="ignore"):
        return np.asarray(total / (occurs * thresholds))


def average_precision(drawn: np.ndarray, met: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """Mean over the recalls 0, .01, …, 1 of the highest precision at that recall or a higher one (COCO's 101 points).

    Args:
        drawn: How often each detection counts, best first, (r, d): whole numbers.
        met: Which of them meet an object, (d,).
        objects: How many objects there are, (r,).

    Returns:
        (r,); 0 where there are no objects or no detections.
    """
    if not met.any():
        return np.zeros(len(drawn))
    hits, seen = np.cumsum(drawn * met, axis=1)[:, met], np.cumsum(drawn, axis=1)[:, met]
    precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    # Recall points reached, in whole numbers: hits / objects ≥ k / 100 for k = 0 … 100·hits // objects.
    reached = np.where(hits > 0, 100 * hits // np.maximum(objects, 1)[:, None] + 1, 0)
    points = np.diff(reached, axis=1, prepend=0)
    return np.asarray(np.where(objects > 0, (points * envelope).sum(axis=1) / 101, 0.0))
