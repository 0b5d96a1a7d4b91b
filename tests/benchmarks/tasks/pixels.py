"""Images out: segmentation and super-resolution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.base import Example, Steps, Task, arrays, every, zoo_folder
from tasks.photos import IMAGENET, open_photo, resized, some_photos, standardized

if TYPE_CHECKING:
    from PIL.Image import Image

    from edgec.compiler.metrics import Metric

__all__ = ["Segment", "SuperResolve"]

# COCO's panoptic ids of the 20 classes of PASCAL VOC, after its background.
VOC = (0, 5, 2, 16, 9, 44, 6, 3, 17, 62, 21, 67, 18, 19, 4, 1, 64, 20, 63, 7, 72)
VOID = 255


@dataclass(frozen=True, kw_only=True)
class Segment(Task):
    """mIoU of VOC's classes on COCO's masks, at their own size."""

    size: int = 256

    @property
    def metric(self) -> Metric:
        from edgec.compiler.metrics import metric_named

        return metric_named("miou")

    def calibration(self, n: int) -> Iterator[Steps]:
        for photo in some_photos("calib", n):
            yield self._steps(photo)

    def evaluation(self, n: int | None = None) -> Iterator[Example]:
        from PIL import Image

        classes = np.zeros(256, np.uint8)  # whatever COCO has and VOC has not is background
        classes[list(VOC)] = np.arange(len(VOC))
        classes[0] = VOID
        for file in sorted((zoo_folder() / "data" / "coco_small" / "eval" / "semseg").glob("*.png"))[:n]:
            with Image.open(file) as mask:
                label = classes[np.asarray(mask)]
            photo = open_photo(file.parent.parent / "images" / f"{file.stem}.jpg")
            yield Example(steps=self._steps(photo), label=label)

    def _steps(self, photo: Image) -> Steps:
        return ({"input": standardized(resized(photo, self.size, self.size)[None], *IMAGENET)},)


@dataclass(frozen=True, kw_only=True)
class SuperResolve(Task):
    """PSNR of the luminance, 4 pixels of border aside, as super-resolution is reported."""

    @property
    def metric(self) -> Metric:
        from edgec.compiler.metrics import Metric, metric_named

        psnr = metric_named("psnr")

        def record(outputs: Mapping[str, np.ndarray], label: np.ndarray) -> np.ndarray:
            image = np.clip(np.round(outputs["sr"][0].transpose(1, 2, 0) * 255.0), 0, 255)
            return psnr.record({"y": _luminance(image) / 255}, _luminance(label.astype(np.float64)) / 255)

        return Metric(name="psnr-y", direction=psnr.direction, unit=psnr.unit, record=record, weighted=psnr.weighted)

    def calibration(self, n: int) -> Iterator[Steps]:
        (low,) = arrays("sr_x2", "calib_lr")
        for i in every(n, len(low)):
            yield _unit(low[i])

    def evaluation(self, n: int | None = None) -> Iterator[Example]:
        for low, high in list(zip(*arrays("sr_x2", "eval_lr", "eval_hr"), strict=True))[:n]:
            yield Example(steps=_unit(low), label=high)


def _unit(image: np.ndarray) -> Steps:
    return ({"lr": np.ascontiguousarray(image.astype(np.float32).transpose(2, 0, 1)[None] / 255)},)


def _luminance(image: np.ndarray) -> np.ndarray:
    """ITU-R BT.601 luma of RGB 0…255, (H, W, 3) → (H - 8, W - 8)."""
    y = 16 + image @ np.array([65.481, 128.553, 24.966]) / 255
    return np.asarray(y[4:-4, 4:-4])
