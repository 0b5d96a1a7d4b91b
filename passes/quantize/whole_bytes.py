"""Values that are bytes times one number plus another: their codes are the bytes themselves.

x = byte * s + b with a whole z = -b / s in 0..255 is what DequantizeLinear(byte, s, z) gives. Such a value needs no
observation and no rounding: scale and zero point are known, and its integer readers read the bytes as they came. An
image with its preprocessing in front of the model is one (Cast, Mul, Add).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..edit import constant_scalar, is_op
from ..spec import Fixed, QuantParams, QuantSpec

__all__ = ["Bytes", "bytes_behind"]

# Of a byte: what is less is the rounding of s and b to float32.
_WHOLE = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class Bytes:
    """A value that is bytes.

    Attributes:
        stored: The bytes, uint8.
        scale: Of one step.
        zero_point: The byte that stands for 0.
    """

    stored: ir.Value
    scale: float
    zero_point: int

    def fixed(self, spec: QuantSpec) -> Fixed | None:
        """The params the value has in codes of another 8-bit type; None where that type cannot hold every byte."""
        if spec.bits != 8 or spec.symmetric or spec.reduce_range or spec.code_bits:
            return None
        shift = 0 if spec.dtype == "uint8" else -128
        return Fixed(spec=spec, scale=self.scale, zero_point=self.zero_point + shift)

    def are_codes(self, params: QuantParams) -> bool:
        """Whether the bytes are the value's codes under these params."""
        same = params.scale.ndim == 0 and np.float32(self.scale) == params.scale
        return params.spec.dtype == "uint8" and bool(same) and int(params.zero_point) == self.zero_point


def bytes_behind(value: ir.Value) -> Bytes | None:
    """The bytes that a value is made of by Cast, Mul and Add with single numbers; None for all others."""
    shift, value = _with_number("Add", value, 0.0)
    scale, value = _with_number("Mul", value, 1.0)
    cast = value.producer()
    if cast is None or not is_op(cast, "Cast") or cast.inputs[0] is None or scale <= 0:
        return None
    stored = cast.inputs[0]
    if stored.dtype != ir.DataType.UINT8 or value.dtype != ir.DataType.FLOAT:
        return None
    zero = -shift / scale
    whole = round(zero)
    if not 0 <= whole <= 255 or abs(zero - whole) > _WHOLE:
        return None
    return Bytes(stored=stored, scale=scale, zero_point=whole)


def _with_number(op: str, value: ir.Value, nothing: float) -> tuple[float, ir.Value]:
    """The number an Add or Mul puts to a value, and the value; `nothing` and the value itself where it does not."""
    node = value.producer()
    if node is None or not is_op(node, op):
        return nothing, value
    for one, other in (node.inputs, reversed(node.inputs)):
        number = constant_scalar(other)
        if number is not None and one is not None:
            return number, one
    return nothing, value
