"""How a value is asked to be quantized (`QuantSpec`), where its params come from (`Source`), and they (`QuantParams`).

Scheme names read back: `a8w8` is 8-bit activations and weights, `w8` is weights only, `d8w8` is dynamic activations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir

__all__ = [
    "Derived",
    "Fixed",
    "Given",
    "Granularity",
    "OpRule",
    "PerAxis",
    "PerBlock",
    "PerTensor",
    "QuantParams",
    "QuantSpec",
    "Shared",
    "Source",
]

INTEGER_TYPES: dict[str, tuple[int, int, ir.DataType, np.dtype]] = {
    "int4": (-8, 7, ir.DataType.INT4, np.dtype(ml_dtypes.int4)),
    "uint4": (0, 15, ir.DataType.UINT4, np.dtype(ml_dtypes.uint4)),
    "int8": (-128, 127, ir.DataType.INT8, np.dtype(np.int8)),
    "uint8": (0, 255, ir.DataType.UINT8, np.dtype(np.uint8)),
    "int16": (-32768, 32767, ir.DataType.INT16, np.dtype(np.int16)),
    "uint16": (0, 65535, ir.DataType.UINT16, np.dtype(np.uint16)),
    "int32": (-(2**31), 2**31 - 1, ir.DataType.INT32, np.dtype(np.int32)),
}


@dataclass(frozen=True, slots=True)
class PerTensor:
    """One scale for the whole tensor.

    ============== ===========
    input shape    scale shape
    ============== ===========
    (N, C, H, W)   ()
    ============== ===========
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class PerAxis:
    """One scale for each index along `axis`.

    ============== ==== ===========
    input shape    axis scale shape
    ============== ==== ===========
    (O, I, kH, kW) 0    (O,)
    (K, N)         1    (N,)
    ============== ==== ===========
    """

    axis: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PerBlock:
    """One scale for each run of `size` elements along `axis`.

    ============ ==== ==== ===========
    input shape  axis size scale shape
    ============ ==== ==== ===========
    (K, N)       0    32   (K/32, N)
    ============ ==== ==== ===========
    """

    axis: int
    size: int

    def __post_init__(self) -> None:
        if self.size < 2:
            raise ValueError(f"PerBlock(size={self.size}): a block holds at least 2 elements")


Granularity: TypeAlias = PerTensor | PerAxis | PerBlock


@dataclass(frozen=True, kw_only=True, slots=True)
class QuantSpec:
    """How a value is asked to be quantized.

    Attributes:
        dtype: Integer type stored: a key of `INTEGER_TYPES`.
        granularity: Which elements share a scale.
        symmetric: Zero point is 0 (signed types) and the range is [-max|x|, max|x|].
        reduce_range: Use one bit less, so that u8 x s8 products cannot saturate the 16-bit
            accumulator of `vpmaddubsw` on x86 without VNNI (ONNX Runtime's `reduce_range`).
        code_bits: Use so many bits of the type, fewer than it has: codes of few bits in the kernels of many. Those of
            an asymmetric range lie at the low end of the type, which saturates there; `LimitCodes` sees to the other.
    """

    dtype: str
    granularity: Granularity = PerTensor()
    symmetric: bool
    reduce_range: bool = False
    code_bits: int | None = None

    def __post_init__(self) -> None:
        if self.dtype not in INTEGER_TYPES:
            raise ValueError(f"dtype: {self.dtype!r} is not one of {', '.join(INTEGER_TYPES)}")
        if self.symmetric and self.dtype.startswith("u"):
            raise ValueError(f"symmetric: {self.dtype} has no negative half; symmetric needs a signed dtype")
        if self.code_bits is not None and (self.reduce_range or not 2 <= self.code_bits < self.bits):
            raise ValueError(
                f"code_bits: {self.code_bits} is not from 2 to {self.bits - 1} of all bits of {self.dtype}"
            )

    @property
    def qmin(self) -> int:
        """Smallest stored integer. Symmetric signed ranges drop the lowest code (ONNX Runtime does the same)."""
        low, _, _, _ = INTEGER_TYPES[self.dtype]
        if self.reduce_range:
            low //= 2
        high = self.qmax
        return -high if self.symmetric else low

    @property
    def qmax(self) -> int:
        """Largest stored integer."""
        low, high, _, _ = INTEGER_TYPES[self.dtype]
        if self.code_bits is not None:
            return (1 << self.code_bits - 1) - 1 if self.symmetric else low + (1 << self.code_bits) - 1
        return high // 2 if self.reduce_range else high

    @property
    def numpy_dtype(self) -> np.dtype:
        """The numpy dtype of the stored integers."""
        return INTEGER_TYPES[self.dtype][3]

    @property
    def onnx_dtype(self) -> ir.DataType:
        """The ONNX dtype of the stored integers."""
        return INTEGER_TYPES[self.dtype][2]

    @property
    def bits(self) -> int:
        """Width of one stored integer."""
        return int(self.dtype.lstrip("uint"))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class QuantParams:
    """What was computed for a value: real = (stored - zero_point) * scale.

    Attributes:
        spec: What was asked.
        scale: float32, shape () or (channels,) or the blocks' shape.
        zero_point: The spec's dtype, same shape as `scale`.
    """

    spec: QuantSpec
    scale: np.ndarray
    zero_point: np.ndarray


