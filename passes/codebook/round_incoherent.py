"""Round decided matrices to 2 bits a weight behind a change of their inputs: a note on each, no edit.

The constant on the right of MatMul, the matrix of Gemm; under the Gram matrix of the inputs, which is that of all of a
weight's readers. Handed back, for other passes to decide, with the reason: weights that something else reads too, whose
inputs cannot be observed, that have more than `max_columns` columns, or a number of them that makes no points or no
small factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import constant_array, is_op, remark
from ..observe.statistics import Need
from ..weight_only.grams import gram_of, grams_needed
from ..weight_only.storage import Storage, as_matrix, forget_storage, stored_values
from .incoherent import KINDS, incoherent, why_not_incoherent
from .notes import incoherent_of, set_incoherent

__all__ = ["RoundIncoherent", "unfit"]


@dataclass(frozen=True, kw_only=True)
class RoundIncoherent(Pass):
    """Make the codes of every decided matrix, behind a random orthogonal change.

    Attributes:
        kind: `e8`, points of the E8 lattice, or `midrise`, four levels.
        outputs: Outputs are changed, too.
        seed: Of the changes.
        max_columns: Matrices with more columns than this are handed back.
    """

    kind: str = "e8"
    outputs: bool = False
    seed: int = 0
    max_columns: int = 8192

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind: {self.kind!r} is not one of {', '.join(KINDS)}")

    def needs(self, model: ir.Model) -> Sequence[Need]:
        missing = [
            weight
            for weight, storage in stored_values(model)
            if incoherent_of(weight) is None and self._why_not(weight, storage) is None
        ]
        return tuple(dict.fromkeys(need for weight in missing for need in grams_needed(model, weight)))

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for weight, storage in stored_values(model):
            if incoherent_of(weight) is None:
                self._round(model, weight, storage)
                modified = True
        return ir.passes.PassResult(model, modified=modified)

    def _round(self, model: ir.Model, weight: ir.Value, storage: Storage) -> None:
        reason, H = self._why_not(weight, storage), None
        if reason is None:
            found = gram_of(model, weight, _shape(weight, storage)[1])
            reason, H = (found, None) if isinstance(found, str) else (None, found)
        if reason is not None:
            forget_storage(weight)
            for node, _ in weight.uses():
                remark(node, f"{reason}: its weight is stored in another form")
            return
        array = constant_array(weight)
        assert array is not None
        W = as_matrix(array, storage.summed)
        gram = None if H is None else H[0]
        set_incoherent(weight, incoherent(W, gram, self.kind, outputs=self.outputs, seed=self.seed))

    def _why_not(self, weight: ir.Value, storage: Storage) -> str | None:
        for node, index in weight.uses():
            if index != 1 or not is_op(node, "MatMul", "Gemm") or node.inputs[0] is weight:
                return f"shares its weight with {node.name!r}, which multiplies nothing with it"
            if (why := unfit(node, storage)) is not None:
                return why
        shape = _shape(weight, storage)
        if shape[1] > self.max_columns:
            return f"multiplies {shape[1]} columns, more than {self.max_columns}"
        return why_not_incoherent(shape, self.kind)


def unfit(node: ir.Node, storage: Storage) -> str | None:
    """Why a product has another form than x Wᵀ, or None."""
    x, get = node.inputs[0], node.attributes
    if x is None or x.shape is None or len(x.shape) < 2:
        return "multiplies a value of one axis or of unknown rank"
    turned = node.op_type == "Gemm" and get.get_int("transB", 0) == 1
    if storage.summed != (1 if turned else 0,):
        return "multiplies its weight along another axis than it is stored"
    if node.op_type == "Gemm" and (
        get.get_int("transA", 0) != 0 or get.get_float("alpha", 1.0) != 1.0 or get.get_float("beta", 1.0) != 1.0
    ):
        return "is scaled or transposed"
    return None


def _shape(weight: ir.Value, storage: Storage) -> tuple[int, int]:
    """(N, K) of a matrix."""
    assert weight.const_value is not None
    shape = weight.const_value.shape.numpy()
    columns = int(np.prod([shape[axis] for axis in storage.summed]))
    return int(np.prod(shape)) // columns, columns
