"""ONNX Runtime's CPU provider with float16 as devices compute it: every result is rounded to float16.

The provider has few float16 kernels. Where one is missing it computes in float32, and leaves out the Casts between two
such nodes, so that what lies between is neither rounded nor cut off at 65504 (1.31.1, x86-64: 50, multiplied by 50, 30
and 0.01 in float16, is 750; float16 has infinity in the middle). What stands in for a device must not flatter it: each
float16 node is written as the float32 one it becomes, its results cast to float16 by Casts that lose something, which
ONNX Runtime keeps. Sums inside a node stay float32, as on devices that accumulate in float32.
"""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir

from ...passes.edit import fresh_name, is_op, value_names
from ...runtimes.base import ModelSource, Session, SessionSettings
from ...runtimes.ort import OrtCpu
from ..load import load_model
from ..materialize import in_memory

__all__ = ["RoundedCpu", "round_results"]

_HALF = ir.DataType.FLOAT16
# What only moves or makes float16, or turns it into another type.
_AS_THEY_ARE = ("Cast", "Constant", "Identity")


class RoundedCpu(OrtCpu):
    """Executes models in this process with the CPU provider, float16 rounded; others as they are."""

    def open(self, model: ModelSource, settings: SessionSettings = SessionSettings()) -> Session:
        """Open a model file, its bytes, or its graph with the weights beside it.

        Raises:
            ModelError: ONNX Runtime refuses the model.
        """
        if isinstance(model, Path) and model.is_file():
            loaded = load_model(model, opset_floor=1, already_quantized="accept").model
            if round_results(loaded):
                return super().open(in_memory(loaded), settings)
        return super().open(model, settings)


def round_results(model: ir.Model) -> bool:
    """Write float16 nodes of the main graph as float32 ones whose results are cast to float16 and back.

    Args:
        model: With inferred types; changed.

    Returns:
        Whether there were any.
    """
    graph = model.graph
    taken = value_names(graph)
    twins: dict[ir.Value, ir.Value] = {}
    nodes = [node for node in graph if not is_op(node, *_AS_THEY_ARE) and _is_plain(node) and _touches_half(node)]
    for node in nodes:
        for index, value in enumerate(node.inputs):
            if value is not None and value.dtype == _HALF:
                if value not in twins:
                    twins[value] = _cast(graph, node, value, ir.DataType.FLOAT, taken)
                node.replace_input_with(index, twins[value])
        for value in tuple(node.outputs):
            if value.dtype == _HALF:
                _round(graph, node, value, taken)
    return bool(nodes)


def _round(graph: ir.Graph, node: ir.Node, value: ir.Value, taken: set[str]) -> None:
    """Let a node write float32, and a Cast behind it what it wrote before, under its name."""
    uses, name, is_output = tuple(value.uses()), value.name, value.is_graph_output()
    cast = ir.node("Cast", [value], {"to": _HALF.value})
    rounded = cast.outputs[0]
    rounded.type, rounded.shape = value.type, value.shape
    value.name, value.type = fresh_name(f"{name}_exact", taken), ir.TensorType(ir.DataType.FLOAT)
    rounded.name = name
    for reader, index in uses:
        reader.replace_input_with(index, rounded)
    if is_output:
        graph.outputs[graph.outputs.index(value)] = rounded
    graph.insert_after(node, [cast])


def _cast(graph: ir.Graph, before: ir.Node, value: ir.Value, dtype: ir.DataType, taken: set[str]) -> ir.Value:
    cast = ir.node("Cast", [value], {"to": dtype.value})
    made = cast.outputs[0]
    made.name = fresh_name(f"{value.name}_float", taken)
    made.type, made.shape = ir.TensorType(dtype), value.shape
    graph.insert_before(before, [cast])
    return made


def _touches_half(node: ir.Node) -> bool:
    return any(value is not None and value.dtype == _HALF for value in (*node.inputs, *node.outputs))


def _is_plain(node: ir.Node) -> bool:
    """Whether it is an ONNX operator without bodies, which has a float32 form."""
    kinds = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
    return node.domain in ("", "ai.onnx") and not any(each.type in kinds for each in node.attributes.values())
