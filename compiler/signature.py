"""The inputs and outputs of a model in memory, as a runtime would list them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ml_dtypes  # noqa: F401 - numpy knows bfloat16 by its name from here on
import numpy as np
import onnx_ir as ir

from ..errors import ModelError
from ..runtimes.base import TensorInfo

__all__ = ["inputs_in", "inputs_of", "outputs_of"]


def inputs_of(model: ir.Model) -> tuple[TensorInfo, ...]:
    """Inputs a caller must feed: graph inputs without a default value.

    Raises:
        ModelError: An input is no tensor.
    """
    return tuple(_info(value) for value in model.graph.inputs if not value.is_initializer())


def outputs_of(model: ir.Model) -> tuple[TensorInfo, ...]:
    """Outputs that are tensors of a known type."""
    return tuple(_info(value) for value in model.graph.outputs if value.dtype is not None)


def inputs_in(manifest: Mapping[str, Any]) -> tuple[TensorInfo, ...]:
    """Inputs of a bundle's model, as its manifest lists them."""
    return tuple(
        TensorInfo(name=each["name"], dtype=np.dtype(each["dtype"]), shape=tuple(each["shape"]))
        for each in manifest["inputs"]
    )


def _info(value: ir.Value) -> TensorInfo:
    if value.dtype is None:
        raise ModelError(
            f"input {value.name!r}",
            "is not a tensor, or its type is unknown",
            remedy="Give a model whose inputs are tensors (sequences, maps and optionals are not supported)",
        )
    dims = () if value.shape is None else tuple(dim if isinstance(dim, int) else dim.value for dim in value.shape)
    return TensorInfo(name=str(value.name), dtype=value.dtype.numpy(), shape=dims)
