"""What a model's signature suggests: images, state that is fed back, free dimensions, classes. Guesses, all of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..inspect import Tensor

__all__ = ["Image", "classes_of", "free_dimensions", "image_of", "is_batch", "start_of", "state_of", "suggested_shape"]

_SMALLEST_SIDE = 16  # a map of features or coefficients is smaller on a side than any image a net is trained on
_IMAGE_SIDE, _LENGTH = 224, 128
_BATCH = re.compile(r"(?:n|b|batch|batch_?size|unk__\d+)", re.IGNORECASE)
# What tells an output from the input it is fed back to: h_in and h_out, state and stateN, past_k and present_k.
_ENDS = re.compile(r"(?:_?(?:in|out|input|output|new|next|old|prev|previous|past|present|n|t|i|o|[01])(?=$|[_.]))+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An input that looks like an image.

    Attributes:
        layout: `nchw` or `nhwc`.
        channels: 1 or 3.
        height, width: None where they are free.
    """

    layout: str
    channels: int
    height: int | None
    width: int | None


def image_of(tensor: Tensor) -> Image | None:
    """The image an input looks like: one or three channels, sides of 16 and more; without a batch, three channels."""
    shape = tensor.shape or ()
    if tensor.dtype not in ("float", "float16", "uint8") or len(shape) not in (3, 4):
        return None
    dims = shape[-3:]
    for layout, order in (("nchw", (0, 1, 2)), ("nhwc", (2, 0, 1))):
        channels, height, width = (dims[axis] for axis in order)
        sides = [side if isinstance(side, int) else None for side in (height, width)]
        small = any(side is not None and side < _SMALLEST_SIDE for side in sides)
        # [1, 80, 3000] is rather a spectrogram than a gray image without a batch.
        if not small and (channels == 3 or (channels == 1 and len(shape) == 4)):
            return Image(layout=layout, channels=int(channels), height=sides[0], width=sides[1])
    return None


def is_batch(tensor: Tensor) -> bool:
    """Whether the first dimension looks like the number of samples: free, and named as one or not at all."""
    dim = next(iter(tensor.shape or (1,)))
    return dim is None or (isinstance(dim, str) and _BATCH.fullmatch(dim) is not None)


def free_dimensions(tensor: Tensor) -> tuple[int, ...]:
    """Axes whose size the model leaves open."""
    return tuple(axis for axis, dim in enumerate(tensor.shape or ()) if not isinstance(dim, int))


def suggested_shape(tensor: Tensor) -> list[int]:
    """A shape to fix a free one to: one sample, images of 224, sequences of 128."""
    free = _LENGTH if image_of(tensor) is None else _IMAGE_SIDE
    return [dim if isinstance(dim, int) else 1 if axis == 0 else free for axis, dim in enumerate(tensor.shape or ())]


def start_of(tensor: Tensor, output: Tensor) -> list[int] | None:
    """The shape a state starts with: none of what grows from step to step, one sample; None where it is not free."""
    if not free_dimensions(tensor):
        return None
    pairs = zip(tensor.shape or (), output.shape or (), strict=True)
    return [dim if isinstance(dim, int) else 0 if dim is not None and dim != other else 1 for dim, other in pairs]


def state_of(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> dict[str, str]:
    """Inputs that outputs look made to be fed back to: names alike but for in/out, new, next, of one type and rank."""
    pairs: dict[str, str] = {}
    for tensor in inputs:
        stem = _stem(tensor.name)
        for output in outputs:
            alike = stem and stem == _stem(output.name) and _fits(tensor, output)
            if alike and output.name not in pairs.values():
                pairs[tensor.name] = output.name
                break
    return pairs


def classes_of(outputs: Sequence[Tensor]) -> int | None:
    """How many classes the one output scores; None where it does not look like scores of classes."""
    if len(outputs) != 1 or outputs[0].shape is None or not outputs[0].dtype.startswith("float"):
        return None
    batch, *dims = outputs[0].shape or (None,)
    if not dims or not isinstance(dims[0], int) or dims[0] < 2 or any(dim != 1 for dim in dims[1:]):
        return None
    return dims[0] if batch in (1, None) or isinstance(batch, str) else None


def _stem(name: str) -> str:
    plain = re.sub(r"(?<=[a-z])N$", "_n", name)  # stateN
    return _ENDS.sub("", plain.lower()).strip("_.")


def _fits(tensor: Tensor, output: Tensor) -> bool:
    a, b = tensor.shape, output.shape
    if tensor.dtype != output.dtype or a is None or b is None:
        return False
    return len(a) == len(b) and all(
        x == y or not (isinstance(x, int) and isinstance(y, int)) for x, y in zip(a, b, strict=True)
    )
