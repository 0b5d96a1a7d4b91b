"""Give bodies of If, Loop and Scan a copy of the weights their convolutions read from the main graph. Exact.

XNNPACK's provider takes a Conv in a body because its weight is constant, and does not find the weight when the kernel
is made: the session is not created (ONNX Runtime 1.21, 2026-11). A weight in the body it finds.

1. W is an initializer of the main graph: the body gets one of the same tensor.
2. W is computed from such alone, as a weight stored in few bits is: the body computes it, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import onnx_ir as ir

from ..base import Pass
from ..edit import fresh_name, is_constant, is_op, subgraph_nodes, value_names

__all__ = ["LendConstants"]

# Cast, Mul and DequantizeLinear, with room.
_DEPTH = 4


@dataclass(frozen=True, kw_only=True)
class LendConstants(Pass):
    """Copy the constants that convolutions and products in bodies read into these bodies."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        work = _Lending(taken=value_names(model.graph) | {node.name for node in model.graph.all_nodes() if node.name})
        modified = False
        for node in tuple(subgraph_nodes(model)):
            own = node.graph
            if not is_op(node, "Conv", "ConvTranspose", "MatMul") or not isinstance(own, ir.Graph):
                continue
            for index, value in enumerate(node.inputs):
                if value is not None and value.graph is not own and _is_expanded(value, _DEPTH):
                    node.replace_input_with(index, work.lend(own, value))
                    modified = True
        return ir.passes.PassResult(model, modified=modified)


def _is_expanded(value: ir.Value | None, depth: int) -> bool:
    """Whether a value is constant, or computed from constants alone."""
    if value is None or is_constant(value):
        return True
    node = value.producer()
    return depth > 0 and node is not None and all(_is_expanded(each, depth - 1) for each in node.inputs)


@dataclass
class _Lending:
    """What was lent so far, by body and value."""

    taken: set[str]
    lent: dict[tuple[ir.Graph, ir.Value], ir.Value] = field(default_factory=dict)

    def lend(self, body: ir.Graph, value: ir.Value) -> ir.Value:
        """The copy of a value in a body."""
        key = (body, value)
        if key not in self.lent:
            self.lent[key] = self._constant(body, value) if is_constant(value) else self._computed(body, value)
        return self.lent[key]

    def _constant(self, body: ir.Graph, value: ir.Value) -> ir.Value:
        name = fresh_name(f"{value.name}_lent", self.taken)
        copy = ir.Value(name=name, type=value.type, shape=value.shape, const_value=value.const_value)
        body.register_initializer(copy)
        return copy

    def _computed(self, body: ir.Graph, value: ir.Value) -> ir.Value:
        node = value.producer()
        assert node is not None
        inputs = [None if each is None else self.lend(body, each) for each in node.inputs]
        name = fresh_name(f"{node.name}_lent", self.taken)
        copy = ir.node(node.op_type, inputs, node.attributes.copy(), domain=node.domain, name=name)
        result = copy.outputs[0]
        result.name = fresh_name(f"{value.name}_lent", self.taken)
        result.type, result.shape = value.type, value.shape
        written = [copy for copy in (each.producer() for each in inputs if each is not None) if copy is not None]
        if written:
            body.insert_after(written[-1], copy)
        else:
            body.insert_before(body[0], copy)
        return result
