"""Boxes: overlap, suppression, and which detections meet an object. Boxes are x1, y1, x2, y2."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["iou", "match", "suppress"]


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of every pair: (n, 4), (m, 4) → (n, m); 0 for boxes without area."""
    width, height = (
        np.minimum.outer(a[:, side + 2], b[:, side + 2]) - np.maximum.outer(a[:, side], b[:, side]) for side in (0, 1)
    )
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    either = _area(a)[:, None] + _area(b)[None] - shared
    return np.asarray(np.divide(shared, either, out=np.zeros_like(shared), where=either > 0))


def suppress(boxes: np.ndarray, limit: float) -> np.ndarray:
    """Indices kept by greedy suppression: a box goes when an earlier one that stays overlaps it by more than `limit`.

    Args:
        boxes: (n, 4), best first.
        limit: IoU.
    """
    overlap = iou(boxes, boxes) > limit
    gone = np.zeros(len(boxes), bool)
    for i in range(len(boxes)):
        if not gone[i]:
            gone[i + 1 :] |= overlap[i, i + 1 :]
    return np.flatnonzero(~gone)


def match(boxes: np.ndarray, objects: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """Whether each detection meets an object, by threshold: each takes the free object it overlaps most, best first.

    The rule of COCO's evaluation (cocodataset/cocoapi, pycocotools/cocoeval.py, `evaluateImg`).

    Args:
        boxes: (n, 4), best first.
        objects: (m, 4).
        thresholds: IoU needed.

    Returns:
        (n, len(thresholds)) bool.
    """
    met = np.zeros((len(boxes), len(thresholds)), bool)
    if not len(objects):
        return met
    overlap = iou(boxes, objects)
    for column, threshold in enumerate(thresholds):
        free = np.ones(len(objects), bool)
        for i in np.flatnonzero(overlap.max(axis=1) >= threshold):
            best = int(np.where(free, overlap[i], -1.0).argmax())
            if free[best] and overlap[i, best] >= threshold:
                free[best], met[i, column] = False, True
    return met


def _area(boxes: np.ndarray) -> np.ndarray:
    return np.asarray(np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1))
