"""What a u8 x s8 kernel makes of its accumulators: codes of the next scale, or real numbers.

    codes:  clamp(round((acc + b) · s_x s_w / s_y)) + z_y        round half to even, in float32
    real:   (acc + b) · s_x s_w

As ONNX Runtime computes them (qlinearconv.cc, MLAS requantize.cpp and ConvertFloatToInteger of ConvSymKernelAvx2.asm):
bias and accumulator are added in 32 bits, the three scales are one float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..edit import constant_array, is_op, sole_consumer
from .integer_products import IntegerProduct

__all__ = ["Result", "result_of"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Result:
    """How a product ends.

    Attributes:
        value: The value its kernel writes.
        nodes: The nodes it stands for: itself, and the QuantizeLinear behind it where it writes codes.
        scale: s_x s_w / s_y or s_x s_w, float32, shaped against the result; None leaves the 32-bit sums.
        bias: In 32 bits, shaped against the result.
        zero: z_y; None for real numbers.
    """

    value: ir.Value
    nodes: tuple[ir.Node, ...]
    scale: np.ndarray | None
    bias: np.ndarray
    zero: int | None

    def of(self, accumulators: np.ndarray) -> np.ndarray:
        """What the kernel writes, uint8, float32 or int32.

        Args:
            accumulators: int32, the zero point's share taken off.
        """
        if self.scale is None:
            return accumulators
        real = (accumulators + self.bias).astype(np.float32) * self.scale
        if self.zero is None:
            return np.asarray(real, np.float32)
        return np.asarray(np.rint(np.clip(real, -self.zero, 255 - self.zero)) + self.zero).astype(np.uint8)


def result_of(product: IntegerProduct) -> Result | None:
    """How a product ends; None where its scales are not constant.

    Args:
        product: One of a quantized graph.
    """
    node = product.node
    if is_op(node, "MatMulInteger"):
        none = np.zeros((), np.int32)
        return Result(value=node.outputs[0], nodes=(node,), scale=None, bias=none, zero=None)
    read = node.inputs[0].producer() if node.inputs[0] is not None else None
    step = None if read is None else constant_array(read.inputs[1])
    if step is None or (product.zero is not None and constant_array(product.zero) is None):
        return None
    scale = np.float32(step.reshape(())) * product.scale.astype(np.float32).squeeze()
    bias = _bias(node, scale)
    if bias is None:
        return None
    after = sole_consumer(node.outputs[0])
    if after is None or not is_op(after, "QuantizeLinear"):
        real = product.by_channel(np.asarray(scale))
        return Result(value=node.outputs[0], nodes=(node,), scale=real, bias=product.by_channel(bias), zero=None)
    target = constant_array(after.inputs[1])
    zero = constant_array(after.inputs[2]) if len(after.inputs) > 2 else np.zeros((), np.uint8)
    if target is None or target.size != 1 or zero is None or zero.dtype != np.uint8:
        return None
    return Result(
        value=after.outputs[0],
        nodes=(node, after),
        scale=product.by_channel(np.asarray(scale / np.float32(target.reshape(())))),
        bias=product.by_channel(bias),
        zero=int(zero.reshape(())),
    )


def _bias(node: ir.Node, scale: np.ndarray) -> np.ndarray | None:
    """The bias in 32 bits; 0 without one, None when it is not constant."""
    value = node.inputs[2] if len(node.inputs) > 2 else None
    if value is None:
        return np.zeros((), np.int32)
    producer = value.producer()
    if producer is not None and is_op(producer, "DequantizeLinear"):
        codes = constant_array(producer.inputs[0])
        return None if codes is None else codes.reshape(-1).astype(np.int32)
    real = constant_array(value)
    return None if real is None else np.rint(real.reshape(-1) / scale).astype(np.int32)
