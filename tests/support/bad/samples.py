# ruff: noqa: E501 (messages are tested as they are: in one piece)
"""Calibration and evaluation data that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from support.classifier import images, save_npz

from .case import DATA, Case, compiling

__all__ = ["CASES"]

Make = Callable[[Path], object]


def _calibrating(data: str) -> tuple[str, ...]:
    return compiling(data=("--calibration", data))


def _proving(data: str, *more: str) -> tuple[str, ...]:
    return ("compile", "model.onnx", *DATA, "--evaluation", data, "-o", "out", "--overwrite", *more)


def _npz(**arrays: np.ndarray) -> Make:
    return lambda folder: save_npz(folder / "bad.npz", **arrays)


def _with(value: float) -> np.ndarray:
    bad = images()
    bad[2, 1, 0, 3] = value
    return bad


def _python(text: str) -> Make:
    return lambda folder: (folder / "feeds.py").write_text(text, encoding="utf-8")


def _folder(**files: bytes) -> Make:
    def make(folder: Path) -> None:
        (folder / "data").mkdir()
        for name, content in files.items():
            (folder / "data" / name.replace("__", ".")).write_bytes(content)

    return make


def _corrupt_images(folder: Path) -> None:
    _folder(a__png=b"\x89PNG\r\n\x1a\n" + bytes(40))(folder)
    (folder / "images.toml").write_text("[inputs.image]\nresize = [8, 8]\n", encoding="utf-8")


_EXHAUSTED = """
import numpy as np
rest = iter([{"image": np.ones((1, 3, 8, 8), np.float32)}] * 3)
def feeds():
    yield from rest
"""
_RAISES = """
def feeds():
    raise ConnectionError("the database is down")
    yield
