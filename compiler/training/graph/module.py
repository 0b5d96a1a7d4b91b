"""The module of a graph: it computes exactly what the graph does, and can be trained.

Every node is computed by the function that `ops` has of its operator, in the order of the graph. Float initializers
are parameters under their own names, so that a state dict speaks the language of the source; what the graph reads as a
setting (statistics of norms, bounds, exponents, tables, single numbers) is a buffer. Norms use the statistics they
have: `train()` and `eval()` compute the same, but for modules that are put on edges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from torch import nn

from ....errors import ModelError, SamplesError
from ....passes.quantize.learned_params import forget_learned
from .edges import Edges
from .frame import Frame
from .linear import Linear
from .names import paths_of
from .ops import OPERATORS, REFUSALS
from .source import Source
from .steps import Step, needed, steps_of
from .tensors import from_torch, to_torch
from .weights import Product, constants_of, is_weight, products_of

__all__ = ["GraphModule"]


class GraphModule(nn.Module):
    """A graph that can be trained. Made by `as_module`.

    Attributes:
        edges: Modules that values go through: see `put`.
        input_names: Of the graph, in order.
        output_names: Of the graph, in order.
        starts: Inputs that may be left out, and what a row of the batch reads then: caches, empty.
    """

    def __init__(self, model: ir.Model, *, origin: str = "<onnx_ir.Model>") -> None:
        super().__init__()
        self.edges = Edges()
        self.starts: dict[str, torch.Tensor] = {}
        self._source = Source(model)
        graph = self._source.model.graph
        self._origin = origin
        self.input_names = tuple(str(value.name) for value in graph.inputs)
        self.output_names = tuple(str(value.name) for value in graph.outputs)
        products = products_of(graph)
        linears = {node: product.weight for product in products for node in product.nodes}
        self._steps = steps_of(graph, model.opset_imports, OPERATORS, REFUSALS, linears, origin)
        self._values = frozenset(name for step in self._steps for name in step.outputs if name)
        self._plans: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Step]] = {}
        # Who holds each float constant, and by which name; modules stay registered where they lie.
        self._holders: dict[str, tuple[nn.Module, str]] = {}
        self._flipped: set[str] = set()
        self._paths: dict[str, str] = {}
        self._numbers: dict[str, torch.Tensor] = {}
        self._hold(graph, products)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the graph.

        Args:
            args: Inputs in the graph's order.
            kwargs: Inputs by name.

        Returns:
            The output, or a tuple in the graph's order where there are several.

        Raises:
            SamplesError: An input is missing, or there is none of that name.
        """
        if len(args) > len(self.input_names):
            raise SamplesError(
                self._origin,
                f"{len(args)} inputs given, the model has {len(self.input_names)}",
                remedy=f"Give {', '.join(self.input_names)}.",
            )
        feeds = dict(zip(self.input_names, args, strict=False))
        found = self.compute({**feeds, **kwargs}, self.output_names)
        return (
            found[self.output_names[0]]
            if len(self.output_names) == 1
            else tuple(found[name] for name in self.output_names)
        )

    def compute(
        self, feeds: Mapping[str, Any], wanted: Sequence[str], given: Mapping[str, torch.Tensor] | None = None
    ) -> dict[str, torch.Tensor]:
        """Values of the graph by name, outputs or others; only the nodes that make them are run.

        Args:
            feeds: Inputs by name, tensors or arrays.
            wanted: Names of values, as readers without an edge of their own read them.
            given: Values that are not computed but taken, before their edges; what only they need is not run.

        Raises:
            SamplesError: An input is missing, or there is none of that name.
            ModelError: There is no value of that name.
        """
        given = {} if given is None else given
        plan = self.plan(tuple(wanted), tuple(given))
        frame = Frame(self.edges, self.present)
        for name, value in {**self._checked(feeds), **given}.items():
            frame.make(name, value)
        for step in plan:
            for made, value in zip(step.outputs, self._run(step, frame), strict=False):
                if made is not None and made not in given:
                    frame.make(made, value)
            for over in step.done:
                frame.drop(over)
        return {name: frame.read(name) for name in wanted}

    def plan(self, wanted: tuple[str, ...], given: tuple[str, ...] = ()) -> Sequence[Step]:
        """The steps that make some values of what is fed and given, in order.

        Raises:
            ModelError: There is no value of that name.
        """
        plan = self._plans.get((wanted, given))
        if plan is None:
            self._check_wanted((*wanted, *given))
            plan = self._plans[wanted, given] = needed(self._steps, wanted, given)
        return plan

    def put(self, value: str, module: nn.Module, reader: tuple[str, int] | None = None) -> None:
        """Put a module on a value: whoever reads the value reads what the module makes of it.

        Weights are given to it as the graph lays them, so the axes are those of the graph.

        Args:
            value: Name of an input, an initializer or a node's output.
            module: Called with the tensor.
            reader: A node's name and the index of its input where it is read so; None is everywhere.

        Raises:
            ModelError: The graph has no such value, or no such reader.
        """
        self._check_wanted((value,))
        if reader is not None and not any(
            step.call.name == reader[0] and reader[1] < len(step.inputs) and step.inputs[reader[1]] == value
            for step in self._steps
        ):
            raise ModelError(
                self._origin,
                f"input {reader[1]} of node {reader[0]!r} is not {value!r}",
                remedy="Name a node that reads it.",
            )
        self.edges.put(value, module, reader)

    def take(self, value: str, reader: tuple[str, int] | None = None) -> nn.Module | None:
        """Take away what was put there; it is given back, None where there was nothing."""
        return self.edges.take(value, reader)

    def parameters_in(self, plan: Sequence[Step] | None = None) -> dict[str, nn.Parameter]:
        """The parameters that some steps read, or all do, by the names of their initializers."""
        read = (name for step in (self._steps if plan is None else plan) for name in step.inputs)
        names = dict.fromkeys(name for name in read if name in self._holders)
        held = {str(name): getattr(*self._holders[str(name)]) for name in names}
        return {name: each for name, each in held.items() if isinstance(each, nn.Parameter)}

    def has(self, value: str) -> bool:
        """Whether the graph has a value of that name: an input, an initializer or a node's output."""
        return any(value in names for names in (self._values, self.input_names, self._holders, self._numbers))

    def linear_of(self, weight: str) -> nn.Module | None:
        """The module that multiplies by an initializer; None where no product is one."""
        owner, _ = self._holders.get(weight, (None, ""))
        return owner if isinstance(owner, Linear) else None

    def swap(self, weight: str, linear: Linear) -> None:
        """Let another module multiply by what an initializer is, at the same path; what else hung there hangs on."""
        path, _, leaf = self._paths[weight].rpartition(".")[0].rpartition(".")
        parent = self.get_submodule(path)
        old = parent._modules[leaf]
        assert isinstance(old, Linear)
        linear._modules.update(old._modules)
        linear._parameters.update({name: held for name, held in old._parameters.items() if name != "weight"})
        linear._buffers.update(old._buffers)
        parent._modules[leaf] = linear
        self._holders = {
            name: (linear if owner is old else owner, attribute) for name, (owner, attribute) in self._holders.items()
        }

    def path_of(self, name: str) -> str:
        """The name in the state dict of an initializer; for most it is the same."""
        return self._paths[name]

    def present(self, name: str) -> torch.Tensor:
        """An initializer's present numbers, without its edge, as the graph lays it; gradients flow through it."""
        if name in self._numbers:
            return self._numbers[name]
        owner, attribute = self._holders[name]
        held = getattr(owner, attribute)
        return held.t() if name in self._flipped else held

    @property
    def source(self) -> ir.Model:
        """The graph as it was taken; not to be changed."""
        return self._source.model

    def to_model(self, others: Mapping[str, np.ndarray] | None = None) -> ir.Model:
        """The graph with the present numbers of its parameters and buffers; without what is put on edges.

        Params that the graph came with from an earlier training are of other weights: they are left out.

        Args:
            others: Arrays that initializers take instead, by name.
        """
        arrays = {}
        initializers = self._source.model.graph.initializers
        for name in self._holders:
            value = initializers.get(name)
            if value is not None and value.dtype is not None:
                arrays[name] = from_torch(self.present(name), value.dtype)
        made = self._source.rewritten({**arrays, **(others or {})})
        forget_learned(made)
        return made

    def _hold(self, graph: ir.Graph, products: Sequence[Product]) -> None:
        """Make parameters, buffers and modules of the constants."""
        constants = constants_of(graph)
        by_weight = {product.weight: product for product in products}
        floats = []
        for name, value in constants.items():
            tensor = ir.convenience.get_const_tensor(value)
            if tensor is None:
                raise self._unreadable(name, "it holds no tensor")
            try:
                held = to_torch(tensor)
            except KeyError:
                raise self._unreadable(name, f"PyTorch has no {tensor.dtype.name}") from None
            self._numbers[name] = held
            if held.is_floating_point():
                floats.append(name)
        listed = [(each, each in by_weight) for each in floats]
        within = {*dir(nn.Linear), "training", "in_features", "out_features", "flipped"}
        for name, (path, attribute) in paths_of(listed, first=dir(self), within=within).items():
            held = self._numbers.pop(name)
            product = by_weight.get(name)
            if product is not None:
                owner: nn.Module = Linear(name, flipped=product.flipped, shape=product.shape, edges=self.edges)
                self._attach(path, owner)
                held = held.t().contiguous() if product.flipped else held
                self._flipped.update([name] if product.flipped else [])
            else:
                owner = self._attach(path, None)
            if is_weight(constants[name]):
                owner.register_parameter(attribute, nn.Parameter(held))
            else:
                owner.register_buffer(attribute, held)
            self._holders[name] = (owner, attribute)
            self._paths[name] = f"{path}.{attribute}" if path else attribute

    def _attach(self, path: str, module: nn.Module | None) -> nn.Module:
        """The module at a path, plain ones made on the way; a given one is put there."""
        here: nn.Module = self
        parts = path.split(".") if path else []
        for k, part in enumerate(parts):
            found = here._modules.get(part)
            if k == len(parts) - 1 and module is not None:
                assert found is None or not isinstance(found, Linear)
                if found is not None:  # what was hung below it first
                    module._modules.update(found._modules)
                found = None
            if found is None:
                found = module if k == len(parts) - 1 and module is not None else nn.Module()
                here._modules.pop(part, None)
                here.add_module(part, found)
            here = found
        return here

    def _run(self, step: Step, frame: Frame) -> tuple[torch.Tensor, ...]:
        node = step.call.name
        try:
            if step.linear is None or self.edges.at(step.linear, (node, 1)) is not None:
                operands = [frame.operand(name, node, k) for k, name in enumerate(step.inputs)]
                made = OPERATORS[step.call.op](step.call, *operands)
            else:
                module = self.get_submodule(self._paths[step.linear].rpartition(".")[0])
                made = module(frame.operand(step.inputs[0], node, 0))
                added = frame.operand(step.inputs[2], node, 2) if len(step.inputs) > 2 else None
                made = made if added is None else made + added
        except Exception as error:
            error.add_note(f"in node {node!r} ({step.call.op})")
            raise
        return made if isinstance(made, tuple) else (made,)

    def _checked(self, feeds: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        unknown = sorted(set(feeds) - set(self.input_names))
        if unknown:
            raise SamplesError(
                self._origin,
                f"the model has no input {unknown[0]!r}",
                remedy=f"Its inputs are {', '.join(self.input_names)}.",
            )
        given = {name: torch.as_tensor(value) for name, value in feeds.items()}
        batch = next((len(value) for value in given.values() if value.ndim), 1)
        for name, start in self.starts.items():
            given.setdefault(name, start.expand(batch, *start.shape[1:]))
        defaults = self._source.model.graph.initializers
        missing = [name for name in self.input_names if name not in given and name not in defaults]
        if missing:
            raise SamplesError(
                self._origin,
                f"the input {missing[0]!r} is missing",
                remedy=f"Give {', '.join(self.input_names)}.",
            )
        return given

    def _check_wanted(self, wanted: Sequence[str]) -> None:
        for name in wanted:
            if not self.has(name):
                raise ModelError(
                    self._origin,
                    f"the graph has no value {name!r}",
                    remedy="Name an input, an initializer or a node's output.",
                )

    def _unreadable(self, name: str, problem: str) -> ModelError:
        return ModelError(
            self._origin,
            f"constant {name!r}: {problem}",
            affects="The graph cannot be made a PyTorch module.",
            remedy="Write the model without it.",
        )
