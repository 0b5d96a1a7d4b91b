"""How an image becomes a model input: the value that says it, as `[inputs.<name>]` of `edgec.toml` holds it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ...errors import ContractError, OptionError
from ...runtimes.base import TensorInfo
from .check import nearest

__all__ = ["ImagePreprocess", "suggestion"]

_CHOICES = {
    "layout": ("nchw", "nhwc"),
    "channels": ("rgb", "bgr", "gray"),
    "dtype": ("float32", "float16", "uint8"),
    "interpolation": ("bilinear", "bicubic", "nearest", "lanczos", "box"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagePreprocess:
    """value = (pixel * scale - mean) / std, after resizing and cropping.

    The image is read as it is stored: an EXIF orientation is not applied, as most training pipelines do not;
    transparency is dropped; of an animation the first frame is taken. Resizing is Pillow's (antialiased).

    Attributes:
        resize: S makes the shorter side S and keeps the ratio (the longer is int(S * long / short), as torchvision
            has it); (h, w) is exact; None leaves the size.
        crop: (h, w), or S for (S, S), cut from the middle; None cuts nothing.
        layout: `nchw` gives [channels, h, w], `nhwc` gives [h, w, channels].
        channels: `rgb`, `bgr` or `gray` (ITU-R 601 luma, one channel).
        scale: Multiplies pixels 0..255 first.
        mean, std: One number, or one for each channel in the order of `channels`; in units of pixel * scale.
        dtype: `float32`, `float16`, or `uint8`, which leaves the pixels as they are.
        interpolation: Pillow's filter for `resize`.
    """

    resize: int | tuple[int, int] | None = None
    crop: int | tuple[int, int] | None = None
    layout: str = "nchw"
    channels: str = "rgb"
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    dtype: str = "float32"
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        for name in ("resize", "crop", "mean", "std"):  # as TOML and JSON write them
            if isinstance(value := getattr(self, name), list):
                object.__setattr__(self, name, tuple(value))
        for name in ("mean", "std"):
            if _number(value := getattr(self, name)):
                object.__setattr__(self, name, (value,))
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise _fault(name, f"{value!r} is not one of {', '.join(choices)}{nearest(str(value), choices)}")
        for name in ("resize", "crop"):
            size = getattr(self, name)
            if size is not None and not all(_whole(side) for side in (size if _pair(size) else (size,))):
                raise _fault(name, f"{size!r} is neither a number of pixels nor a height and a width")
        count = 1 if self.channels == "gray" else 3
        for name in ("mean", "std"):
            values = getattr(self, name)
            if not isinstance(values, tuple) or not all(_number(value) for value in values):
                raise _fault(name, f"{values!r} is not a list of numbers")
            if len(values) not in (1, count):
                raise _fault(name, f"has {len(values)} values, {self.channels} has {count} channels")
        if not all(self.std):
            raise _fault("std", "is zero, and divides")
        if not _number(self.scale) or not self.scale:
            raise _fault("scale", f"{self.scale!r} is not a number other than zero")
        if self.dtype == "uint8" and (self.scale != 1 or any(self.mean) or any(std != 1 for std in self.std)):
            raise _fault("dtype", "uint8 keeps the pixels as they are: it needs scale = 1, no mean and no std")

    @classmethod
    def from_table(cls, table: Mapping[str, object], where: str) -> ImagePreprocess:
        """Read a table of `edgec.toml`, strictly. `scale` may be text such as "1/255".

        Args:
            table: The parsed table `[inputs.<name>]`.
            where: Its name, for messages.

        Raises:
            ContractError: A key is unknown or a value is wrong; the message names `<where>.<key>`.
        """
        keys = tuple(field.name for field in fields(cls))
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key not in keys:
                raise ContractError(
                    f"{where}.{key}", f"unknown key{nearest(key, keys)}", remedy=f"The keys are {', '.join(keys)}"
                )
            values[key] = value
        try:
            if isinstance(values.get("scale"), str):
                values["scale"] = _fraction(values["scale"])
            return cls(**values)
        except OptionError as error:
            key = error.where.removeprefix("preprocess.")
            raise ContractError(f"{where}.{key}", error.problem, remedy=error.remedy) from error


def suggestion(info: TensorInfo) -> str:
    """The lines of `edgec.toml` that an input of this shape needs, to be completed by who trained the model."""
    shape = info.shape[1:] if len(info.shape) == 4 else info.shape
    counts = (1, 3)
    nhwc = len(shape) == 3 and shape[2] in counts and shape[0] not in counts
    channels, height, width = (shape[2], shape[0], shape[1]) if nhwc else shape if len(shape) == 3 else (3, None, None)
    gray = channels == 1
    lines = [f"[inputs.{_toml_key(info.name)}]"]
    if isinstance(height, int) and isinstance(width, int):
        lines.append(f"resize = [{height}, {width}]")
    lines += [f'layout = "{"nhwc" if nhwc else "nchw"}"', f'channels = "{"gray" if gray else "rgb"}"']
    if info.dtype == np.uint8:
        lines += ["scale = 1", 'dtype = "uint8"']
    else:
        zeros, ones = ("[0]", "[1]") if gray else ("[0, 0, 0]", "[1, 1, 1]")
        lines += ['scale = "1/255"', f"mean = {zeros}", f"std = {ones}"]
    return "Add to edgec.toml, with the values the model was trained with:\n" + "\n".join(lines) + "\n"


def _fault(field: str, problem: str) -> OptionError:
    return OptionError(f"preprocess.{field}", problem, remedy="Preprocess as the model was trained")


def _pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _fraction(text: str) -> float | str:
    try:
        above, _, below = text.partition("/")
        return float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        return text


def _toml_key(name: str) -> str:
    bare = name.isascii() and all(c.isalnum() or c in "-_" for c in name) and name
    return name if bare else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
