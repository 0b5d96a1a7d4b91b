"""Matrices of a decoder: each knows how it is multiplied and looked up, and what is stored of it.

Floats and blocks are known here; anything else says the same of itself: formats with corrections or codebooks bring a
`Matrix` of their own. Arrays are asked for again each time they are read: a mapping that maps a file or computes keeps
nothing in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import onnx_ir as ir

from ....errors import ModelError
from ....passes.weight_only.blocks import Blocks
from .block_matrix import BlockMatrix
from .float_matrix import FloatMatrix
from .writer import Writer

__all__ = ["Matrix", "Weight", "array_of", "matrix_of", "vector_of"]

# What has a kernel (ONNX Runtime 1.31.1, MatMulNBits on CPU).
_BITS = (2, 4, 8)
_SIZES = (16, 32, 64, 128, 256)


@runtime_checkable
class Matrix(Protocol):
    """A matrix (N, K) of a decoder."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Outputs and inputs, (N, K)."""
        ...

    def multiply(self, writer: Writer, x: ir.Value, name: str, bias: ir.Value | None) -> ir.Value:
        """Write x Wᵀ + bias: (…, K) → (…, N), its nodes called `name`/…, MatMul the product."""
        ...

    def look_up(self, writer: Writer, ids: ir.Value, name: str) -> ir.Value:
        """Write W[ids]: (…) → (…, K), its nodes called `name`/…."""
        ...


# What a mapping of weights holds: floats as an array or as a tensor that reads them when asked, blocks, or a matrix.
Weight: TypeAlias = np.ndarray | ir.TensorProtocol | Blocks | Matrix


def matrix_of(weights: Mapping[str, Weight], name: str, shape: tuple[int, int], origin: str, level: int) -> Matrix:
    """The matrix of this name.

    Args:
        weights: By name.
        name: Which one.
        shape: What it must have, (N, K).
        origin: Where the weights come from, for messages.
        level: `accuracy_level` of MatMulNBits.

    Raises:
        ModelError: It is missing, has another shape, or is in blocks that no kernel multiplies.
    """
    found = _weight(weights, name, origin)
    if isinstance(found, Blocks):
        _check_shape(found.codes.shape, shape, name, origin)
        if found.form.bits not in _BITS or found.form.size not in _SIZES:
            raise ModelError(
                f"{origin}, weight {name!r}",
                f"is in {found.form.bits}-bit blocks of {found.form.size or shape[1]}, which no kernel multiplies",
                remedy=f"Give blocks of {', '.join(map(str, _SIZES))} elements, of 2, 4 or 8 bits",
            )

        def blocks() -> Blocks:
            again = weights[name]
            assert isinstance(again, Blocks)
            return again

        return BlockMatrix(
            name=name, shape=shape, form=found.form, zeros=found.zero is not None, blocks=blocks, level=level
        )
    _check_shape(_shape(found), shape, name, origin)
    if isinstance(found, np.ndarray | ir.TensorProtocol):
        return FloatMatrix(name=name, shape=shape, array=lambda: _floats(weights[name]))
    return found


def vector_of(writer: Writer, weights: Mapping[str, Weight], name: str, size: int, origin: str) -> ir.Value:
    """A float vector as a constant of its name.

    Raises:
        ModelError: It is missing, or no vector of this size.
    """
    return array_of(writer, weights, name, (size,), origin)


def array_of(writer: Writer, weights: Mapping[str, Weight], name: str, shape: tuple[int, ...], origin: str) -> ir.Value:
    """Floats that no product takes as a matrix, as a float32 constant of their name.

    Raises:
        ModelError: They are missing, or of another shape.
    """
    found = _weight(weights, name, origin)
    if not isinstance(found, np.ndarray | ir.TensorProtocol):
        raise ModelError(
            f"{origin}, weight {name!r}", "is not an array of floats", remedy="Store norms and biases as floats"
        )
    _check_shape(_shape(found), shape, name, origin)
    return writer.constant(name, np.asarray(_floats(found), np.float32))


def _floats(weight: Weight) -> np.ndarray:
    if isinstance(weight, np.ndarray):
        return weight
    assert isinstance(weight, ir.TensorProtocol)
    return weight.numpy()


def _shape(weight: np.ndarray | ir.TensorProtocol | Matrix) -> tuple[int, ...]:
    return tuple(weight.shape.numpy()) if isinstance(weight, ir.TensorProtocol) else tuple(weight.shape)


def _weight(weights: Mapping[str, Weight], name: str, origin: str) -> Weight:
    if name not in weights:
        raise ModelError(
            origin, f"has no weight {name!r}", remedy="Copy the checkpoint again, or check its configuration"
        )
    return weights[name]


def _check_shape(found: tuple[int, ...], needed: tuple[int, ...], name: str, origin: str) -> None:
    if tuple(found) != needed:
        raise ModelError(
            f"{origin}, weight {name!r}",
            f"is {list(found)}, its configuration needs {list(needed)}",
            remedy="Check that configuration and weights belong together",
        )
