"""What a model takes: its inputs by ONNX Runtime's type names, and feeds checked against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ml_dtypes
import numpy as np

from ..errors import SamplesError
from .base import Feeds, TensorInfo

__all__ = ["check_feeds", "tensor_info"]

_DTYPES: Mapping[str, np.dtype] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(double)": np.dtype(np.float64),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(bfloat16)": np.dtype(ml_dtypes.bfloat16),
    "tensor(bool)": np.dtype(np.bool_),
    "tensor(string)": np.dtype(np.object_),
    **{
        f"tensor({sign}int{bits})": np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)
    },
}  # fmt: skip


def tensor_info(name: str, kind: str, shape: Sequence[int | str | None] | None) -> TensorInfo:
    """An input or output, as ONNX Runtime describes it (`tensor(float)`)."""
    return TensorInfo(name=name, dtype=_DTYPES.get(kind, np.dtype(np.object_)), shape=tuple(shape or ()))


def check_feeds(feeds: Feeds, inputs: tuple[TensorInfo, ...]) -> dict[str, np.ndarray]:
    """The feeds as contiguous arrays, after a look at names, dtypes and shapes.

    Raises:
        SamplesError: A feed is missing, unknown, or of the wrong dtype or shape.
    """
    known = {info.name for info in inputs}
    extra = [name for name in feeds if name not in known]
    missing = [name for name in known if name not in feeds]
    if extra or missing:
        name = (extra or sorted(missing))[0]
        raise SamplesError(
            f"input {name!r}",
            "is not an input of the model" if extra else "has no feed",
            remedy=f"The model's inputs are: {', '.join(info.name for info in inputs)}",
        )
    checked = {}
    for info in inputs:
        array = np.asarray(feeds[info.name])
        if array.dtype != info.dtype and info.dtype != np.object_:
            raise SamplesError(
                f"input {info.name!r}",
                f"has dtype {array.dtype}, the model needs {info.dtype}",
                remedy="Convert the array, or declare its preprocessing",
            )
        fixed = [isinstance(need, int) and need != got for need, got in zip(info.shape, array.shape, strict=False)]
        if len(info.shape) != array.ndim or any(fixed):
            raise SamplesError(
                f"input {info.name!r}",
                f"has shape {list(array.shape)}, the model needs [{', '.join(_dim(d) for d in info.shape)}]",
                remedy="Reshape the array, or declare its preprocessing",
            )
        checked[info.name] = np.ascontiguousarray(array) if array.ndim else array
    return checked


def _dim(dim: int | str | None) -> str:
    return "?" if dim is None else str(dim)
