"""What TensorRT takes of a graph through ONNX Runtime's provider: what its parser imports.

Sources: `tensorrt_operators.py`; restrictions of the same table; explicit quantization as NVIDIA describes it
(TensorRT 10 documentation, "Working with Quantized Types", "Explicit Quantization", read 2026-11-21). Nothing of
it was executed: neither TensorRT nor a GPU was at hand.
"""

from __future__ import annotations

import onnx
import onnx_ir as ir

from ...passes.edit import is_op
from ..support import SUPPORTED, SupportRules, Verdict, refused
from ..units import Unit
from .tensorrt_operators import NEWEST_OPSET, OLDEST_OPSET, OPERATORS
from .tensorrt_quantized import quantized_refusal
from .tensorrt_restrictions import restriction

__all__ = ["TENSORRT", "TENSORRT_PROVIDER"]

TENSORRT_PROVIDER = "TensorrtExecutionProvider"
_MULTIPLIES = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# The way to say it that the parser does import.
_MENDS = {
    "QLinearConv": "Write it as DequantizeLinear, Conv, QuantizeLinear",
    "QLinearMatMul": "Write it as DequantizeLinear, MatMul, QuantizeLinear",
    "ConvInteger": "Measure static ranges: --calibration",
    "MatMulInteger": "Measure static ranges: --calibration",
    "DynamicQuantizeLinear": "Measure static ranges: --calibration",
}


def _verdict(unit: Unit, model: ir.Model) -> Verdict:
    node = unit.node
    if node.domain not in ("", "ai.onnx"):
        return refused(f"the parser knows no operator of {node.domain}")
    if node.op_type not in OPERATORS:
        return refused(f"the parser imports no {node.op_type}", _MENDS.get(node.op_type, ""))
    opset = model.opset_imports.get("", model.opset_imports.get("ai.onnx", 1))
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        return refused(f"the parser reads operator sets {OLDEST_OPSET} to {NEWEST_OPSET}, not {opset}")
    verdict = quantized_refusal(node)
    if verdict is not None:
        return verdict
    why = _wrong_type(node, opset) or restriction(node)
    return refused(why) if why else SUPPORTED


def _wrong_type(node: ir.Node, opset: int) -> str:
    """Which of a node's data has a type TensorRT does not compute in; "" where none has.

    Indices, axes and shapes are no data: operands whose ONNX type admits no float.
    """
    if is_op(node, "DequantizeLinear", "QuantizeLinear") or not onnx.defs.has(node.op_type, opset, ""):
        return ""
    schema = onnx.defs.get_schema(node.op_type, opset, "")
    allowed = {each.type_param_str: each.allowed_type_strs for each in schema.type_constraints}
    types = OPERATORS[node.op_type]
    for kind, values, formal in (("input", node.inputs, schema.inputs), ("output", node.outputs, schema.outputs)):
        for index, value in enumerate(values):
            if value is None or value.dtype is None or not formal:
                continue
            may_be = allowed.get(formal[min(index, len(formal) - 1)].type_str, ())
            if "tensor(float)" in may_be and value.dtype not in types:
                known = ", ".join(sorted(each.name for each in types))
                return f"{kind} {index} of {node.op_type} is {value.dtype}; TensorRT computes it in {known}"
    return ""


def _in_integers(unit: Unit) -> bool:
    """Whether TensorRT fuses the DequantizeLinear before both operands into an INT8 kernel."""
    read = [value.producer() if value is not None else None for value in unit.node.inputs[:2]]
    return is_op(unit.node, *_MULTIPLIES) and len(read) == 2 and all(is_op(each, "DequantizeLinear") for each in read)


TENSORRT = SupportRules(
    provider=TENSORRT_PROVIDER,
    source="onnx-tensorrt of TensorRT 10.15, docs/operators.md",
    verdict=_verdict,
    integer=_in_integers,
    bodies=True,
)
