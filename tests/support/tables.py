"""A compiled model as a text table: one line per operator, for eyes and diffs."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

__all__ = ["table"]


def table(model: ir.Model, *, width: int | None = None) -> str:
    """Every operator but Q and DQ, with the types it computes on.

    `int8/0` has a scale per index of axis 0; `int8/0 64` is a weight whose largest magnitude is 64.
    With a `width` names show their ends only, and what computes shapes is left out.
    """
    model = model.clone()
    ShapeInferencePass()(model)  # what ships does not write down what can be inferred
    head = f"ir {model.ir_version} opset {model.opset_imports['']}\n"
    nodes = [node for node in model.graph if node.op_type not in ("QuantizeLinear", "DequantizeLinear")]
    if width is not None:
        nodes = [node for node in nodes if {value.dtype for value in node.outputs} != {ir.DataType.INT64}]
    rows = []
    for node in nodes:
        name = str(node.name or "")[-(width or len(str(node.name))) :]
        given, made = (", ".join(map(show, values)) for show, values in ((_given, node.inputs), (_made, node.outputs)))
        rows.append(f"{node.op_type:24} {name:28} {given} -> {made}")
    return head + "".join(row + "\n" for row in rows)


def _given(value: ir.Value | None) -> str:
    """The type an operator's input holds: before its DequantizeLinear, where it has one."""
    if value is None:
        return "-"
    source = value.producer()
    if source is None or source.op_type != "DequantizeLinear":
        return _dtype(value)
    stored, scale = source.inputs[0], source.inputs[1]
    assert stored is not None
    assert scale is not None
    many = scale.shape is not None and len(scale.shape) == 1 and scale.shape[0] != 1
    name = f"{_dtype(stored)}/{source.attributes.get_int('axis', 1)}" if many else _dtype(stored)
    if stored.dtype != ir.DataType.INT8 or stored.const_value is None:
        return name
    return f"{name} {np.abs(stored.const_value.numpy().astype(np.int32)).max()}"


def _made(value: ir.Value) -> str:
    """The type an operator's output becomes: after its QuantizeLinear, where all consumers read that."""
    readers = {user.op_type for user, _ in value.uses()}
    if readers == {"QuantizeLinear"} and not value.is_graph_output():
        ((user, _), *_rest) = value.uses()
        return _dtype(user.outputs[0])
    return _dtype(value)


def _dtype(value: ir.Value) -> str:
    return value.dtype.name.lower() if value.dtype is not None else "?"
