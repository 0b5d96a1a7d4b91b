"""QuantizeLinear(Pad(x, v)) -> Pad(QuantizeLinear(x), q(v)). Exact: padding copies elements and adds v.

ONNX Runtime moves the QuantizeLinear there itself at load (QDQPropagationTransformer), around a float Pad; with the
XNNPACK provider the process then ends (1.21, 2026-11). Pad takes 8-bit integers as they are, in every mode.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op, opset_of, skip, sole_consumer, value_names
from ..quantize.params import quantize
from ..spec import QuantParams, QuantSpec

__all__ = ["QuantizeBeforePad"]

_STORED = {np.dtype(np.uint8): "uint8", np.dtype(np.int8): "int8"}


@dataclass(frozen=True, kw_only=True)
class QuantizeBeforePad(Pass):
    """Pad the integers where a QuantizeLinear alone reads a Pad."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if opset_of(model) < 13:
            return ir.passes.PassResult(model, modified=False)
        taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
        pads = [node for node in model.graph if is_op(node, "Pad")]
        done = [node for node in pads if _try_swap(model.graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))


def _try_swap(graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
    q = sole_consumer(node.outputs[0])
    x = node.inputs[0]
    if q is None or x is None or not is_op(q, "QuantizeLinear") or q.inputs[0] is not node.outputs[0]:
        return False
    scale, zero = constant_array(q.inputs[1]), constant_array(q.inputs[2]) if len(q.inputs) > 2 else None
    if scale is None or zero is None or scale.ndim or zero.dtype not in _STORED:
        return False
    given = node.inputs[2] if len(node.inputs) > 2 else None
    fill = np.float32(0) if given is None else constant_array(given)
    if fill is None:
        skip(node, "pads with a value that is computed at run time")
        return False
    spec = QuantSpec(dtype=_STORED[zero.dtype], symmetric=False)
    code = quantize(np.asarray(fill, np.float32), QuantParams(spec=spec, scale=scale, zero_point=zero))
    before = ir.node("QuantizeLinear", [x, *q.inputs[1:3]], q.attributes.copy(),
                     name=fresh_name(f"{node.name}_QuantizeLinear", taken))  # fmt: skip
    stored = before.outputs[0]
    stored.name = fresh_name(f"{node.name}_QuantizeLinear_Output", taken)
    stored.type, stored.shape = ir.TensorType(ir.DataType.from_numpy(zero.dtype)), x.shape
    value = add_initializer(graph, fresh_name(f"{node.name}_code", taken), code.reshape(fill.shape))
    pad = ir.node("Pad", [stored, node.inputs[1], value, *node.inputs[3:4]], node.attributes.copy(), name=node.name)
    old, new = q.outputs[0], pad.outputs[0]
    new.name, new.type, new.shape = old.name, old.type, old.shape
    ir.convenience.replace_nodes_and_values(graph, q, [node, q], [before, pad], [old], [new])
    return True
