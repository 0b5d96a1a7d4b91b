"""The types of GGUF that hold quantized weights: their layout, and the codes of ONNX Runtime's kernel they become.

MatMulNBits multiplies by 4- and 8-bit codes fast in any block, by 2-bit ones in blocks of 32, 64 and 128 (ONNX Runtime
1.31.1): integers that need other widths take the next one that has a kernel, and the scale of 256 ternary elements is
written twice. Neither changes a weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from . import unpack_iq, unpack_k, unpack_simple, unpack_ternary
from .integers import Integers

__all__ = ["FLOATS", "KINDS", "Kind"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Kind:
    """A quantized type.

    Attributes:
        name: As GGUF calls it.
        elements: Of a block.
        nbytes: Of a block.
        size: Elements that share a scale in the kernel.
        unpack: Blocks as bytes, uint8 (M, nbytes), to integers (M, elements).
        bits: Of the kernel's codes.
        zero: Code of 0; None where every run of elements has a minimum, and a zero point of its own.
        levels: The integers there are, int16, ascending; None where a codebook makes them.
        signed: The rows of its codebook have signs.
    """

    name: str
    elements: int
    nbytes: int
    size: int
    unpack: Callable[[np.ndarray], Integers]
    bits: int
    zero: int | None
    levels: np.ndarray | None = None
    signed: bool = False


def _kind(
    layout: tuple[str, int, int, int],
    unpack: Callable[[np.ndarray], Integers],
    kernel: tuple[int, int | None],
    levels: range | np.ndarray | None = None,
    *,
    signed: bool = False,
) -> Kind:
    name, elements, nbytes, size = layout
    bits, zero = kernel
    return Kind(
        name=name,
        elements=elements,
        nbytes=nbytes,
        size=size,
        unpack=unpack,
        bits=bits,
        zero=zero,
        levels=None if levels is None else np.asarray(levels, np.int16),
        signed=signed,
    )


# Name, elements and bytes of a block, elements that share a scale; the kernel's bits and its code of 0.
KINDS = {
    kind.name: kind
    for kind in (
        _kind(("Q1_0", 128, 18, 128), unpack_simple.q1_0, (2, 1), np.array([-1, 1])),
        _kind(("Q4_0", 32, 18, 32), unpack_simple.q4_0, (4, 8), range(-8, 8)),
        _kind(("Q4_1", 32, 20, 32), unpack_simple.q4_1, (4, None), range(16)),
        _kind(("Q5_0", 32, 22, 32), unpack_simple.q5_0, (8, 128), range(-16, 16)),
        _kind(("Q5_1", 32, 24, 32), unpack_simple.q5_1, (8, None), range(32)),
        _kind(("Q8_0", 32, 34, 32), unpack_simple.q8_0, (8, 128), range(-128, 128)),
        _kind(("Q2_K", 256, 84, 16), unpack_k.q2_k, (4, None), range(4)),
        _kind(("Q3_K", 256, 110, 16), unpack_k.q3_k, (4, 8), range(-4, 4)),
        _kind(("Q4_K", 256, 144, 32), unpack_k.q4_k, (4, None), range(16)),
        _kind(("Q5_K", 256, 176, 32), unpack_k.q5_k, (8, None), range(32)),
        _kind(("Q6_K", 256, 210, 16), unpack_k.q6_k, (8, 128), range(-32, 32)),
        _kind(("IQ1_S", 256, 50, 32), unpack_iq.iq1_s, (8, 128)),
        _kind(("IQ1_M", 256, 56, 16), unpack_iq.iq1_m, (8, 128)),
        _kind(("IQ2_XXS", 256, 66, 32), unpack_iq.iq2_xxs, (8, 128), signed=True),
        _kind(("IQ2_XS", 256, 74, 16), unpack_iq.iq2_xs, (8, 128), signed=True),
        _kind(("IQ2_S", 256, 82, 16), unpack_iq.iq2_s, (8, 128), signed=True),
        _kind(("IQ3_XXS", 256, 98, 32), unpack_iq.iq3_xxs, (8, 128), signed=True),
        _kind(("IQ3_S", 256, 110, 32), unpack_iq.iq3_s, (8, 128), signed=True),
        _kind(("IQ4_NL", 32, 18, 32), unpack_simple.iq4_nl, (8, 128), unpack_simple.IQ4_VALUES),
        _kind(("IQ4_XS", 256, 136, 32), unpack_simple.iq4_xs, (8, 128), unpack_simple.IQ4_VALUES),
        _kind(("MXFP4", 32, 17, 32), unpack_simple.mxfp4, (8, 128), np.unique(unpack_simple.E2M1_VALUES)),
        _kind(("NVFP4", 64, 36, 16), unpack_simple.nvfp4, (8, 128), np.unique(unpack_simple.E2M1_VALUES)),
        _kind(("TQ1_0", 256, 54, 128), unpack_ternary.tq1_0, (2, 1), range(-1, 3)),
        _kind(("TQ2_0", 256, 66, 128), unpack_ternary.tq2_0, (2, 1), range(-1, 3)),
    )
}
# Types of plain numbers.
FLOATS = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype(ml_dtypes.bfloat16)}
