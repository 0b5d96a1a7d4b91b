"""What is baked into a model's ends, as values."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["BakedInput", "BakedOutput"]

Channels = Literal["rgb", "bgr", "gray"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BakedInput:
    """value = (pixel * scale - mean) / std, inside the model, after layout, channel order and size.

    Attributes:
        dtype: What goes in: `uint8`, or `float32` with pixels of 0..255.
        layout: Of what goes in: `nhwc` or `nchw`.
        channels: Of what goes in: `rgb`, `bgr` or `gray`.
        model_channels: The order the model was trained with, and that of `mean` and `std`.
        scale: Multiplies pixels first.
        mean, std: One number, or one for each channel; in units of pixel * scale, as `[inputs.NAME]` has them.
        frame: Rows and columns of what goes in, where they are not the model's: resized bilinearly, pixel centres at
            half, without antialiasing (OpenCV's INTER_LINEAR, before rounding).
    """

    dtype: Literal["uint8", "float32"] = "uint8"
    layout: Literal["nhwc", "nchw"] = "nhwc"
    channels: Channels = "rgb"
    model_channels: Channels = "rgb"
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    frame: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.scale) or self.scale <= 0:
            raise ValueError(f"scale: {self.scale:g} is not a number above 0")
        for name in ("mean", "std"):
            values = getattr(self, name)
            if not values or not all(map(math.isfinite, values)):
                raise ValueError(f"{name}: {list(values)} is not a list of numbers")
        if min(self.std) <= 0:
            raise ValueError(f"std: {min(self.std):g} is not above 0")
        if self.frame is not None and min(self.frame) < 1:
            raise ValueError(f"frame: {list(self.frame)} is no height and width in pixels")
        if "gray" in (self.channels, self.model_channels) and "bgr" in (self.channels, self.model_channels):
            raise ValueError("channels: gray has no order, and cannot become or come from bgr")
        if len({*map(len, (self.mean, self.std))} - {1}) > 1:
            raise ValueError(f"std: has {len(self.std)} values, mean has {len(self.mean)}")

    @property
    def swaps(self) -> bool:
        """Whether the channels come in the other order than the model takes them."""
        return {self.channels, self.model_channels} == {"rgb", "bgr"}

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class BakedOutput:
    """What becomes of an output inside the model, in this order.

    Attributes:
        softmax: Probabilities along `axis`.
        argmax: The index of the largest along `axis`, int64, the first of equals; the axis goes.
        topk: The so many largest along `axis`, sorted; which they are is an output of its own, `NAME_indices`.
        axis: Of the classes; None is 1, which a sequence [N, T, classes] does not mean.
        code: An embedding, along the last axis, as `int8`, its largest magnitude 127, so that only its direction is
            kept; `binary`, one bit for each number above 0, eight in a byte, the first in the highest; or `product`,
            one byte for each `part` numbers: which of 256 centers, found in calibration samples, is the nearest.
        part: Numbers that one byte of a product code stands for.
    """

    softmax: bool = False
    argmax: bool = False
    topk: int | None = None
    axis: int | None = None
    code: Literal["int8", "binary", "product"] | None = None
    part: int = 4

    def __post_init__(self) -> None:
        if self.code is not None and (self.softmax or self.argmax or self.topk or self.axis is not None):
            raise ValueError(f"{self.code}: is of embeddings, and is given beside what is of classes")
        if not 2 <= self.part <= 64:
            raise ValueError(f"product: {self.part} is not from 2 to 64")
        if self.argmax and self.topk is not None:
            raise ValueError("topk: is given beside argmax")
        if self.topk is not None and self.topk < 1:
            raise ValueError(f"topk: {self.topk} is not a positive number")
        if not (self.softmax or self.argmax or self.topk or self.code):
            raise ValueError("says neither softmax, argmax, topk, int8, binary nor product")

    @property
    def discrete(self) -> bool:
        """Whether the answer is which classes, not how much of each, or a code."""
        return self.argmax or self.topk is not None or self.code is not None

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)
