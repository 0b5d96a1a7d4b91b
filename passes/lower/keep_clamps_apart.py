"""Relu(y) -> Max(y, 0), Clip(y, l, h) -> Min(Max(y, l), h), where XNNPACK's provider fuses them wrongly. Exact.

It takes them into the float convolution or pooling that writes y. Seen on ONNX Runtime 1.21 (2026-11):

1. y has another reader, or is an output: the fused kernel no longer writes it, and the session is not created.
2. Clip without bounds is taken for one from 1e-38 on: goes, since it does nothing.
3. Clip(y, l, h) with l ≥ h: the kernel is not created, nor is the session.

A public result keeps its name behind an Identity. Scope: the main graph and all bodies.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import fresh_name, is_op, value_names
from ..quantize.clamps import bounds_of
from .split_clamps import write_out

__all__ = ["KeepClampsApart"]

_FLOAT = ir.DataType.FLOAT


@dataclass(frozen=True, kw_only=True)
class KeepClampsApart(Pass):
    """Write out the clamps that XNNPACK's provider must not fuse."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        taken = value_names(graph) | {node.name for node in graph.all_nodes() if node.name}
        found = [node for node in graph.all_nodes() if _must_not_fuse(node)]
        for node in found:
            if node.outputs[0].is_graph_output():
                _behind_identity(node, taken)
            write_out(graph, node, taken)
        return ir.passes.PassResult(model, modified=bool(found))


def _must_not_fuse(node: ir.Node) -> bool:
    if not is_op(node, "Relu", "Clip") or node.inputs[0] is None or node.outputs[0].dtype not in (None, _FLOAT):
        return False
    y = node.inputs[0]
    if not is_op(y.producer(), "Conv", "ConvTranspose", "MaxPool", "AveragePool"):
        return False
    low, high = bounds_of(node)
    unbounded = is_op(node, "Clip") and all(bound is None for bound in node.inputs[1:])
    return unbounded or low >= high or y.is_graph_output() or len(tuple(y.uses())) > 1


def _behind_identity(node: ir.Node, taken: set[str]) -> None:
    """Let an Identity write the public name, so that the clamp can be replaced."""
    own, public = node.graph, node.outputs[0]
    assert own is not None
    uses = tuple(public.uses())
    copy = ir.node("Identity", [public], name=fresh_name(f"{public.name}_public", taken))
    result = copy.outputs[0]
    result.type, result.shape, name = public.type, public.shape, str(public.name)
    for index, output in enumerate(own.outputs):
        if output is public:
            own.outputs[index] = result
    public.name = fresh_name(f"{name}_clamped", taken)
    result.name = name
    own.insert_after(node, copy)
    for reader, index in uses:
        reader.replace_input_with(index, result)
