"""What ONNX Runtime makes of a compiled model: which decided nodes really run in integers."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from edgec.passes.observe.statistics import Extremes, Range, observation_of
from edgec.passes.quantize.decision import decided_nodes

__all__ = ["float_islands", "orphans", "still_float"]


def orphans(model: ir.Model) -> list[str]:
    """Q whose result nobody reads, DQ that nobody reads, and DQ that only feed the very Q they could skip."""
    found = []
    for node in model.graph:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        output = node.outputs[0]
        readers = [reader for reader, _ in output.uses()]
        if not readers and not output.is_graph_output():
            found.append(f"nobody reads {output.name}")
        if node.op_type == "DequantizeLinear" and not output.is_graph_output():
            again = [reader for reader in readers if reader.op_type == "QuantizeLinear"]
            if again and all(reader.inputs[1:3] == node.inputs[1:3] for reader in readers):
                found.append(f"{output.name} is quantized again at once")
    return found


def still_float(compiled: ir.Model, optimized: onnx.ModelProto) -> list[str]:
    """Decided nodes whose float result the optimized graph still computes, or that disappeared into a float kernel."""
    # Behind a change of layout a value has a token in its name.
    made = {output: node for node in optimized.graph.node for output in node.output}
    made |= {output.partition("_token_")[0]: node for output, node in made.items()}
    found = []
    for node, decision in decided_nodes(compiled.graph):
        kernel = made.get(str(node.outputs[0].name))
        sources = [] if kernel is None else [made[name].op_type for name in kernel.input if name in made]
        if kernel is not None and "DequantizeLinear" in sources:
            found.append(f"{node.outputs[0].name}: {kernel.op_type}")
        if decision.clamp is not None and decision.clamp.graph is not None and _has_width(decision.output):
            found.append(f"{node.outputs[0].name}: its clamp stayed")
    decided = {node for node, _ in decided_nodes(compiled.graph)}
    # In the blocked layout a BatchNormalization becomes a Conv.
    for kinds in (("Conv", "FusedConv", "BatchNormalization"), ("Gemm", "FusedGemm", "MatMul", "FusedMatMul")):
        left = sum(node.op_type in kinds and node not in decided for node in compiled.graph)
        runs = sum(node.op_type in kinds for node in optimized.graph.node)
        if runs > left:
            found.append(f"{runs} float {kinds[0]}, {left} were left float")
    return found


def _has_width(value: ir.Value | None) -> bool:
    """Whether a value was anything but 0 on the samples; if not, no range says where it saturates."""
    asked = (Extremes(), Extremes(floor=0.0))
    seen = [] if value is None else [observation_of(value, statistic) for statistic in asked]
    return all(bool(observed.low < observed.high) for observed in seen if isinstance(observed, Range))


def float_islands(optimized: onnx.ModelProto) -> list[str]:
    """Operators of float nodes that read a dequantized activation and write only to QuantizeLinear."""
    made = {output: node for node in optimized.graph.node for output in node.output}
    constants = {tensor.name for tensor in optimized.graph.initializer}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in optimized.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found = []
    for node in optimized.graph.node:
        sources = [made[name] for name in node.input if name in made]
        dequantized = any(s.op_type == "DequantizeLinear" and s.input[0] not in constants for s in sources)
        targets = [reader.op_type for name in node.output for reader in readers.get(name, [])]
        if dequantized and targets and set(targets) == {"QuantizeLinear"}:
            found.append(node.op_type)
    return found
