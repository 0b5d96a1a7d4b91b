"""Give every decided matrix as many bits as it needs, so that all together have `bpw` bits for a weight.

What a matrix loses with some bits is tr((W - Ŵ) H (W - Ŵ)ᵀ) / tr(W H Wᵀ)^¾, Ŵ the nearest codes, H the Gram matrix of
its inputs: between the noise itself, which counts layers of large outputs alone, and its share, which counts all alike.
Perplexity of stories260k by GPTQ in blocks of 32, 4.2 and 4.5 bits for a weight, on 12 rows of its calibration split
that nothing was observed on (float 4.87): the noise 8.17, 10.91; power ¼ 7.71, 6.38; ½ 7.26, 5.86; ⅝ 7.00, 6.00;
¾ 7.03, 6.12; ⅞ 7.99, 6.35; its share 8.04, 7.23. From ½ to ¾ they are as good as one another, and on evaluation rows ¾
is the best of ½, ¾ and both ends (6.43, 5.66); all-MiniLM-L6-v2 at 4.2 bits, held-out sentences: the noise -4.5 dB,
from ½ on -5.4. Bits count scales and zero points, as the file has them.

1. Matrices of MatMul and Gemm, filters, recurrent weights; what nothing is multiplied with (tables) keeps its bits,
   which count, too.
2. Weights of a role that was kept in a form of its own keep it; they count where that is one of codes.

Behind `DecideStorage`, in front of what rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import constant_array
from ..observe.statistics import Need
from .allocate import allocate
from .blocks import BlockForm
from .grams import gram_of, grams_needed, is_observed
from .nearest import nearest
from .round_blocks import MAX_COLUMNS, matrix_shape
from .storage import Storage, as_matrix, blocks_of, is_fixed, set_storage, stored_values

__all__ = ["MixBits"]

_CHOICES = (2, 3, 4, 8)
_MIXED = "edgec.mixed"
_BESIDE = 0.75


@dataclass(frozen=True, kw_only=True)
class MixBits(Pass):
    """Change the bits of decided matrices within a budget.

    Attributes:
        bpw: Bits for a weight, at most, on average.
        choices: Bits a matrix may have.
        max_columns: Matrices with more columns than this keep their bits.
    """

    bpw: float
    choices: tuple[int, ...] = _CHOICES
    max_columns: int = MAX_COLUMNS

    def needs(self, model: ir.Model) -> Sequence[Need]:
        found = [need for weight, _ in self._mixed(model) for need in grams_needed(model, weight)]
        return tuple(dict.fromkeys(found))

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        mixed = [(weight, storage) for weight, storage in self._mixed(model) if is_observed(model, weight)]
        losses, costs, kept = [], [], []
        for weight, storage in mixed:
            array = constant_array(weight)
            assert array is not None
            W = as_matrix(array, storage.summed)
            H = gram_of(model, weight, W.shape[1])
            if isinstance(H, np.ndarray):
                losses.append([_lost(W, H, replace(storage.form, bits=bits)) for bits in self.choices])
                costs.append([_bits(W.shape, replace(storage.form, bits=bits)) for bits in self.choices])
                kept.append((weight, storage))
        if not kept:
            return ir.passes.PassResult(model, modified=False)
        every = [(matrix_shape(weight, storage), storage.form) for weight, storage in stored_values(model)]
        budget = self.bpw * sum(rows * columns for (rows, columns), _ in every)
        own = {id(weight) for weight, _ in kept}
        budget -= sum(
            _bits(matrix_shape(weight, storage), storage.form)
            for weight, storage in stored_values(model)
            if id(weight) not in own
        )
        chosen = allocate(np.array(losses), np.array(costs), budget)
        modified = False
        for (weight, storage), choice in zip(kept, chosen, strict=True):
            form = replace(storage.form, bits=self.choices[choice])
            weight.meta[_MIXED] = True
            modified = modified or form != storage.form
            set_storage(weight, replace(storage, form=form))
        return ir.passes.PassResult(model, modified=modified)

    def _mixed(self, model: ir.Model) -> list[tuple[ir.Value, Storage]]:
        """The weights whose bits are open."""
        return [
            (weight, storage)
            for weight, storage in stored_values(model)
            if blocks_of(weight) is None
            and _MIXED not in weight.meta
            and not is_fixed(weight)
            and matrix_shape(weight, storage)[1] <= self.max_columns
            and any(True for _ in grams_needed(model, weight))
        ]


def _lost(W: np.ndarray, H: np.ndarray, form: BlockForm) -> float:
    """What the nearest codes lose of a matrix's output, set beside it."""
    lost = given = 0.0
    for w, h in zip(np.split(W, len(H)), H, strict=True):
        D = nearest(w, form, np.maximum(np.diagonal(h), 0)).real.astype(np.float64) - w
        lost += float(((D @ h) * D).sum())
        given += float(((w @ h) * w).sum())
    return lost / given**_BESIDE if given > 0 else 0.0


def _bits(shape: tuple[int, int], form: BlockForm) -> float:
    """Bits of a matrix in the file, scales and zero points included."""
    rows, columns = shape
    each = 32 + (0 if form.symmetric else form.bits)
    return float(rows * columns * form.bits + rows * form.blocks_of(columns) * each)
