"""Boxes out: objects against their labels, faces against those that the float model found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.base import Example, Steps, Task, zoo_folder
from tasks.photos import objects, open_photo, photo_files, resized, some_photos

if TYPE_CHECKING:
    from PIL.Image import Image

    from edgec.compiler.metrics import Metric

__all__ = ["FindFaces", "FindObjects"]

STRIDES, BINS = (8, 16, 32), 8


@dataclass(frozen=True, kw_only=True)
class FindObjects(Task):
    """COCO mAP of NanoDet: class scores and distances to four sides as distributions, at three strides."""

    size: int = 320

    @property
    def metric(self) -> Metric:
        from edgec.compiler.metrics import Metric, metric_named

        plain = metric_named("map")

        def record(outputs: Mapping[str, np.ndarray], label: np.ndarray) -> np.ndarray:
            # The label's first row is the size of the photo: it says how far the photo was shrunk.
            scale = min(self.size / label[0, 1], self.size / label[0, 2])
            return plain.record(self._decoded(outputs, scale), label[1:])

        return Metric(
            name="map", direction="higher", unit="pt", record=record,
            aggregate=plain.aggregate, weighted=plain.weighted, ragged=True,
        )  # fmt: skip

    def calibration(self, n: int) -> Iterator[Steps]:
        for photo in some_photos("calib", n):
            yield self._steps(photo)

    def evaluation(self, n: int | None = None) -> Iterator[Example]:
        for file in photo_files("eval")[:n]:
            photo = open_photo(file)
            size = np.array([[-1.0, *photo.size, 0, 0]])
            yield Example(steps=self._steps(photo), label=np.concatenate([size, objects(file, *photo.size)]))

    def _steps(self, photo: Image) -> Steps:
        """The photo shrunk into the top left corner, BGR."""
        scale = min(self.size / photo.width, self.size / photo.height)
        width, height = round(photo.width * scale), round(photo.height * scale)
        canvas = np.zeros((self.size, self.size, 3), np.uint8)
        canvas[:height, :width] = resized(photo, width, height)
        mean = np.array([103.53, 116.28, 123.675], np.float32)
        factor = np.array([0.017429, 0.017507, 0.017125], np.float32)
        scaled = (canvas[..., ::-1].astype(np.float32) - mean) * factor
        return ({"data": np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])},)

    def _decoded(self, outputs: Mapping[str, np.ndarray], scale: float) -> dict[str, np.ndarray]:
        scores = sorted((o[0] for o in outputs.values() if o.shape[-1] == 80), key=lambda o: -len(o))
        sides = sorted((o[0] for o in outputs.values() if o.shape[-1] == 4 * BINS), key=lambda o: -len(o))
        boxes = [_boxes(of_stride, self.size, stride) for of_stride, stride in zip(sides, STRIDES, strict=True)]
        return {"boxes": np.concatenate(boxes) / scale, "scores": np.concatenate(scores)}


def _boxes(sides: np.ndarray, size: int, stride: int) -> np.ndarray:
    """Expected distance of each side from its cell's centre, in strides, to x1, y1, x2, y2 in pixels."""
    cells = size // stride
    row, column = np.mgrid[:cells, :cells]
    centre = np.stack([column, row], axis=2).reshape(-1, 2) * stride + stride / 2
    share = np.exp(sides.reshape(-1, 4, BINS) - sides.reshape(-1, 4, BINS).max(axis=-1, keepdims=True))
    distance = (share / share.sum(axis=-1, keepdims=True)) @ np.arange(BINS) * stride
    return np.concatenate([centre - distance[:, :2], centre + distance[:, 2:]], axis=1)


@dataclass(frozen=True, kw_only=True)
class FindFaces(Task):
    """AP50 of candidate boxes against those that the float model is sure of: there are no labelled faces."""

    model: str
    sure: float = 0.5
    overlap: float = 0.3  # above it the better of two candidates stays: the model's own post-processing

    @property
    def metric(self) -> Metric:
        from edgec.compiler.metrics import Metric, metric_named

        plain = metric_named("map50")

        def record(outputs: Mapping[str, np.ndarray], label: np.ndarray) -> np.ndarray:
            boxes, scores = self._candidates(outputs)
            return plain.record({"boxes": boxes, "scores": scores[:, None]}, label)

        return Metric(
            name="map50", direction="higher", unit="pt", record=record,
            aggregate=plain.aggregate, weighted=plain.weighted, ragged=True,
        )  # fmt: skip

    def calibration(self, n: int) -> Iterator[Steps]:
        for photo in some_photos("calib", n):
            yield _face_steps(photo)

    def evaluation(self, n: int | None = None) -> Iterator[Example]:
        import onnxruntime as ort

        path = zoo_folder() / "models" / self.model / "model.onnx"
        session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        for file in photo_files("eval")[:n]:
            steps = _face_steps(open_photo(file))
            boxes, scores = self._candidates(dict(zip(names, session.run(None, dict(steps[0])), strict=True)))
            found = boxes[scores > self.sure]
            yield Example(steps=steps, label=np.concatenate([np.zeros((len(found), 1)), found], axis=1))

    def _candidates(self, outputs: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        from edgec.compiler.metrics.matching import suppress

        boxes, scores = outputs["boxes"][0].astype(np.float64), outputs["scores"][0, :, 1].astype(np.float64)
        best = np.argsort(-scores, kind="stable")[:200]
        kept = best[suppress(boxes[best], self.overlap)]
        return boxes[kept], scores[kept]


def _face_steps(photo: Image) -> Steps:
    scaled = (resized(photo, 320, 240).astype(np.float32) - 127) / 128
    return ({"input": np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])},)