@dataclass(frozen=True, slots=True)
class Given:
    """Params are computed from what was observed (activations) or from the tensor (weights)."""

    spec: QuantSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Fixed:
    """Params are known without looking: Softmax and Sigmoid lie in [0, 1]."""

    spec: QuantSpec
    scale: float
    zero_point: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """Same params as another edge: in a rule the index of a node's input, in a decision the name of the value."""

    with_: int | str


@dataclass(frozen=True, kw_only=True, slots=True)
class Derived:
    """Params follow from those of other edges: an int32 bias has scale s_x * s_w and zero point 0."""

    from_: tuple[int, ...] | tuple[str, ...]
    fn: Callable[..., QuantParams]


Source: TypeAlias = Given | Fixed | Shared | Derived


@dataclass(frozen=True, kw_only=True, slots=True)
class OpRule:
    """How one group of operators is quantized on a target.

    Attributes:
        ops: ONNX operator types of the default domain.
        only: `depthwise` narrows Conv to group = input channels.
        role: `compute` asks for integer inputs (it carries the MACs). `follow` runs in integers
            only where its inputs already are and a consumer wants the result. `carry` moves
            elements and keeps the params of its first input.
        inputs: Spec of activation inputs; `None` keeps them float.
        weights: Spec of a constant second operand; `None` leaves the weight float.
        outputs: Where the output's params come from; `None` keeps the output float.
        output: `required` when the integer kernel exists only with a quantized output,
            `optional` when it can also write float.
        bias: An int32 bias is wanted.
        quantize_before: A `carry` node also takes over a float operand whose result is read as an integer:
            moving 8-bit elements is cheaper than moving floats.
        aligned_inputs: A Conv over more than one pixel reads a multiple of this many channels, or stays float.
        least_products: A product with a constant sums at least this many for each element it writes, or stays float.
        why: The kernel this rule aims at, with its source.
    """

    ops: tuple[str, ...]
    only: Literal["", "depthwise"] = ""
    role: Literal["compute", "follow", "carry"]
    inputs: QuantSpec | None
    weights: QuantSpec | None = None
    outputs: Source | None = None
    output: Literal["required", "optional"] = "required"
    bias: bool = False
    quantize_before: bool = False
    aligned_inputs: int = 1
    least_products: int = 1
    why: str = ""

    def __post_init__(self) -> None:
        for op in self.ops:
            if not onnx.defs.has(op):
                raise ValueError(f"ops: {op!r} is not an ONNX operator")
        if self.output == "required" and self.outputs is None:
            raise ValueError(f"ops {self.ops}: output='required' needs an `outputs` source")
