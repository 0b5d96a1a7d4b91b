"""Choose the integers of weights by what their layer's output loses, instead of rounding each to the nearest.

Placed between `ComputeParams` and `InsertQdq`: scales are given, only codes are chosen. The loss of a layer,
tr((Ŵ - W) H (Ŵ - W)ᵀ), needs the Gram matrix H of what its weight is multiplied with; H is taken of the float
inputs. No row of a weight comes out worse under H than rounded to the nearest.

1. Conv (any group, any number of axes), Gemm and MatMul with a constant matrix.
2. A weight that several nodes read with the same params is rounded once, under the sum of their Gram matrices.

Rounded to the nearest, with the reason: readers that multiply a shared weight in different forms, weights with more
than `max_columns` columns (H has columns² elements), inputs that are not finite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import constant_array, skip
from ..observe.statistics import Gram, Need, Products, observation_of
from ..quantize.decision import Decision, Rounded, decided_nodes, rounded_of, set_rounded
from ..quantize.params import expand
from ..quantize.weight_params import weight_params
from ..spec import QuantParams, QuantSpec
from .adaround import adaround
from .gptq import gptq
from .grid import Grid
from .inputs import from_matrix, products_of, to_matrix

__all__ = ["RoundWeights"]


_Method: TypeAlias = Callable[[np.ndarray, np.ndarray, Grid], np.ndarray]
_METHODS: dict[str, _Method] = {"gptq": gptq, "adaround": adaround}


@dataclass(frozen=True, kw_only=True)
class RoundWeights(Pass):
    """Write the integers of weights on the nodes that read them; no edit.

    Attributes:
        method: `gptq`, column after column, or `adaround`, learned: slower and closer.
        max_columns: Weights with more columns than this are rounded to the nearest.
    """

    method: str = "gptq"
    max_columns: int = 8192

    def __post_init__(self) -> None:
        if self.method not in _METHODS:
            raise ValueError(f"method: {self.method!r} is not one of {', '.join(_METHODS)}")

    def needs(self, model: ir.Model) -> Sequence[Need]:
        found = []
        for node, decision in decided_nodes(model.graph):
            form = self._form(node, decision)
            if rounded_of(node) is None and isinstance(form, Products):
                found.append(_need(node, form))
        return found

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        shared: dict[tuple[ir.Value | None, QuantSpec, bytes], _Weight] = {}
        for node, decision in decided_nodes(model.graph):
            form = self._form(node, decision)
            if form is None or decision.weight is None or rounded_of(node) is not None:
                continue
            params = weight_params(node, decision)
            value = node.inputs[decision.weight[0]]
            key = (value, params.spec, params.scale.tobytes())
            shared.setdefault(key, _Weight(value=value, params=params)).readers.append((node, form))
        modified = False
        for weight in shared.values():
            rounded = self._round(weight)
            for node, _ in weight.readers:
                if isinstance(rounded, str):
                    skip(node, rounded)
                else:
                    set_rounded(node, rounded)
                    modified = True
        return ir.passes.PassResult(model, modified=modified)

    def _form(self, node: ir.Node, decision: Decision) -> Products | str | None:
        """What to observe for a node, why its weight is rounded to the nearest, or None: it has no such weight."""
        form = products_of(node, decision)
        if not isinstance(form, Products):
            return form
        array = constant_array(node.inputs[1])
        assert array is not None
        columns = to_matrix(node, array).shape[-1]
        if columns > self.max_columns:
            return f"multiplies {columns} columns, more than {self.max_columns}: its weight is rounded to the nearest"
        return form

    def _round(self, weight: _Weight) -> Rounded | str:
        """The integers for one weight, or why they are the nearest ones."""
        array = constant_array(weight.value)
        assert array is not None
        seen = [(str(node.name), node, form) for node, form in weight.readers]
        for name, _, form in seen:
            if isinstance(form, str):
                return form if len(seen) == 1 else f"shares its weight with {name!r}, which {form}"
        matrices = [to_matrix(node, array) for node, _ in weight.readers]
        if len({(matrix.shape, matrix.strides) for matrix in matrices}) > 1:
            return "shares its weight with a node that multiplies it in another form"
        grams = [observation_of(_input(node), form) for node, form in weight.readers if isinstance(form, Products)]
        assert all(isinstance(gram, Gram) for gram in grams), f"{weight.value} was not observed"
        H = np.sum([gram.matrix for gram in grams if isinstance(gram, Gram)], axis=0)
        if not np.isfinite(H).all():
            return "reads values that are not finite: its weight is rounded to the nearest"
        node, params = weight.readers[0][0], weight.params
        scale, zero = (to_matrix(node, np.broadcast_to(each, array.shape)) for each in expand(params, array))
        grid = Grid(scale=scale, zero=zero, low=params.spec.qmin, high=params.spec.qmax)
        codes = _METHODS[self.method](matrices[0], H, grid)
        return Rounded(params=params, codes=from_matrix(node, codes, array.shape).astype(params.spec.numpy_dtype))


@dataclass(kw_only=True, slots=True)
class _Weight:
    """A constant and the nodes that store it with the same params."""

    value: ir.Value | None
    params: QuantParams
    readers: list[tuple[ir.Node, Products | str]] = field(default_factory=list)


def _input(node: ir.Node) -> ir.Value:
    value = node.inputs[0]
    assert value is not None
    return value


def _need(node: ir.Node, statistic: Products) -> Need:
    return Need(value=str(_input(node).name), statistic=statistic)
