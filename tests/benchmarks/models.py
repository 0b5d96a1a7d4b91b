"""The seven classifiers of the zoo in the table: where their samples are, and how a raw sample becomes a feed.

Everything is read lazily, one raw sample at a time, from the folder `EDGEC_ZOO` (default `../shared/zoo` beside the
repository). Preprocessing is that of `ZOO.md`. All seven are judged by top-1 accuracy.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

__all__ = ["MODELS", "Sample", "ZooModel", "zoo_folder"]

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CIFAR = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))


def zoo_folder() -> Path:
    """The folder of real models and data, absolute.

    Raises:
        SystemExit: It is not there; the message says how to name it.
    """
    beside = Path(__file__).resolve().parents[3] / "shared" / "zoo"
    folder = Path(os.environ.get("EDGEC_ZOO") or beside).resolve()
    if not (folder / "models").is_dir():
        raise SystemExit(f"{folder}: no models here; set EDGEC_ZOO to the folder that holds models/ and data/")
    return folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One feed, batch of one, and its class."""

    feed: np.ndarray
    label: int


class Data(Protocol):
    """Raw samples of one data set; `split` is `calib` or `eval`."""

    def count(self, split: str) -> int: ...
    def read(self, split: str, chosen: list[int]) -> Iterator[tuple[np.ndarray, int]]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrays:
    """`data/<file>.npz` with the arrays `calib_x`, `calib_y`, `eval_x`, `eval_y`."""

    file: str

    def count(self, split: str) -> int:
        with np.load(zoo_folder() / "data" / f"{self.file}.npz", allow_pickle=False) as archive:
            return len(archive[f"{split}_y"])

    def read(self, split: str, chosen: list[int]) -> Iterator[tuple[np.ndarray, int]]:
        with np.load(zoo_folder() / "data" / f"{self.file}.npz", allow_pickle=False) as archive:
            x, y = archive[f"{split}_x"], archive[f"{split}_y"]
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


@dataclass(frozen=True, kw_only=True, slots=True)
class ZooModel:
    """A trained classifier with its samples.

    Attributes:
        name: Folder under `models/`.
        input: Name of its only input.
        data: Where its samples are.
        preprocess: Raw samples (N,H,W,C) → feeds (N,…) float32.
        first_class: Output index of class 0 (1 where the output has a background class in front).
        integer_floor: Share of the MACs that has to run in integer kernels.
    """

    name: str
    input: str
    data: Data
    preprocess: Callable[[np.ndarray], np.ndarray]
    first_class: int = 0
    integer_floor: float = 0.9

    @property
    def path(self) -> Path:
        """The float model."""
        return zoo_folder() / "models" / self.name / "model.onnx"

    def calibration(self, n: int) -> Iterator[np.ndarray]:
        """`n` feeds of one sample, spread evenly over the calibration split.

        Where the split is smaller than `n`, it starts again with its samples mirrored or shifted along their second
        axis, so that a thousand different samples can be had of any of them.
        """
        total = self.data.count("calib")
        spread = n <= total
        picks = [int(i) for i in np.linspace(0, total - 1, n)] if spread else [i % total for i in range(n)]
        for position, (raw, _) in enumerate(self.data.read("calib", picks)):
            turn = position // total
            shifted = np.roll(raw[:, ::-1] if turn % 2 else raw, turn // 2, axis=1) if turn else raw
            yield self.preprocess(shifted[None])

    def write_calibration(self, n: int, file: Path) -> None:
        """Write `n` feeds to an uncompressed npz, one array by the input's name, holding one sample in memory."""
        feeds = self.calibration(n)
        first = next(feeds)
        header = {"descr": first.dtype.str, "fortran_order": False, "shape": (n, *first.shape[1:])}
        with (
            zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
            archive.open(f"{self.input}.npy", "w", force_zip64=True) as member,
        ):
            np.lib.format.write_array_header_1_0(member, header)
            member.write(first.tobytes())
            for feed in feeds:
                member.write(feed.tobytes())

    def evaluation(self, n: int | None = None) -> Iterator[Sample]:
        """The first `n` evaluation samples; all of them when None."""
        total = self.data.count("eval")
        for raw, label in self.data.read("eval", list(range(min(n or total, total)))):
            yield Sample(feed=self.preprocess(raw[None]), label=label)

    def correct(self, output: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """1.0 where the largest output of a sample is its class, else 0.0; shape (N,)."""
        scores = output.reshape(len(labels), -1)
        hits: np.ndarray = (scores.argmax(axis=1) - self.first_class == labels).astype(np.float64)
        return hits


def _standardize(mean: tuple[float, ...], std: tuple[float, ...]) -> Callable[[np.ndarray], np.ndarray]:
    m, s = np.array(mean, np.float32), np.array(std, np.float32)
    return lambda x: _nchw((x.astype(np.float32) / 255 - m) / s)


def _nchw(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def _signed_unit(x: np.ndarray) -> np.ndarray:
    return _nchw(x.astype(np.float32) / 127.5 - 1)


def _caffe(x: np.ndarray) -> np.ndarray:
    return _nchw(x[..., ::-1].astype(np.float32) - np.array([104, 117, 123], np.float32))


_ALL = (
    ZooModel(
        name="mobilenetv2_100",
        input="input",
        data=Photos(resize=256, crop=224),
        preprocess=_signed_unit,
        first_class=1,
    ),
    ZooModel(
        name="mobilenetv1_050",
        input="input",
        data=Photos(resize=183, crop=160),
        preprocess=_signed_unit,
        first_class=1,
    ),
    ZooModel(name="squeezenet11", input="data", data=Photos(resize=256, crop=227), preprocess=_caffe),
    ZooModel(name="resnet56_cifar10", input="input", data=Arrays(file="cifar10"), preprocess=_standardize(*IMAGENET)),
    ZooModel(name="kws_dscnn", input="input_1", data=Arrays(file="kws_mlperf"), preprocess=np.ascontiguousarray),
    ZooModel(
        name="vww_mobilenet96",
        input="input_1",
        data=Arrays(file="vww96"),
        preprocess=lambda x: x.astype(np.float32) / 255,
    ),
    ZooModel(
        name="cct_cifar10",
        input="input",
        data=Arrays(file="cifar10"),
        preprocess=_standardize(*CIFAR),
        integer_floor=0.6,
    ),
)

MODELS = {model.name: model for model in _ALL}
