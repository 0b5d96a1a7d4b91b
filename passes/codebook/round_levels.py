"""Give every decided weight the nearest of sixteen levels: NF4 or FP4, a note on each, no edit.

The file holds four bits a weight; the kernel of 8-bit blocks multiplies them, expanded when the model is loaded. As
QLoRA has it, a block's scale is its largest magnitude: there is nothing to search.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import onnx_ir as ir

from ..base import Pass
from ..edit import constant_array
from ..weight_only.storage import as_matrix, blocks_of, set_blocks, stored_values
from .double_scales import double_scales
from .levels import FP4, NF4, nearest_levels
from .notes import set_levelled

__all__ = ["RoundLevels"]

_LEVELS = {"nf4": NF4, "fp4": FP4}


@dataclass(frozen=True, kw_only=True)
class RoundLevels(Pass):
    """Make the blocks of every decided weight that has none yet, by levels.

    Attributes:
        levels: `nf4` or `fp4`.
        double_scales: Scales are stored in eight bits.
    """

    levels: str = "nf4"
    double_scales: bool = False

    def __post_init__(self) -> None:
        if self.levels not in _LEVELS:
            raise ValueError(f"levels: {self.levels!r} is not one of {', '.join(_LEVELS)}")

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for weight, storage in stored_values(model):
            if blocks_of(weight) is not None:
                continue
            array = constant_array(weight)
            assert array is not None
            matrix = as_matrix(array, storage.summed)
            levelled = nearest_levels(matrix, _LEVELS[self.levels], storage.form.size or matrix.shape[1])
            if self.double_scales:
                doubled = double_scales(levelled.absmax)
                levelled = replace(levelled, absmax=doubled.real, doubled=doubled)
            set_levelled(weight, levelled)
            set_blocks(weight, levelled.blocks)
            modified = True
        return ir.passes.PassResult(model, modified=modified)