"""
_TOP1 = ("--metric", "top1", "--max-drop", "1pt")

CASES = (
    Case(
        name="data are missing",
        words=_calibrating("clib.npz"),
        message="clib.npz: does not exist, did you mean 'calib.npz'? It was given as calibration samples. Give an .npz, a folder of .npy, .npz or image files, a .parquet, or `module:function`.",
    ),
    Case(
        name="npz is empty",
        words=_calibrating("bad.npz"),
        make=_npz(),
        message="bad.npz: input 'image' is missing; there is nothing. The data must give 'image'.",
    ),
    Case(
        name="npz has no such input",
        words=_calibrating("bad.npz"),
        make=_npz(img=images(), mask=images()),
        message="bad.npz: 'img' is not an input of the model, did you mean 'image'? The data must give 'image'.",
    ),
    Case(
        name="npz has no samples",
        words=_calibrating("bad.npz"),
        make=_npz(image=images(0)),
        message="bad.npz: holds no samples. Give at least one sample.",
    ),
    Case(
        name="npz is corrupt",
        words=_calibrating("bad.npz"),
        make=lambda folder: (folder / "bad.npz").write_bytes(b"PK\3\4" + bytes(60)),
        message="bad.npz: is not an .npz file: ",
        starts=True,
    ),
    Case(
        name="npz is truncated",
        words=_calibrating("calib.npz"),
        make=lambda folder: (folder / "calib.npz").write_bytes((folder / "calib.npz").read_bytes()[:900]),
        message="calib.npz: is not an .npz file: ",
        starts=True,
    ),
    Case(
        name="shape is wrong",
        words=_calibrating("bad.npz"),
        make=_npz(image=images()[:, :, :4]),
        message="bad.npz[0], input 'image': has shape [1, 3, 4, 8] where [N, 3, 8, 8] is needed. Save the samples in the model's shape, or change that with --shape.",
    ),
    Case(
        name="dtype is wrong",
        words=_calibrating("bad.npz"),
        make=_npz(image=images().astype(np.uint8)),
        message="bad.npz[0], input 'image': is uint8, the model takes float32. Preprocess the samples as the model was trained and save them as float32.",
    ),
    Case(
        name="a sample holds NaN",
        words=_calibrating("bad.npz"),
        make=_npz(image=_with(np.nan)),
        message="bad.npz[2], input 'image': 1 of 192 values is not finite: NaN at [0, 1, 0, 3] comes first. Remove or mend the sample; NaN and Inf cannot be calibrated or scored.",
    ),
    Case(
        name="a sample holds Inf",
        words=_calibrating("bad.npz"),
        make=_npz(image=_with(np.inf)),
        message="bad.npz[2], input 'image': 1 of 192 values is not finite: Inf at [0, 1, 0, 3] comes first. Remove or mend the sample; NaN and Inf cannot be calibrated or scored.",
    ),
    Case(
        name="objects are pickled",
        words=_calibrating("bad.npz"),
        make=_npz(image=np.array([{}, []], dtype=object)),
        message="bad.npz, array 'image': holds Python objects, which are pickled code and are not loaded. Save arrays of numbers; samples of different shapes go into a folder, one file each.",
    ),
    Case(
        name="folder is empty",
        words=_calibrating("data"),
        make=_folder(),
        message="data: holds no samples. It was given as calibration samples. Give an .npz, a folder of .npy, .npz or image files, a .parquet, or `module:function`.",
    ),
    Case(
        name="folder holds texts",
        words=_calibrating("data"),
        make=_folder(a__txt=b"a", b__txt=b"b"),
        message="data/a.txt: is neither an array nor an image. It was given as calibration samples. Remove it, or give another folder.",
    ),
    Case(
        name="image is corrupt",
        words=compiling("model.onnx", "--config", "images.toml", data=("--calibration", "data")),
        make=_corrupt_images,
        message="data/a.png: cannot be read as an image: ",
        starts=True,
    ),
    Case(
        name="images without preprocessing",
        lines=8,
        words=_calibrating("data"),
        make=_folder(a__png=b"\x89PNG"),
        message='data: nothing says how an image becomes the input \'image\'. Add to edgec.toml, with the values the model was trained with:\n[inputs.image]\nresize = [8, 8]\nlayout = "nchw"\nchannels = "rgb"\nscale = "1/255"\nmean = [0, 0, 0]\nstd = [1, 1, 1]',
    ),
    Case(
        name="format of data is unknown",
        words=_calibrating("data.csv"),
        make=lambda folder: (folder / "data.csv").write_text("1,2\n"),
        message="data.csv: .csv is not a format of samples. It was given as calibration samples. Give an .npz, a folder of .npy, .npz or image files, a .parquet, or `module:function`.",
    ),
    Case(
        name="parquet is corrupt",
        words=_calibrating("data.parquet"),
        make=lambda folder: (folder / "data.parquet").write_bytes(b"PAR1" + bytes(20)),
        message="data.parquet: is not a Parquet file: ",
        starts=True,
    ),
    Case(
        name="module is not found",
        words=_calibrating("no_such_module:feeds"),
        message="no_such_module:feeds: there is no module 'no_such_module'. Run where the module is, install it, or give `path/to/file.py:function`.",
    ),
    Case(
        name="function is not found",
        words=_calibrating("feeds.py:fedes"),
        make=_python("def feeds(): pass\n"),
        message="feeds.py:fedes: 'feeds.py' has no 'fedes'. Give the name of a function that yields feeds.",
    ),
    Case(
        name="function raises",
        words=_calibrating("feeds.py:feeds"),
        make=_python(_RAISES),
        message="feeds.py:feeds[0]: raised ConnectionError: the database is down. Mend the code that gives the samples.",
    ),
    Case(
        name="module is broken",
        words=_calibrating("feeds.py:feeds"),
        make=_python("def feeds(:\n"),
        message="feeds.py:feeds: raised SyntaxError: ",
        starts=True,
    ),
    Case(
        name="generator is exhausted",
        words=_calibrating("feeds.py:feeds"),
        make=_python(_EXHAUSTED),
        message="feeds.py:feeds: gave no samples, 3 in the pass before. Give the same samples in every pass, at least one.",
    ),
    Case(
        name="function yields nonsense",
        words=_calibrating("feeds.py:feeds"),
        make=_python("def feeds():\n    yield 1\n"),
        message="feeds.py:feeds[0]: is int, not feeds. Give a dict of feeds, a list of them for a sequence, or a tuple of feeds and label.",
    ),
    Case(
        name="evaluation data are missing",
        words=_proving("evil.npz"),
        message="evil.npz: does not exist, did you mean 'eval.npz'? It was given as evaluation samples. Give an .npz, a folder of .npy, .npz or image files, a .parquet, or `module:function`.",
    ),
    Case(
        name="labels do not fit the samples",
        words=_proving("bad.npz", *_TOP1),
        make=_npz(image=images(), label=np.arange(5)),
        message="bad.npz, 'label': has 5 labels for 8 samples. Save one label per sample.",
    ),
    Case(
        name="a label is no class",
        words=_proving("bad.npz", *_TOP1),
        make=_npz(image=images(), label=np.full(8, 99)),
        message="label of bad.npz[0]: is class 99, the output has 4 classes. Check that labels count from 0 in the order of the model's classes.",
    ),
    Case(
        name="labels have a shape top1 cannot read",
        words=_proving("bad.npz", *_TOP1),
        make=_npz(image=images(), label=np.ones((8, 2, 2), np.float32)),
        message="label of bad.npz[0]: has shape (2, 2) beside an output of shape (1, 4); top1 needs one class index per position, classes on the last or first axis. Give labels of that shape, another metric, or name the output it looks at.",
    ),
)
