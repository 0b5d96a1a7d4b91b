"""Recognise a model that is quantized already."""

from __future__ import annotations

import onnx_ir as ir

__all__ = ["quantized_ops"]

# ONNX and com.microsoft (onnxruntime 1.31, `get_all_operator_schema()`).
_OPS = frozenset(
    {
        "ConvInteger",
        "DequantizeBFP",
        "DequantizeLinear",
        "DequantizeWithOrder",
        "DynamicQuantizeLSTM",
        "DynamicQuantizeLinear",
        "DynamicQuantizeMatMul",
        "GatherBlockQuantized",
        "MatMulBnb4",
        "MatMulFpQ4",
        "MatMulInteger",
        "MatMulInteger16",
        "MatMulIntegerToFloat",
        "MulInteger",
        "QAttention",
        "QEmbedLayerNormalization",
        "QGemm",
        "QMoE",
        "QuantizeBFP",
        "QuantizeLinear",
        "QuantizeWithOrder",
        "ReduceSumInteger",
    }
)
_PREFIXES = ("MatMulBlockQuantized", "MatMulNBits", "QLinear", "QOrdered")


def quantized_ops(model: ir.Model) -> tuple[str, ...]:
    """Operators of quantized arithmetic in a model, subgraphs included, sorted; empty for a float model."""
    ops = {node.op_type for node in model.graph.all_nodes()}
    return tuple(sorted(op for op in ops if op in _OPS or op.startswith(_PREFIXES)))
