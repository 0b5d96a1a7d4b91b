"""Where fake quantization goes: exactly where `InsertQdq` puts Q/DQ, read from the same decisions and params.

1. What an integer kernel writes is read through Q/DQ by everybody; what a float kernel or the caller writes, by the
   integer kernels alone.
2. What moves or picks codes keeps them: nothing is rounded a second time behind it.
3. A constant operand is rounded for the readers that were decided alike, with one set of params.
4. A bias follows from its node's activation and weight.

And what integer kernels there will be between them, of those whose last bit is known (`kernels.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import onnx_ir as ir

from ....errors import ModelError
from ....passes.quantize.clamps import bounds_of
from ....passes.quantize.decision import Decision, decided_nodes, decided_values, params_of, read_params, source_of
from ....passes.quantize.weight_params import weight_params
from ....passes.spec import Fixed, QuantParams, QuantSpec, Shared

__all__ = ["Activation", "Bias", "Kernel", "Sites", "Weight", "find_sites"]

# Of what moves elements, that which adds none and computes none.
_KEEPS = frozenset(
    ("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "DepthToSpace", "Expand", "MaxPool", "Slice", "Gather")
)

Reader = tuple[str, int]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Activation:
    """Values that share params.

    Attributes:
        name: The value whose name the params go by.
        params: Where training starts.
        places: Each a value, and the reader that alone reads it so; None is everybody.
        learned: The scale is learned.
        offset: The zero point is learned.
        largest: No scale is larger: a clamp before it would clamp within the codes. None is no bound.
    """

    name: str
    params: QuantParams
    places: tuple[tuple[str, Reader | None], ...]
    learned: bool
    offset: bool
    largest: float | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Weight:
    """A constant operand of nodes that were decided alike.

    Attributes:
        name: Of the initializer.
        params: Where training starts.
        readers: The nodes, each with the index of the input.
        whole: Nobody else reads it.
    """

    name: str
    params: QuantParams
    readers: tuple[Reader, ...]
    whole: bool


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Bias:
    """A bias in int32.

    Attributes:
        name: Of the initializer.
        reader: Its node and the index of the input.
        whole: Nobody else reads it.
        activation: The node's activation, by the name its params go by.
        weight: The reader of the node's weight.
    """

    name: str
    reader: Reader
    whole: bool
    activation: str
    weight: Reader


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Kernel:
    """A node that computes in integers and writes them.

    Attributes:
        node: Its name.
        kind: What it computes.
        operands: Of each input that counts: the name its params go by, or its reader where it is constant.
        output: The name that the params of the result go by.
        axis: Of the output's channels, for products.
    """

    node: str
    kind: Literal["product", "sum", "mean"]
    operands: tuple[str | Reader, ...]
    output: str
    axis: int = 1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sites:
    """All of them."""

    activations: tuple[Activation, ...]
    weights: tuple[Weight, ...]
    biases: tuple[Bias, ...]
    kernels: tuple[Kernel, ...]


def find_sites(graph: ir.Graph) -> Sites:
    """Where fake quantization goes in a graph, after `ComputeParams`.

    Raises:
        ModelError: A value is read in two widths.
    """
    nodes = list(decided_nodes(graph))
    roots = _roots(graph)
    return Sites(
        activations=tuple(_activations(graph, nodes, roots)),
        weights=tuple(_weights(nodes)),
        biases=tuple(_biases(nodes, roots)),
        kernels=tuple(_kernels(nodes, roots)),
    )


def _roots(graph: ir.Graph) -> dict[int, str]:
    """By the identity of params, the value that all others share them with."""
    values = decided_values(graph)
    return {id(params_of(value)): str(value.name) for value, source in values if not isinstance(source, Shared)}


@dataclass(kw_only=True, slots=True)
class _Group:
    params: QuantParams
    places: list[tuple[str, Reader | None]] = field(default_factory=list)
    values: list[ir.Value] = field(default_factory=list)


def _activations(graph: ir.Graph, nodes: list[tuple[ir.Node, Decision]], roots: dict[int, str]) -> Iterator[Activation]:
    read: dict[ir.Value, list[Reader]] = {}
    written: dict[ir.Value, tuple[ir.Node, Decision]] = {}
    for node, decision in nodes:
        for index in decision.activations:
            value = node.inputs[index]
            assert value is not None
            if read_params(value, decision) is not params_of(value):
                raise ModelError(
                    f"node {node.name!r}",
                    f"reads {value.name!r} in another width than it is stored in, which is not trained",
                    remedy="Leave it in one width, or in float with exclude_nodes",
                )
            read.setdefault(value, []).append((str(node.name), index))
        if decision.output is not None:
            written[decision.output] = (node, decision)
    groups: dict[int, _Group] = {}
    for value, _ in decided_values(graph):
        params = params_of(value)
        assert params is not None
        group = groups.setdefault(id(params), _Group(params=params))
        group.values.append(value)
        if value in written:
            if not _keeps(*written[value], params) and (value.uses() or value.is_graph_output()):
                group.places.append((str(value.name), None))
        elif len(readers := read.get(value, [])) == len(value.uses()) and not value.is_graph_output():
            group.places += [(str(value.name), None)] if readers else []
        else:
            group.places += [(str(value.name), reader) for reader in readers]
    for key, group in groups.items():
        group.places = group.places or [(roots[key], None)]  # read by nobody; it has params all the same
        yield _activation(roots[key], group, {each: written[each][1] for each in group.values if each in written})


def _activation(name: str, group: _Group, written: dict[ir.Value, Decision]) -> Activation:
    params = group.params
    clamped = [value for value, decision in written.items() if decision.clamp or decision.ceiling]
    fixed = any(isinstance(source_of(value), Fixed) for value in group.values)
    inside = bool(np.all(params.zero_point == params.spec.qmin))
    return Activation(
        name=name,
        params=params,
        places=tuple(group.places),
        learned=not fixed,
        offset=not fixed and not params.spec.symmetric and not clamped and not inside and not params.scale.ndim,
        largest=_largest(clamped, params) if clamped and not params.scale.ndim else None,
    )


def _largest(values: list[ir.Value], params: QuantParams) -> float | None:
    """The scale from which on saturation no longer does the work of the clamps that write the values."""
    zero, spec = float(params.zero_point), params.spec
    found = []
    for value in values:
        low, high = bounds_of(value.producer())
        if np.isfinite(high) and zero < spec.qmax:
            found.append(high / (spec.qmax - zero))
        if np.isfinite(low) and low < 0 and zero > spec.qmin:
            found.append(low / (spec.qmin - zero))
    # A range measured inside the bounds starts below them; a rounding of the bound may lie below the start.
    return max(min(found), float(params.scale)) if found else None


def _keeps(node: ir.Node, decision: Decision, params: QuantParams) -> bool:
    """Whether what a node reads through these params comes out as codes of them."""
    if decision.rule.role == "carry":
        if node.op_type not in _KEEPS:
            return False
    elif node.op_type != "Concat" or decision.clamp is not None or decision.ceiling is not None:
        return False
    operands = [node.inputs[index] for index in decision.activations]
    return all(value is not None and params_of(value) is params for value in operands)


def _weights(nodes: list[tuple[ir.Node, Decision]]) -> Iterator[Weight]:
    groups: dict[tuple[ir.Value, QuantSpec], list[tuple[Reader, QuantParams]]] = {}
    for node, decision in nodes:
        if decision.weight is None:
            continue
        index, spec = decision.weight
        value = node.inputs[index]
        assert value is not None
        groups.setdefault((value, spec), []).append(((str(node.name), index), weight_params(node, decision)))
    for (value, spec), found in groups.items():
        # Biases may have widened the scales of one reader more than another's.
        scale = np.maximum.reduce([params.scale for _, params in found])
        yield Weight(
            name=str(value.name),
            params=QuantParams(spec=spec, scale=np.asarray(scale, np.float32), zero_point=found[0][1].zero_point),
            readers=tuple(reader for reader, _ in found),
            whole=len(found) == len(value.uses()) and not value.is_graph_output(),
        )


def _biases(nodes: list[tuple[ir.Node, Decision]], roots: dict[int, str]) -> Iterator[Bias]:
    for node, decision in nodes:
        if decision.bias is None or decision.weight is None:
            continue
        bias, operand = node.inputs[decision.bias[0]], node.inputs[decision.activations[0]]
        assert bias is not None
        assert operand is not None
        yield Bias(
            name=str(bias.name),
            reader=(str(node.name), decision.bias[0]),
            whole=len(bias.uses()) == 1 and not bias.is_graph_output(),
            activation=roots[id(params_of(operand))],
            weight=(str(node.name), decision.weight[0]),
        )


def _kernels(nodes: list[tuple[ir.Node, Decision]], roots: dict[int, str]) -> Iterator[Kernel]:
    for node, decision in nodes:
        kind = _kind(node, decision)
        output = None if decision.output is None else params_of(decision.output)
        if kind is None or output is None or output.scale.ndim:
            continue
        indices = sorted({*decision.activations, *(() if decision.weight is None else (decision.weight[0],))})
        operands: list[str | Reader] = []
        for index in indices:
            value = node.inputs[index]
            assert value is not None
            constant = decision.weight is not None and index == decision.weight[0]
            operands.append((str(node.name), index) if constant else roots[id(params_of(value))])
        axis = 1 if node.op_type == "Conv" else -1
        yield Kernel(node=str(node.name), kind=kind, operands=tuple(operands), output=roots[id(output)], axis=axis)


def _kind(node: ir.Node, decision: Decision) -> Literal["product", "sum", "mean"] | None:
    """What a node computes, where all of it is done in integers."""
    match node.op_type:
        case "Conv" | "MatMul" | "Gemm":
            scaled = any(node.attributes.get_float(name, 1.0) != 1.0 for name in ("alpha", "beta"))
            added = len(node.inputs) > 2 and node.inputs[2] is not None and decision.bias is None
            return None if scaled or added or decision.weight is None or decision.weight[1].bits > 8 else "product"
        case "Add":
            return "sum"
        case "GlobalAveragePool":
            return "mean"
    return None
