"""What a provider takes as a whole: one node, or an operator with the Q/DQ around it (ONNX Runtime's `NodeUnit`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx
import onnx_ir as ir

from ..passes.edit import is_op

__all__ = ["Operand", "Unit", "bodies", "dims_of", "since_version", "single_units", "working_nodes"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Operand:
    """What a unit reads or writes, and how it is to be read.

    Attributes:
        value: The tensor outside the unit: of a group, what its DequantizeLinear reads or its QuantizeLinear writes.
        scale, zero_point: Of that Q or DQ; None for a tensor as it is, or without zero point.
        axis: Of that Q or DQ; 1 where it says nothing.
        quantized: Whether a Q or DQ is between it and the operator.
    """

    value: ir.Value
    scale: ir.Value | None = None
    zero_point: ir.Value | None = None
    axis: int = 1
    quantized: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Unit:
    """One node, or a group: DequantizeLinear nodes, the operator, QuantizeLinear nodes.

    Attributes:
        node: The operator.
        dequantize: Before it, in the order of its inputs; () for a single node. Several groups may share one: ONNX
            Runtime gives each its copy (EnsureUniqueDQForNodeUnit) before it asks a provider.
        clamp: A Relu or Clip between the operator and its QuantizeLinear that the Q's range makes superfluous.
        quantize: Behind it, in the order of its outputs.
    """

    node: ir.Node
    dequantize: tuple[ir.Node, ...] = ()
    clamp: ir.Node | None = None
    quantize: tuple[ir.Node, ...] = ()

    @property
    def grouped(self) -> bool:
        """Whether it is a group."""
        return bool(self.dequantize or self.quantize)

    @property
    def nodes(self) -> tuple[ir.Node, ...]:
        """All its nodes in topological order."""
        before = tuple(dict.fromkeys(self.dequantize))
        return (*before, self.node, *(() if self.clamp is None else (self.clamp,)), *self.quantize)

    @property
    def inputs(self) -> tuple[Operand | None, ...]:
        """What it reads, by the operator's inputs; None for one that is left out."""
        return tuple(self._input(value) for value in self.node.inputs)

    @property
    def outputs(self) -> tuple[Operand, ...]:
        """What it writes: by the operator's outputs, or by the group's QuantizeLinear nodes."""
        if not self.quantize:
            return tuple(Operand(value=value) for value in (self.clamp or self.node).outputs)
        return tuple(_through(each, each.outputs[0]) for each in self.quantize)

    @property
    def reads(self) -> tuple[ir.Value, ...]:
        """Tensors from outside that its nodes read, constants included, each once; those of its subgraphs too."""
        inside = {value for node in self.nodes for value in node.outputs}
        return tuple(dict.fromkeys(value for node in self.nodes for value in _all_inputs(node) if value not in inside))

    @property
    def writes(self) -> tuple[ir.Value, ...]:
        """Tensors its nodes write that somebody outside may read; a group's own copies of DequantizeLinear aside."""
        return tuple(value for node in self.nodes if node not in self.dequantize for value in node.outputs)

    def _input(self, value: ir.Value | None) -> Operand | None:
        if value is None:
            return None
        producer = value.producer()
        if producer is None or producer not in self.dequantize or producer.inputs[0] is None:
            return Operand(value=value)
        return _through(producer, producer.inputs[0])


def working_nodes(graph: ir.Graph) -> tuple[ir.Node, ...]:
    """Its nodes but Constant, which ONNX Runtime makes initializers at load, in topological order."""
    return tuple(node for node in graph if not is_op(node, "Constant"))


def dims_of(value: ir.Value) -> tuple[int, ...] | None:
    """Its dimensions; None where one is only known at run time."""
    shape = value.shape if value.shape is not None or value.const_value is None else value.const_value.shape
    if shape is None:
        return None
    dims = tuple(dim for dim in shape if isinstance(dim, int))
    return dims if len(dims) == len(shape) else None


def since_version(node: ir.Node, graph: ir.Graph) -> int:
    """The operator set in which its operator last changed, as far as the graph's; 1 for one that ONNX does not have."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    version = graph.opset_imports.get(domain, graph.opset_imports.get("ai.onnx", 1) if domain == "" else 1)
    try:
        return int(onnx.defs.get_schema(node.op_type, version, domain).since_version)
    except onnx.defs.SchemaError:
        return 1


def single_units(graph: ir.Graph) -> Sequence[Unit]:
    """Every node a unit of its own, as providers see a graph that know no Q/DQ groups."""
    return tuple(Unit(node=node) for node in working_nodes(graph))


def _through(node: ir.Node, value: ir.Value) -> Operand:
    zero_point = node.inputs[2] if len(node.inputs) > 2 else None
    axis = node.attributes.get_int("axis", 1)
    return Operand(value=value, scale=node.inputs[1], zero_point=zero_point, axis=axis, quantized=True)


def bodies(node: ir.Node) -> Iterator[ir.Graph]:
    """The graphs in its attributes: branches of If, bodies of Loop and Scan."""
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            yield attribute.as_graph()
        elif attribute.type == ir.AttributeType.GRAPHS:
            yield from attribute.as_graphs()


def _all_inputs(node: ir.Node) -> Iterator[ir.Value]:
    """Its inputs, and what its bodies read from outside."""
    yield from (value for value in node.inputs if value is not None)
    for body in bodies(node):
        nodes = tuple(body.all_nodes())
        graphs = {body, *(each.graph for each in nodes)}
        for value in (value for each in nodes for value in each.inputs if value is not None):
            if value.graph not in graphs:
                yield value
        yield from (value for value in body.outputs if value.graph not in graphs)
