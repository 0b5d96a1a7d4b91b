"""Choose the codes of weights that `DecideStorage` decided: a note on each, no edit.

1. `nearest`: the nearest codes under searched scales.
2. `hqq`: scales and zero points that forgive outliers; sees the weights alone, too.
3. `weighted`: the nearest, errors weighed by the mean square of the inputs. `clipped`: by all they have to do with
   each other in a block, as AWQ clips.
4. `gptq`: second order, under the Gram matrix of the inputs; columns of large ones first, under scales of the weights
   as they were. `gptq-in-order`: as they lie, under scales of what earlier columns left.
5. `adaround`: learned; slow.

Whatever the method, a weight that lies on a grid of its form keeps it: what training under fake quantization left. It
loses nothing, and is remarked on where more than the nearest was asked for.

A weight that several nodes read is rounded once, under the sum of their Gram matrices, which are those of the float
inputs (`RoundInTurn` sees what earlier layers really give). Rounded to the nearest, with the reason: weights whose
inputs cannot be observed, are not finite, or have more than `max_columns` columns. Tables of embeddings have no inputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import constant_array, remark
from ..observe.statistics import Need
from ..outside import outside
from .blocks import Blocks
from .grams import gram_of, grams_needed
from .kept_blocks import found_or_made
from .methods import METHODS, SECOND_ORDER, blocks_by
from .on_grid import on_grid
from .storage import Storage, as_matrix, blocks_of, set_blocks, stored_values

__all__ = ["MAX_COLUMNS", "RoundBlocks", "round_weight"]

# H of 16384 columns has 2 GB.
MAX_COLUMNS = 16384


@dataclass(frozen=True, kw_only=True)
class RoundBlocks(Pass):
    """Make the blocks of every decided weight that has none yet.

    Attributes:
        method: `nearest`, `hqq`, `weighted`, `clipped`, `gptq`, `gptq-in-order` or `adaround`.
        max_columns: Matrices with more columns than this are rounded to the nearest.
    """

    method: str = "nearest"
    max_columns: int = MAX_COLUMNS

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method: {self.method!r} is not one of {', '.join(METHODS)}")

    def needs(self, model: ir.Model) -> Sequence[Need]:
        if self.method not in SECOND_ORDER:
            return ()
        missing = [
            (weight, storage)
            for weight, storage in stored_values(model)
            if blocks_of(weight) is None and matrix_shape(weight, storage)[1] <= self.max_columns
        ]
        return tuple(dict.fromkeys(need for weight, _ in missing for need in grams_needed(model, weight)))

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        waiting = [(weight, storage) for weight, storage in stored_values(model) if blocks_of(weight) is None]
        sizes = [math.prod(matrix_shape(weight, storage)) for weight, storage in waiting]
        with outside().stage("round", sum(sizes)) as advance:
            for (weight, storage), size in zip(waiting, sizes, strict=True):
                round_weight(model, weight, storage, self.method, self.max_columns)
                advance(size)
        return ir.passes.PassResult(model, modified=bool(waiting))


def round_weight(model: ir.Model, weight: ir.Value, storage: Storage, method: str, max_columns: int) -> Blocks:
    """Make and note the blocks of one weight, under what was observed of its inputs."""
    array = constant_array(weight)
    assert array is not None
    W, H = as_matrix(array, storage.summed), None
    settled = on_grid(W, storage.form)
    if settled is not None:
        if method != "nearest":
            for node, _ in weight.uses():
                remark(node, f"its weight lies on a grid of its form already and is kept, not rounded by {method}")
        set_blocks(weight, settled)
        return settled
    if method in SECOND_ORDER:
        found = gram_of(model, weight, W.shape[1]) if W.shape[1] <= max_columns else _too_many(W, max_columns)
        if isinstance(found, str):
            for node, _ in weight.uses():
                remark(node, f"{found}: its weight is rounded to the nearest")
        else:
            H = found
    blocks = found_or_made(method, W, H, storage.form, lambda: blocks_by(method, W, H, storage.form))
    set_blocks(weight, blocks)
    return blocks


def matrix_shape(weight: ir.Value, storage: Storage) -> tuple[int, int]:
    """(N, K) of a weight as it is stored."""
    assert weight.const_value is not None
    shape = weight.const_value.shape.numpy()
    columns = int(np.prod([shape[axis] for axis in storage.summed], dtype=np.int64))
    return int(np.prod(shape, dtype=np.int64)) // max(columns, 1), columns


def _too_many(W: np.ndarray, most: int) -> str:
    return f"multiplies {W.shape[1]} columns, more than {most}"
