"""Find NaN and Inf in weights before they turn every measured range into nonsense."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from ...errors import ModelError
from .file_tensor import FileTensor

__all__ = ["READ_BELOW", "check_finite"]

# Weights that lie in files are read for this check up to this size in total.
READ_BELOW = 256 << 20

# Operators that multiply by their constant operands: an Inf there makes NaN or Inf of any input. Elsewhere
# Inf is meant: the mask added before a Softmax, the open end of a Clip, the padding of a Pad.
_PRODUCTS = frozenset(
    {
        "Attention",
        "BatchNormalization",
        "Conv",
        "ConvTranspose",
        "Einsum",
        "FusedConv",
        "FusedGemm",
        "FusedMatMul",
        "GRU",
        "Gemm",
        "GroupNormalization",
        "InstanceNormalization",
        "LSTM",
        "LayerNormalization",
        "MatMul",
        "Mul",
        "RMSNormalization",
        "RNN",
        "SimplifiedLayerNormalization",
    }
)
_BLOCK = 1 << 20


def check_finite(model: ir.Model, origin: str) -> tuple[str, ...]:
    """Refuse NaN in any weight, and Inf in a factor of a product.

    A single number may be NaN or Inf: it stands for a bound or a test, not for something learned.

    Returns:
        A note when weights were too large to be read.

    Raises:
        ModelError: A tensor holds NaN or Inf; names it and a node that reads it.
    """
    weights = [value for graph in model.graphs() for value in graph.initializers.values() if _is_weight(value)]
    in_files = sum(_tensor(value).nbytes for value in weights if isinstance(value.const_value, FileTensor))
    for value in weights:
        if in_files > READ_BELOW and isinstance(value.const_value, FileTensor):
            continue
        found = _first_bad(_tensor(value), infinities=any(node.op_type in _PRODUCTS for node, _ in value.uses()))
        if found is not None:
            reader = next((node for node, _ in value.uses()), None)
            raise ModelError(
                f"{origin}, tensor {value.name!r}",
                f"holds {found[0]} (element {found[1]})",
                affects="" if reader is None else f"Node {reader.name!r} ({reader.op_type}) reads it",
                remedy="Export the model from a checkpoint whose weights are finite",
            )
    if in_files > READ_BELOW:
        return (f"{in_files / 1e9:.1f} GB of weights in files: not searched for NaN",)
    return ()


def _is_weight(value: ir.Value) -> bool:
    tensor = value.const_value
    return tensor is not None and tensor.dtype.is_floating_point() and tensor.dtype.bitwidth >= 8 and tensor.size > 1


def _tensor(value: ir.Value) -> ir.TensorProtocol:
    assert value.const_value is not None
    return value.const_value


def _first_bad(tensor: ir.TensorProtocol, *, infinities: bool) -> tuple[str, int] | None:
    """What and where the first bad element is."""
    start = 0
    with np.errstate(all="ignore"):
        for block in _blocks(tensor):
            wide = block if block.dtype.itemsize >= 4 else block.astype(np.float32)
            # NaN and Inf survive a sum; a finite sum clears a block in one pass. One that overflows is looked at.
            if not np.isfinite(wide.sum()):
                for name, bad in (("NaN", np.isnan(wide)), ("Inf", np.isinf(wide))):
                    if (infinities or name == "NaN") and bad.any():
                        return name, start + int(bad.argmax())
            start += block.size
    return None


def _blocks(tensor: ir.TensorProtocol) -> Iterator[np.ndarray]:
    """The elements in order, flat, some at a time."""
    dtype = tensor.dtype.numpy()
    if isinstance(tensor, FileTensor):
        for piece in tensor.blocks():
            yield np.frombuffer(piece, dtype=dtype)
        return
    flat = tensor.numpy().reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        yield flat[start : start + _BLOCK]
