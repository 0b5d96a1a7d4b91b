"""The products of a quantized model that run in u8 x s8 kernels: what they read, and the accumulators they make.

==================================== ========================================= =======================
in the graph                         kernel (ONNX Runtime 1.31.1)              codes of its input
==================================== ========================================= =======================
DQ -> Conv -> Q                      QLinearConv                               before the DQ
DQ -> Gemm, DQ -> MatMul             QGemm, QLinearMatMul, MatMulIntegerToFloat the same
MatMulInteger                        MatMulInteger, DynamicQuantizeMatMul      as it reads them
==================================== ========================================= =======================

Weights are constant int8 with zero point 0, activations uint8. A Conv with one input and one output channel per group
has a depthwise kernel of its own, which multiplies in 16 bits and adds in 32 (ConvSymDepthwiseKernelAvx2,
MlasConvDepthwiseKernelAvx2; confirmed on 1.31.1, 2026-11) and is none of these; with several outputs per group it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..edit import constant_array, is_op, sole_consumer
from ..observe.statistics import Window
from ..round.inputs import window_of
from .avx2 import Sums, can_saturate, sums
from .windows import filters, windows

__all__ = ["IntegerProduct", "integer_products"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class IntegerProduct:
    """One node whose products are of u8 codes and s8 weights.

    Attributes:
        node: Conv, Gemm, MatMul or MatMulInteger.
        codes: The uint8 value it reads.
        zero: That value's zero point, a scalar; None is 0.
        weight: Stored weights as the node has them.
        scale: Of the weights: scalar or one per output channel; 1 for MatMulInteger, which is scaled later.
    """

    node: ir.Node
    codes: ir.Value
    zero: ir.Value | None
    weight: np.ndarray
    scale: np.ndarray

    @property
    def can_saturate(self) -> bool:
        """Whether any codes make one of its sums of two products leave 16 bits."""
        if self.node.op_type == "Conv":
            return can_saturate(filters(self.weight))
        matrices = self._matrices()
        return any(can_saturate(matrix) for matrix in matrices.reshape(-1, *matrices.shape[-2:]))

    def sums(self, codes: np.ndarray, zero: int) -> Sums:
        """Accumulators in the shape of the node's result, the zero point's share taken off.

        Args:
            codes: uint8, what the node reads.
            zero: Its zero point.
        """
        return self._conv(codes, zero) if self.node.op_type == "Conv" else self._matmul(codes, zero)

    def by_channel(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers by output channel (or one for all), shaped to broadcast against the node's result."""
        rank = self.weight.ndim
        return numbers.reshape(1, -1, *(1,) * (rank - 2)) if self.node.op_type == "Conv" else numbers

    def _matrices(self) -> np.ndarray:
        transposed = self.node.op_type == "Gemm" and bool(self.node.attributes.get_int("transB", 0))
        return self.weight.T if transposed else self.weight

    def _conv(self, codes: np.ndarray, zero: int) -> Sums:
        kernel = self.weight.shape[2:]
        window = window_of(self.node, kernel, codes.shape[2:])
        assert isinstance(window, Window)
        inputs, outputs = self.weight.shape[1], self.weight.shape[0] // window.group
        parts: list[Sums] = []
        shape: tuple[int, ...] = ()
        for group in range(window.group):
            rows = windows(codes[:, group * inputs : (group + 1) * inputs], window, fill=zero)
            shape = rows.shape[:-1]
            matrix = filters(self.weight[group * outputs : (group + 1) * outputs])
            parts.append(_product(rows.reshape(-1, rows.shape[-1]), matrix, zero))
        return _joined(parts, lambda found: np.moveaxis(np.concatenate(found, 1).reshape(*shape, -1), -1, 1))

    def _matmul(self, codes: np.ndarray, zero: int) -> Sums:
        matrices = self._matrices()
        shape = (*codes.shape[:-1], matrices.shape[-1])
        if matrices.ndim == 2:
            found = _product(codes.reshape(-1, codes.shape[-1]), matrices, zero)
            return _joined([found], lambda parts: parts[0].reshape(shape))
        rows = codes[None] if codes.ndim == 1 else codes
        batch = np.broadcast_shapes(rows.shape[:-2], matrices.shape[:-2])
        left = np.broadcast_to(rows, (*batch, *rows.shape[-2:]))
        right = np.broadcast_to(matrices, (*batch, *matrices.shape[-2:]))
        parts = [_product(left[at], right[at], zero) for at in np.ndindex(batch)]
        kept = (*batch, *shape[-2:]) if codes.ndim > 1 else (*batch, shape[-1])
        return _joined(parts, lambda found: np.stack(found).reshape(kept))


