"""The student: the graph that will ship, with its weights as their blocks will hold them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from ....errors import ModelError
from ....passes.edit import constant_array, is_op
from ....passes.weight_only.nearest import nearest
from ....passes.weight_only.on_grid import on_grid
from ....passes.weight_only.storage import as_matrix, stored_values
from ..graph.module import GraphModule
from ..zeros import kept_of
from .fake_blocks import FakeBlocks
from .fake_tokens import FakeTokens

__all__ = ["Student", "student_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Student:
    """A module that learns.

    Attributes:
        module: The graph, with fake quantization on its edges.
        weights: What is on the edge of each weight that is stored in blocks, by its name.
    """

    module: GraphModule
    weights: Mapping[str, FakeBlocks]

    def groups(self, rate: float, scale_rate: float, only: Collection[str] | None = None) -> list[dict[str, Any]]:
        """Groups for an optimizer whose steps have the size of their rate: weights, and scales by their magnitude.

        Args:
            rate: Of weights.
            scale_rate: Of scales, in shares of themselves.
            only: Names of the initializers that learn; None is all.
        """
        scales = [fake.scale for name, fake in self.weights.items() if only is None or name in only]
        known = {id(fake.scale) for fake in self.weights.values()}
        if only is None:
            weights = [each for each in self.module.parameters() if id(each) not in known]
        else:
            weights = [each for name, each in self.module.parameters_in().items() if name in only]
        return [
            {"params": weights, "lr": rate},
            *({"params": [scale], "lr": scale_rate * float(scale.detach().abs().mean())} for scale in scales),
        ]

    def to_model(self) -> ir.Model:
        """The float model whose weights are what the blocks stand for: on the grid, which a compile keeps."""
        module = self.module
        made = module.to_model({name: fake.real(module.present(name)) for name, fake in self.weights.items()})
        RemoveUnusedNodesPass()(made)  # constants that passes have left behind
        return made


def student_of(model: ir.Model, *, activations: int | None, cache: int | None, origin: str) -> Student:
    """The student of a model in which `DecideStorage` noted what is stored.

    Args:
        model: Decided; not changed.
        activations: Bits of what products read, by token; None leaves it float.
        cache: Bits of keys and values, by token; None leaves them float.
        origin: Where the model comes from, for messages.

    Raises:
        ModelError: No weight is stored in blocks, or a node cannot be trained.
    """
    module = GraphModule(model, origin=origin)
    fakes = {}
    for weight, storage in stored_values(model):
        array = constant_array(weight)
        if array is None or weight.graph is not model.graph or not weight.name:
            continue
        W = as_matrix(array, storage.summed)  # noqa: N806 - the papers' letter
        grid = on_grid(W, storage.form)
        start = nearest(W, storage.form) if grid is None else grid
        fakes[weight.name] = FakeBlocks(start, storage.summed, array.shape, kept_of(W))
        module.put(weight.name, fakes[weight.name])
    if not fakes:
        raise ModelError(
            origin,
            "has no weight that is stored in blocks",
            remedy="Distil a model with larger matrices, or choose another scheme",
        )
    for node in model.graph:
        for index, bits in _tokens(node, fakes, activations, cache):
            value = node.inputs[index]
            if value is not None and value.name and node.name:
                module.put(value.name, FakeTokens(bits), (node.name, index))
    return Student(module=module, weights=fakes)


def _tokens(
    node: ir.Node, fakes: Mapping[str, FakeBlocks], activations: int | None, cache: int | None
) -> list[tuple[int, int]]:
    """Inputs of a node that are read by token in integers, with their bits."""
    found = []
    if activations is not None and is_op(node, "MatMul", "Gemm"):
        weight = node.inputs[1]
        found += [(0, activations)] if weight is not None and weight.name in fakes else []
    if cache is not None and node.domain == "com.microsoft" and node.op_type == "GroupQueryAttention":
        found += [(1, cache), (2, cache)]
    return found
