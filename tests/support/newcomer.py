"""What a newcomer has before anything is installed: an ONNX file and a folder of labelled images."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np

__all__ = ["bring"]


def bring(digits: Path, folder: Path) -> None:
    """Lay `model.onnx` and `samples/` of the shipped digits into a folder: 500 gray PNG of 24x24, and `labels.csv`."""
    from PIL import Image

    shutil.copy(digits / "digits.onnx", folder / "model.onnx")
    (folder / "samples").mkdir()
    with np.load(digits / "evaluation.npz") as archive:
        images, labels = archive["image"], archive["label"]
    names = [f"{index:03}.png" for index in range(len(images))]
    for name, image in zip(names, images, strict=True):
        Image.fromarray(np.round(image[0] * 255).astype(np.uint8)).save(folder / "samples" / name)
    with (folder / "samples/labels.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("file", "label"), *zip(names, labels.tolist(), strict=True)])
