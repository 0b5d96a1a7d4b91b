"""What a detector answered, in one form.

Outputs, leading axes of 1 aside: boxes (n, 4) as x1, y1, x2, y2 in the labels' unit, and scores (n, c), one column per
class; or scores (n,) with classes (n,), as detectors end that choose inside the graph. Boxes are the output with
"box" in its name, else the only one whose last axis is 4.
Labels: rows of class, x1, y1, x2, y2, shape (m, 5); m may be 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...errors import ContractError, SamplesError
from .matching import suppress
from .metric import Outputs
from .records import pick

__all__ = ["Detections", "read_detections", "read_objects"]

SCORE_FLOOR = 0.05  # what scores less is no detection: `score_thr` of mmdetection
CANDIDATES = 1000  # of a class, before suppression
OVERLAP = 0.6  # IoU above which the better of two boxes of a class stays; a model that suppresses itself stays below
KEPT = 100  # of a class in an image: `maxDets` of pycocotools


@dataclass(frozen=True, kw_only=True, slots=True)
class Detections:
    """Detections of one image, those of a class best first.

    Attributes:
        boxes: (d, 4).
        scores: (d,).
        classes: (d,).
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


def read_objects(metric: str, label: np.ndarray) -> np.ndarray:
    """Labels as (m, 5) float64."""
    if label.size == 0:
        return np.zeros((0, 5))
    if label.ndim != 2 or label.shape[1] != 5 or label.dtype.kind not in "iuf":
        raise SamplesError(
            "label",
            f"has shape {label.shape}; {metric} needs rows of class, x1, y1, x2, y2",
            remedy="Give one row of five numbers for each object",
        )
    return label.astype(np.float64)


def read_detections(metric: str, outputs: Outputs, output: str | None) -> Detections:
    """Candidates above `SCORE_FLOOR`, suppressed class by class.

    Args:
        metric: Named in messages.
        outputs: Of one sample, by name.
        output: The scores, where their name is needed to tell them.

    Raises:
        ContractError: No output looks like boxes, or none like scores.
    """
    if output is not None:
        pick(outputs, output)
    arrays = {name: np.asarray(array) for name, array in outputs.items()}
    place = _boxes(metric, arrays)
    boxes = arrays.pop(place).reshape(-1, 4).astype(np.float64)
    rows = {name: each for name, array in arrays.items() if (each := _rows(array, len(boxes))) is not None}
    if not rows:
        raise ContractError(
            f"metric {metric!r}",
            f"finds no scores for the {len(boxes)} boxes of {place!r}",
            remedy="Give the model an output of scores with one row per box",
        )
    by_likeness = sorted(rows, key=lambda name: (name == output, "score" in name.lower(), rows[name].ndim))
    scores = rows.pop(by_likeness[-1])
    if scores.ndim == 1:
        kinds = next((each for each in rows.values() if each.ndim == 1), np.zeros(len(scores)))
        index = np.flatnonzero(scores > SCORE_FLOOR)
        return _suppressed(boxes[index], scores[index].astype(np.float64), kinds[index].astype(np.int64))
    index, classes = np.nonzero(scores > SCORE_FLOOR)
    return _suppressed(boxes[index], scores[index, classes].astype(np.float64), classes)


def _boxes(metric: str, arrays: Mapping[str, np.ndarray]) -> str:
    named = [name for name, array in arrays.items() if array.shape[-1:] == (4,)]
    telling = [name for name in named if "box" in name.lower()] or named
    if len(telling) != 1:
        raise ContractError(
            f"metric {metric!r}",
            f"finds {len(telling)} outputs of boxes (last axis 4) among {', '.join(arrays)}",
            remedy="Give one of them a name with 'box' in it, or a metric of your own as module:function",
        )
    return telling[0]


def _rows(array: np.ndarray, n: int) -> np.ndarray | None:
    """The array as (n, c), or (n,) where there is one column; None when it has not one row per box."""
    while array.ndim > 2 or (array.ndim == 2 and array.shape[0] == 1 != n):
        if array.shape[0] != 1:
            return None
        array = array[0]
    if array.ndim == 0 or len(array) != n:
        return None
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _suppressed(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray) -> Detections:
    kept = []
    for kind in np.unique(classes):
        own = np.flatnonzero(classes == kind)
        best = own[np.argsort(-scores[own], kind="stable")][:CANDIDATES]
        kept.append(best[suppress(boxes[best], OVERLAP)][:KEPT])
    index = np.concatenate(kept) if kept else np.zeros(0, np.int64)
    return Detections(boxes=boxes[index], scores=scores[index], classes=classes[index])
