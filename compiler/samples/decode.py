"""Image files to arrays, as `ImagePreprocess` asks. Pillow is loaded when first needed."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError, MissingExtraError, SamplesError
from .images import ImagePreprocess

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["image_value", "need_pillow"]


def need_pillow(where: str) -> Callable[..., Image.Image]:
    """Pillow's `Image.open`, or MissingExtraError."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError(where, "pillow", "images") from error
    return Image.open


def image_value(
    opener: Callable[..., Image.Image], source: Path | bytes, preprocess: ImagePreprocess, where: str
) -> np.ndarray:
    """Read and preprocess one image.

    Args:
        opener: From `need_pillow`.
        source: A file, or its bytes.
        preprocess: What to do with it.
        where: The sample, for messages.

    Returns:
        [channels, h, w] or [h, w, channels], C-contiguous.

    Raises:
        SamplesError: The image is corrupt, has more than 8 bits per channel, or is smaller than the crop.
    """
    try:
        with opener(BytesIO(source) if isinstance(source, bytes) else source) as stored:
            image = stored
            if image.mode.startswith(("I", "F")):
                raise SamplesError(where, "has more than 8 bits per channel", remedy="Save it with 8, or give an .npz")
            if image.mode == "P" and "transparency" in image.info:
                image = image.convert("RGBA")  # Pillow warns of the direct way
            image = image.convert("L" if preprocess.channels == "gray" else "RGB")
            pixels = _cropped(_resized(image, preprocess), preprocess, where)
    except InputError:
        raise
    except Exception as error:  # decoders raise whatever the broken bytes lead them to
        raise SamplesError(where, f"cannot be read as an image: {error}", remedy="Remove or mend the file") from error
    return _normalized(pixels, preprocess)


def _resized(image: Image.Image, preprocess: ImagePreprocess) -> Image.Image:
    from PIL import Image

    if preprocess.resize is None:
        return image
    if isinstance(preprocess.resize, tuple):
        height, width = preprocess.resize
    else:
        short, long = sorted(image.size)
        sides = preprocess.resize, int(preprocess.resize * long / short)
        width, height = sides if image.width <= image.height else sides[::-1]
    if (width, height) == image.size:
        return image
    return image.resize((width, height), Image.Resampling[preprocess.interpolation.upper()])


def _cropped(image: Image.Image, preprocess: ImagePreprocess, where: str) -> np.ndarray:
    if preprocess.crop is None:
        return np.asarray(image)
    height, width = preprocess.crop if isinstance(preprocess.crop, tuple) else (preprocess.crop,) * 2
    if height > image.height or width > image.width:
        raise SamplesError(
            where,
            f"is {image.height}×{image.width} after resizing, the crop is {height}×{width}",
            remedy="Resize to at least the crop",
        )
    # Rounded as torchvision's center_crop does.
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return np.asarray(image.crop((left, top, left + width, top + height)))


def _normalized(pixels: np.ndarray, preprocess: ImagePreprocess) -> np.ndarray:
    pixels = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
    if preprocess.channels == "bgr":
        pixels = pixels[..., ::-1]
    count = pixels.shape[-1]
    dtype = np.dtype(preprocess.dtype)
    if dtype == np.uint8:
        values = pixels
    else:
        # Every channel has 256 possible values: computed once in float64, rounded once, looked up.
        mean, std = (np.broadcast_to(np.asarray(v, np.float64), count) for v in (preprocess.mean, preprocess.std))
        table = ((np.arange(256)[:, np.newaxis] * preprocess.scale - mean) / std).astype(dtype)
        values = np.stack([table[:, c].take(pixels[..., c]) for c in range(count)], axis=-1)
    return np.ascontiguousarray(values.transpose(2, 0, 1) if preprocess.layout == "nchw" else values)
