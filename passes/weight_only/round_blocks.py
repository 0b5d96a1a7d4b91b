"""Choose the codes of weights that `DecideStorage` decided: a note on each, no edit.

1. `nearest`: the nearest code under searched scales; with `weighted`, errors weigh by the mean square of the inputs.
2. `hqq`: scales and zero points that forgive outliers; sees the weights alone.

A weight that several nodes read is rounded once, under the sum of their Gram matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import constant_array
from .nearest import nearest
from .storage import as_matrix, blocks_of, set_blocks, stored_values

__all__ = ["RoundBlocks"]


@dataclass(frozen=True, kw_only=True)
class RoundBlocks(Pass):
    """Make the blocks of every decided weight that has none yet."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for weight, storage in stored_values(model):
            if blocks_of(weight) is not None:
                continue
            array = constant_array(weight)
            assert array is not None
            set_blocks(weight, nearest(as_matrix(array, storage.summed), storage.form))
            modified = True
        return ir.passes.PassResult(model, modified=modified)
