"""The constants of `MatMulNBits` in the file's form, where that is not the kernel's."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..weight_only.blocks import Blocks, kernel_bytes
from ..weight_only.nbits import Operands, for_kernel
from ..weight_only.storage import blocks_of
from .chain import Chain
from .expand import add_double_scales, add_level_codes, add_plane_codes
from .levels import Levelled
from .notes import levelled_of
from .planes import PLANES

__all__ = ["folded_operands"]

# BitwiseOr, and Split by a number of outputs, came with it.
_SINCE = 18


def folded_operands(graph: ir.Graph, weight: ir.Value, taken: set[str]) -> Operands | None:
    """Put a decided matrix into a graph, compact in the file, expanded when the model is loaded.

    1. Levels: 4 bits, the kernel's 8.
    2. 3-bit codes: 3 bits, the kernel's 4.

    Args:
        graph: The graph.
        weight: A matrix with blocks.
        taken: Names in use; those added are taken too.

    Returns:
        None where the kernel's form is the file's too.
    """
    blocks, levelled = blocks_of(weight), levelled_of(weight)
    assert blocks is not None
    chain = Chain(graph, str(weight.name), taken)
    if levelled is not None:
        return _of_levels(chain, levelled)
    if blocks.form.bits == PLANES and graph.opset_imports.get("", 1) >= _SINCE:
        return _of_planes(chain, blocks)
    return None


def _of_levels(chain: Chain, levelled: Levelled) -> Operands:
    blocks = for_kernel(levelled.blocks)
    if levelled.doubled is not None and blocks.form == levelled.blocks.form:
        scales = add_double_scales(chain, levelled.doubled, levelled.levels.per)
    else:
        scales = chain.constant("scale", blocks.scale)
    codes = add_level_codes(chain, levelled, blocks.form.size)
    return Operands(blocks=blocks, codes=codes, scales=scales, zeros=None)


def _of_planes(chain: Chain, blocks: Blocks) -> Operands:
    wide = for_kernel(blocks)
    zeros = None if wide.zero is None else kernel_bytes(wide.zero, wide.form.bits, 0)
    return Operands(
        blocks=wide,
        codes=add_plane_codes(chain, blocks, wide.form.size),
        scales=chain.constant("scale", np.ascontiguousarray(wide.scale)),
        zeros=None if zeros is None else chain.constant("zero_point", zeros),
    )
