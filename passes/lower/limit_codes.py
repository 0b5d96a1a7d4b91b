"""Q(y) -> Min(Q(y), qmax), where codes use fewer bits than their type: 16 levels of uint8 are 4 bits.

Codes of an asymmetric range lie at the low end of the type, where QuantizeLinear saturates by itself; nothing keeps
them from the other end. Those of a symmetric range lie around 0: Min(Max(Q(y), qmin), qmax).

What saturation is for codes of all bits. ONNX Runtime's CPU provider knows an integer kernel by the Q right behind it,
as in `MinIntegers`; its Min and Max take uint8 and int8 from opset 12 on (1.31.1).

Not behind an operator that moves or picks codes which were limited already.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op, rewire, value_names
from ..quantize.decision import decision_of, params_of
from ..spec import INTEGER_TYPES, QuantSpec

__all__ = ["LimitCodes"]

_DONE = "edgec.limited"


@dataclass(frozen=True, kw_only=True)
class LimitCodes(Pass):
    """Cut stored activations off at the ends of the codes they may have."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        taken = value_names(graph) | {node.name for node in graph if node.name}
        ends: dict[tuple[str, int], ir.Value] = {}
        modified = False
        for node in tuple(graph):
            params = params_of(node.outputs[0]) if is_op(node, "QuantizeLinear") else None
            if params is None or params.spec.code_bits is None or _DONE in node.meta or _limited_before(node):
                continue
            node.meta[_DONE] = True
            _limit(graph, node, params.spec, taken, ends)
            modified = True
        return ir.passes.PassResult(model, modified=modified)


def _limit(
    graph: ir.Graph, node: ir.Node, spec: QuantSpec, taken: set[str], ends: dict[tuple[str, int], ir.Value]
) -> None:
    """Put Max and Min between a QuantizeLinear and its readers, where the type does not end."""
    stored = node.outputs[0]
    uses, last, value = tuple(stored.uses()), node, stored
    lowest, highest, _, _ = INTEGER_TYPES[spec.dtype]
    for op, code, natural in (("Max", spec.qmin, lowest), ("Min", spec.qmax, highest)):
        if code == natural:
            continue
        end = ends.get((spec.dtype, code))
        if end is None:
            array = np.asarray(code, spec.numpy_dtype)
            end = add_initializer(graph, fresh_name(f"{spec.dtype}_{code}", taken), array, spec.onnx_dtype)
            ends[spec.dtype, code] = end
        made = ir.node(op, [value, end], name=fresh_name(f"{stored.name}_{op}", taken))
        result = made.outputs[0]
        result.name, result.type, result.shape = fresh_name(f"{stored.name}_limited", taken), stored.type, stored.shape
        graph.insert_after(last, made)
        last, value = made, result
    rewire(uses, value)


def _limited_before(node: ir.Node) -> bool:
    """Whether a Q writes what an operator moved or picked among codes of the same params."""
    value = node.inputs[0]
    mover = None if value is None else value.producer()
    decision = None if mover is None else decision_of(mover)
    if mover is None or decision is None or decision.rule.role != "carry" or mover.inputs[0] is None:
        return False
    dq = mover.inputs[0].producer()
    if dq is None or not is_op(dq, "DequantizeLinear"):
        return False
    for ours, theirs in zip(node.inputs[1:3], dq.inputs[1:3], strict=True):
        one, other = constant_array(ours), constant_array(theirs)
        if one is None or other is None or not np.array_equal(one, other):
            return False
    return True