def integer_products(graph: ir.Graph) -> Iterator[IntegerProduct]:
    """Products of a quantized graph that run in u8 x s8 kernels, in graph order.

    Args:
        graph: The main graph; bodies of If and Loop have none that edgec makes.
    """
    for node in graph:
        found = _dynamic(node) if is_op(node, "MatMulInteger") else _static(node)
        if found is not None:
            yield found


def _static(node: ir.Node) -> IntegerProduct | None:
    if not is_op(node, "Conv", "Gemm", "MatMul") or len(node.inputs) < 2:
        return None
    x, w = (_dequantized(value) for value in node.inputs[:2])
    if x is None or w is None:
        return None
    weight, scale = constant_array(w.inputs[0]), constant_array(w.inputs[1])
    if weight is None or scale is None or not _is_plain(weight, w.inputs[2] if len(w.inputs) > 2 else None):
        return None
    match node.op_type:
        case "Conv":
            reader = sole_consumer(node.outputs[0])
            depthwise = weight.shape[1] == 1 and weight.shape[0] == node.attributes.get_int("group", 1)
            if depthwise or reader is None or not is_op(reader, "QuantizeLinear"):
                return None
        case "Gemm" if not _is_bare(node):
            return None
    codes, zero = x.inputs[0], x.inputs[2] if len(x.inputs) > 2 else None
    if codes is None or not _is_uint8(codes, zero):
        return None
    return IntegerProduct(node=node, codes=codes, zero=zero, weight=weight, scale=scale)


def _dynamic(node: ir.Node) -> IntegerProduct | None:
    inputs = [*node.inputs, None, None][:4]
    codes, weight = inputs[0], constant_array(inputs[1])
    if codes is None or weight is None or not _is_plain(weight, inputs[3]) or not _is_uint8(codes, inputs[2]):
        return None
    return IntegerProduct(node=node, codes=codes, zero=inputs[2], weight=weight, scale=np.ones((), np.float32))


def _is_uint8(codes: ir.Value, zero: ir.Value | None) -> bool:
    """Whether codes are unsigned; a bundle says so of its zero points only, and without one they are (ONNX)."""
    if codes.dtype is not None:
        return codes.dtype == ir.DataType.UINT8
    found = None if zero is None else constant_array(zero)
    return (
        is_op(codes.producer(), "DynamicQuantizeLinear")
        or zero is None
        or (found is not None and found.dtype == np.uint8)
    )


def _is_plain(weight: np.ndarray, zero: ir.Value | None) -> bool:
    """Whether weights are int8 with zero point 0, as all that edgec writes are."""
    if weight.dtype != np.int8 or weight.ndim < 2:
        return False
    found = None if zero is None else constant_array(zero)
    return zero is None or (found is not None and not found.any())


def _is_bare(gemm: ir.Node) -> bool:
    """Whether a Gemm neither scales nor transposes its left side, as none does that edgec quantizes."""
    scales = (gemm.attributes.get_float(key, 1.0) for key in ("alpha", "beta"))
    return all(scale == 1.0 for scale in scales) and gemm.attributes.get_int("transA", 0) == 0


def _dequantized(value: ir.Value | None) -> ir.Node | None:
    node = None if value is None else value.producer()
    return node if is_op(node, "DequantizeLinear") else None


def _product(rows: np.ndarray, matrix: np.ndarray, zero: int) -> Sums:
    found = sums(rows, matrix)
    share = (zero * matrix.sum(0, dtype=np.int64)).astype(np.int32)
    return Sums(exact=found.exact - share, held=found.held - share, saturated=found.saturated, pairs=found.pairs)


def _joined(parts: list[Sums], join: Callable[[list[np.ndarray]], np.ndarray]) -> Sums:
    return Sums(
        exact=join([part.exact for part in parts]),
        held=join([part.held for part in parts]),
        saturated=sum(part.saturated for part in parts),
        pairs=sum(part.pairs for part in parts),
    )
