"""One input, one class: images, spectra, bytes, characters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tasks.base import Example, Steps, Task, arrays, zoo_folder

if TYPE_CHECKING:
    from edgec.compiler.metrics import Metric

__all__ = ["Arrays", "Classify", "Photos"]


class Data(Protocol):
    """Raw samples of one data set with their classes; `split` is `calib` or `eval`."""

    def count(self, split: str) -> int: ...
    def read(self, split: str, chosen: list[int]) -> Iterator[tuple[np.ndarray, int]]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrays:
    """`data/<file>.npz` with the arrays `calib_x`, `calib_y`, `eval_x`, `eval_y`."""

    file: str

    def count(self, split: str) -> int:
        return len(arrays(self.file, f"{split}_y")[0])

    def read(self, split: str, chosen: list[int]) -> Iterator[tuple[np.ndarray, int]]:
        x, y = arrays(self.file, f"{split}_x", f"{split}_y")
        for i in chosen:
            yield x[i], int(y[i])


@dataclass(frozen=True, kw_only=True, slots=True)
class Photos:
    """256×256 ImageNet photos named `NNNN_synset.jpg` (NNNN the class), resized (bicubic) and cropped at the centre."""

    resize: int
    crop: int

    def count(self, split: str) -> int:
        return len(self._files(split))

    def read(self, split: str, chosen: list[int]) -> Iterator[tuple[np.ndarray, int]]:
        from PIL import Image

        files = self._files(split)
        start = (self.resize - self.crop) // 2
        box = (start, start, start + self.crop, start + self.crop)
        for i in chosen:
            with Image.open(files[i]) as photo:
                image = photo.convert("RGB")
            if image.size != (self.resize, self.resize):
                image = image.resize((self.resize, self.resize), Image.Resampling.BICUBIC)
            yield np.asarray(image.crop(box)), int(files[i].name[:4])

    def _files(self, split: str) -> list[Path]:
        return sorted((zoo_folder() / "data" / "imagenet1k_sample" / split).glob("*.jpg"))


@dataclass(frozen=True, kw_only=True)
class Classify(Task):
    """Top-1 accuracy.

    Attributes:
        input: Name of the only input.
        data: Where the samples are.
        preprocess: Raw samples (N,…) → feeds (N,…).
        first_class: Output index of class 0 (1 where the output has a background class in front).
        mirrored: A sample's class is that of its mirror image: more samples than there are can be asked for, twice as
            many at most.
    """

    input: str
    data: Data
    preprocess: Callable[[np.ndarray], np.ndarray]
    first_class: int = 0
    mirrored: bool = False
    batch: int = 25

    @property
    def metric(self) -> Metric:
        from edgec.compiler.metrics import metric_named

        return metric_named("top1")

    def calibration(self, n: int) -> Iterator[Steps]:
        """`n` samples, spread evenly over the calibration split.

        Where the split is smaller than `n`, it starts again with its samples mirrored or shifted along their second
        axis, so that a thousand different samples can be had of any of them.
        """
        total = self.data.count("calib")
        spread = n <= total
        picks = [int(i) for i in np.linspace(0, total - 1, n)] if spread else [i % total for i in range(n)]
        for position, (raw, _) in enumerate(self.data.read("calib", picks)):
            turn = position // total
            shifted = _turned(raw, turn)
            yield ({self.input: self.preprocess(shifted[None])},)

    def evaluation(self, n: int | None = None) -> Iterator[Example]:
        total = self.data.count("eval")
        count = min(n or total, 2 * total if self.mirrored else total)
        for position, (raw, label) in enumerate(self.data.read("eval", [i % total for i in range(count)])):
            steps = ({self.input: self.preprocess(_turned(raw, position // total)[None])},)
            yield Example(steps=steps, label=np.array(label + self.first_class))


def _turned(raw: np.ndarray, turn: int) -> np.ndarray:
    """The sample as it is at turn 0, then mirrored every other turn and shifted by one more every second."""
    if not turn:
        return raw
    axis = min(1, raw.ndim - 1)
    return np.roll(np.flip(raw, axis) if turn % 2 else raw, turn // 2, axis=axis)
