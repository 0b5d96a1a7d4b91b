"""Cells of a Parquet table as arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import SamplesError
from ...runtimes.base import TensorInfo
from .layout import sample_shape

__all__ = ["cell_array", "is_image", "reshaped"]


def is_image(kind: Any) -> bool:
    """Whether an Arrow type holds encoded images: bytes, or a struct with `bytes`."""
    from pyarrow import types

    if types.is_struct(kind):
        return any(field.name == "bytes" for field in kind)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def cell_array(scalar: Any, where: str) -> np.ndarray:
    """A number, text, list or nested list as an array of its own shape.

    Args:
        scalar: A `pyarrow.Scalar`.
        where: The cell, for messages.

    Raises:
        SamplesError: There is a null, something that is no number, or lists of different lengths.
    """
    if not scalar.is_valid:
        raise SamplesError(where, "is null", remedy="Remove the row")
    if not _is_list(scalar.type):
        return np.asarray(scalar.as_py())
    values = scalar.values
    shape = [len(values)]
    while _is_list(values.type):
        lengths = values.value_lengths().unique().to_pylist()
        if len(lengths) > 1 or values.null_count:
            raise SamplesError(
                where, "holds lists of different lengths", remedy="Give lists of the input's shape, or flat ones"
            )
        shape += lengths or [0]
        values = values.flatten()
    if values.null_count:
        raise SamplesError(where, f"holds {values.null_count} nulls", remedy="Remove the row")
    try:
        dtype = np.dtype(values.type.to_pandas_dtype())
    except (NotImplementedError, TypeError) as error:
        raise SamplesError(
            where, f"is a list of {values.type}, not of numbers", remedy="Save lists of numbers"
        ) from error
    flat: np.ndarray = values.to_numpy(zero_copy_only=False).astype(dtype, copy=False)
    return flat.reshape(shape)


def reshaped(flat: np.ndarray, info: TensorInfo, *, sequence: bool) -> np.ndarray:
    """A flat list in the shape of one sample (or of its steps); as it is where that is impossible or not unique."""
    shape = sample_shape(info)
    free = sum(not isinstance(dim, int) for dim in shape)
    known = math.prod(dim for dim in shape if isinstance(dim, int))
    if len(shape) <= 1 and not sequence:
        return flat
    if free > 1 or not known or flat.size % known or (free and sequence):
        return flat
    if sequence:
        return flat.reshape(-1, *(dim for dim in shape if isinstance(dim, int)))
    if not free and flat.size != known:
        return flat
    return flat.reshape([dim if isinstance(dim, int) else -1 for dim in shape])


def _is_list(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))
