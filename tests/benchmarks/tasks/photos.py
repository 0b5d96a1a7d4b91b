"""The COCO photos: their files, boxes and masks, and what detectors and segmenters are fed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.base import every, zoo_folder

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["IMAGENET", "objects", "open_photo", "photo_files", "resized", "some_photos", "standardized"]

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def photo_files(split: str) -> list[Path]:
    return sorted((zoo_folder() / "data" / "coco_small" / split / "images").glob("*.jpg"))


def some_photos(split: str, n: int) -> Iterator[Image]:
    """At most `n` photos of a split, spread evenly."""
    files = photo_files(split)
    for i in every(n, len(files)):
        yield open_photo(files[i])


def open_photo(file: Path) -> Image:
    from PIL import Image

    with Image.open(file) as photo:
        return photo.convert("RGB")


def resized(photo: Image, width: int, height: int) -> np.ndarray:
    """Bilinear, (height, width, 3) uint8."""
    from PIL import Image

    return np.asarray(photo.resize((width, height), Image.Resampling.BILINEAR))


def standardized(x: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    """(x / 255 - mean) / std, (N, H, W, C) → (N, C, H, W) float32."""
    scaled = (x.astype(np.float32) / 255 - np.array(mean, np.float32)) / np.array(std, np.float32)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def objects(file: Path, width: int, height: int) -> np.ndarray:
    """Labelled boxes of a photo, rows of class, x1, y1, x2, y2 in pixels; from YOLO's text beside it."""
    text = file.parent.parent / "boxes" / f"{file.stem}.txt"
    if not text.is_file() or not text.stat().st_size:
        return np.zeros((0, 5))
    kind, x, y, w, h = np.loadtxt(text, ndmin=2).T
    return np.stack(
        [kind, (x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height], axis=1
    )
