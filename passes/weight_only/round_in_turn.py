"""Choose the codes of weights layer after layer, each under what the layers before it really give ("true-sequential").

GPTQ, Frantar et al. 2022, arXiv 2210.17323, section 4. One call rounds the weights that multiply one value (queries,
keys and values together), and puts what their codes stand for in their place; the driver measures the next value in the
model as it is then, and calls again. What comes behind writes the codes.

Behind `DecideStorage`, in front of `RoundBlocks`, which rounds what nothing is multiplied with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..observe.statistics import Need, forget_observations
from ..outside import outside
from .grams import grams_needed, is_observed
from .methods import METHODS, SECOND_ORDER
from .round_blocks import MAX_COLUMNS, matrix_shape, round_weight
from .storage import Storage, blocks_of, from_matrix, storage_of, stored_values

__all__ = ["RoundInTurn"]


@dataclass(frozen=True, kw_only=True)
class RoundInTurn(Pass):
    """Round decided weights in the order they are met, under the inputs that rounded ones give.

    Attributes:
        method: One that goes by Gram matrices: `gptq`, `gptq-in-order`, `weighted`, `clipped`, `adaround`.
        max_columns: Matrices with more columns than this are left to what comes behind.
    """

    method: str = "gptq"
    max_columns: int = MAX_COLUMNS

    def __post_init__(self) -> None:
        if self.method not in SECOND_ORDER:
            raise ValueError(
                f"method: {self.method!r} is not one of {', '.join(m for m in METHODS if m in SECOND_ORDER)}"
            )

    @property
    def in_turn(self) -> bool:
        return True

    @property
    def invalidates(self) -> bool:
        return True

    def needs(self, model: ir.Model) -> Sequence[Need]:
        return tuple(dict.fromkeys(need for weight, _ in self._next(model) for need in grams_needed(model, weight)))

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        together = self._next(model)
        if not all(is_observed(model, weight) for weight, _ in together):
            return ir.passes.PassResult(model, modified=False)
        for weight, storage in together:
            blocks = round_weight(model, weight, storage, self.method, self.max_columns)
            assert weight.const_value is not None
            real = from_matrix(blocks.real, weight.const_value.shape.numpy(), storage.summed)
            keeper, name = outside().keeper, str(weight.name)
            weight.const_value = ir.Tensor(real, name=name) if keeper is None else keeper.put(real).tensor(name)
        if together:
            for node in model.graph:
                for value in node.outputs:
                    forget_observations(value)
        return ir.passes.PassResult(model, modified=bool(together))

    def _next(self, model: ir.Model) -> list[tuple[ir.Value, Storage]]:
        """The weights not rounded yet that multiply what the first of them does."""
        decided = {weight for weight, storage in stored_values(model) if self._waits(weight, storage)}
        wanted: list[Need] | None = None
        found: list[tuple[ir.Value, Storage]] = []
        for node in model.graph:
            for weight in node.inputs:
                if weight is None or weight not in decided:
                    continue
                needs = list(grams_needed(model, weight))
                if needs and (wanted is None or needs == wanted):
                    storage = storage_of(weight)
                    assert storage is not None
                    wanted = needs
                    found.append((weight, storage))
                    decided.discard(weight)
        return found

    def _waits(self, weight: ir.Value, storage: Storage) -> bool:
        return blocks_of(weight) is None and matrix_shape(weight, storage)[1] <= self.max_columns
