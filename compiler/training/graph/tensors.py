"""Tensors of a model as PyTorch's, and back."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx_ir as ir
import torch

__all__ = ["TORCH", "floating", "from_torch", "to_torch"]

TORCH: dict[ir.DataType, torch.dtype] = {
    ir.DataType.FLOAT: torch.float32,
    ir.DataType.DOUBLE: torch.float64,
    ir.DataType.FLOAT16: torch.float16,
    ir.DataType.BFLOAT16: torch.bfloat16,
    ir.DataType.INT8: torch.int8,
    ir.DataType.INT16: torch.int16,
    ir.DataType.INT32: torch.int32,
    ir.DataType.INT64: torch.int64,
    ir.DataType.UINT8: torch.uint8,
    ir.DataType.BOOL: torch.bool,
    # Wider integers hold what PyTorch has no arithmetic of, or packs.
    ir.DataType.UINT16: torch.int32,
    ir.DataType.UINT32: torch.int64,
    ir.DataType.UINT64: torch.int64,
    ir.DataType.INT4: torch.int8,
    ir.DataType.UINT4: torch.uint8,
    ir.DataType.INT2: torch.int8,
    ir.DataType.UINT2: torch.uint8,
}
_FLOATING = (ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16)


def floating(dtype: ir.DataType | None) -> bool:
    """Whether numbers of a type have gradients."""
    return dtype in _FLOATING


def to_torch(tensor: ir.TensorProtocol) -> torch.Tensor:
    """A copy of a constant.

    Raises:
        KeyError: PyTorch has no such type.
    """
    array = np.array(tensor.numpy())
    wanted = TORCH[tensor.dtype]
    if wanted is torch.bfloat16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array.astype(_numpy(wanted), copy=False))


def from_torch(tensor: torch.Tensor, dtype: ir.DataType) -> np.ndarray:
    """The array of a tensor, of a model's type."""
    held = tensor.detach().cpu().contiguous()
    if held.dtype is torch.bfloat16:
        return held.view(torch.int16).numpy().view(ml_dtypes.bfloat16).astype(dtype.numpy(), copy=False)
    array: np.ndarray = held.numpy().astype(dtype.numpy(), copy=False)
    return array


def _numpy(dtype: torch.dtype) -> np.dtype:
    return torch.empty(0, dtype=dtype).numpy().dtype
