"""A graph as providers see it that take an operator and the Q/DQ around it as one (ONNX Runtime's `GetAllNodeUnits`).

Source: onnxruntime/core/optimizer/qdq_transformer (microsoft/onnxruntime 02b0534): selectors_actions/qdq_selectors.cc,
selectors_actions/shared/utils.cc (06e4cb9), qdq_util.cc; framework/node_unit.cc. QNN and NNAPI use it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx_ir as ir

from ..passes.edit import is_op
from .qdq_groups import Around, is_group
from .qdq_params import is_superfluous
from .units import Unit, since_version, working_nodes

__all__ = ["qdq_unit", "qdq_units"]


def qdq_units(graph: ir.Graph) -> Sequence[Unit]:
    """Q/DQ groups, and every node that is in none as a unit of its own, in topological order."""
    groups = {node: unit for node in working_nodes(graph) if (unit := qdq_unit(node, graph)) is not None}
    members = {member for unit in groups.values() for member in unit.nodes}
    return tuple(
        groups[node] if node in groups else Unit(node=node)
        for node in working_nodes(graph)
        if node in groups or node not in members or _is_read_outside(node, groups)
    )


def qdq_unit(node: ir.Node, graph: ir.Graph) -> Unit | None:
    """The group whose operator a node is; None where it is none's."""
    if is_op(node, "QuantizeLinear", "DequantizeLinear"):
        return None
    before = tuple(parent for value in node.inputs if is_op(parent := _producer(value), "DequantizeLinear"))
    clamp = _clamp_behind(node)
    behind = tuple(reader for reader in _readers(clamp or node) if is_op(reader, "QuantizeLinear"))
    if clamp is not None and (len(behind) != 1 or not is_superfluous(clamp, behind[0])):
        return None
    around = Around(
        node=node,
        since=since_version(node, graph),
        dequantize=tuple(each for each in before if each is not None),
        clamp=clamp,
        quantize=behind,
    )
    if not is_group(around):
        return None
    return Unit(node=node, dequantize=around.dequantize, clamp=clamp, quantize=behind)


def _clamp_behind(node: ir.Node) -> ir.Node | None:
    """A Relu or Clip that alone reads the node's result, and is read once."""
    readers = list(_readers(node))
    if len(readers) != 1 or readers[0].op_type not in ("Relu", "Clip"):
        return None
    (clamp,) = readers
    made = clamp.outputs[0]
    return None if len(tuple(made.uses())) != 1 or made.is_graph_output() else clamp


def _is_read_outside(node: ir.Node, groups: dict[ir.Node, Unit]) -> bool:
    """Whether a group's DequantizeLinear has another reader, for whom it stays."""
    if not is_op(node, "DequantizeLinear"):
        return False
    made = node.outputs[0]
    return made.is_graph_output() or any(reader not in groups for reader, _ in made.uses())


def _producer(value: ir.Value | None) -> ir.Node | None:
    return None if value is None else value.producer()


def _readers(node: ir.Node) -> Iterator[ir.Node]:
    return (reader for value in node.outputs for reader, _ in value.uses())
