"""A bias of its own for a Conv or Gemm, so that it can be changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from ..edit import add_initializer, constant_array, fresh_name
from ..quantize.decision import Decision, set_decision
from ..quantize.params import bias_params
from ..spec import Derived, PerBlock

__all__ = ["own_bias", "why_no_bias"]


def why_no_bias(node: ir.Node, decision: Decision) -> str | None:
    """Why the bias of a node cannot be corrected; None where it can, empty for a node that multiplies nothing."""
    if decision.weight is None or node.op_type not in ("Conv", "Gemm", "MatMul"):
        return ""
    if node.op_type == "MatMul":
        return "is a MatMul, which has no bias that could be corrected"
    if not decision.rule.bias or isinstance(decision.weight[1].granularity, PerBlock):
        return "has no integer kernel with a bias that could be corrected"
    x = node.inputs[0]
    return "reads an input of unknown rank" if x is None or x.shape is None else None


def own_bias(graph: ir.Graph, node: ir.Node, decision: Decision, added: np.ndarray, taken: set[str]) -> None:
    """Add `added`, one number per output channel, to the bias of a node; give it one if it has none.

    The old bias stays for its other readers. Channels where `added` is not finite keep their bias.
    """
    old = node.inputs[2] if len(node.inputs) > 2 else None
    array = np.zeros(1, np.float32) if old is None else constant_array(old)
    assert array is not None
    corrected = (array.reshape(-1) + np.where(np.isfinite(added), added, 0.0)).astype(np.float32)
    name = f"{node.name}_bias" if old is None else f"{old.name}_corrected"
    if len(node.inputs) < 3:
        node.resize_inputs(3)
    node.replace_input_with(2, add_initializer(graph, fresh_name(name, taken), corrected))
    if decision.bias is None:
        set_decision(node, replace(decision, bias=(2, Derived(from_=(0, 1), fn=bias_params))))
