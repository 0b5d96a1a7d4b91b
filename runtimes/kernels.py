"""MACs of one execution of a kernel, from its operator and the shapes it saw; and which kernels are integer.

Shapes are those of the executed tensors, as ONNX Runtime's profile lists them: present operands only, in
order. All formulas count one multiply-accumulate per product, bias additions left out.

================================ ====================================================
kernel                           MACs
================================ ====================================================
Conv, QLinearConv, ConvInteger   |Y| * |W| / W[0]                (W: O, I/g, k...)
ConvTranspose                    |X| * |W| / W[0]                (W: I, O/g, k...)
MatMul, QLinearMatMul, ...       |Y| * K                         (A: ..., M, K)
Gemm, QGemm                      |Y| * |A| / M                   (Y: M, N)
LSTM, GRU, RNN                   steps * batch * (|W| + |R|)     (all directions)
Attention and its kin            projections, if inside, + scores + context
================================ ====================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TypeAlias

__all__ = ["INTEGER_KERNELS", "kernel_macs"]

Shape: TypeAlias = tuple[int, ...]
Counter: TypeAlias = Callable[[Sequence[Shape], Sequence[Shape]], int | None]

# Kernels that multiply integers by integers and accumulate in int32, by ONNX Runtime 1.31.1's registered CPU
# kernels: onnxruntime/core/providers/cpu/{nn/conv_integer,math/matmul_integer,quantization/qlinearmatmul}.cc and
# onnxruntime/contrib_ops/cpu/quantization/*.cc (2026-11). DynamicQuantize* quantize their float input first.
# MatMulNBits is not here: it depends on its accuracy_level (`placement.py`).
INTEGER_KERNELS = frozenset(
    {
        "ConvInteger",
        "DynamicQuantizeLSTM",
        "DynamicQuantizeMatMul",
        "MatMulInteger",
        "MatMulInteger16",
        "MatMulIntegerToFloat",
        "NhwcQLinearConv",
        "QAttention",
        "QEmbedLayerNormalization",
        "QGemm",
        "QLinearConv",
        "QLinearConvTranspose",
        "QLinearMatMul",
    }
)

# Operators whose MACs cannot be read from shapes alone: None, so that no share is computed as if they had none.
UNCOUNTED = frozenset(
    {
        "DecoderAttention",
        "DecoderMaskedMultiHeadAttention",
        "DecoderMaskedSelfAttention",
        "DeformConv",
        "EPContext",
        "Einsum",
        "LongformerAttention",
        "MoE",
        "PackedAttention",
        "PackedMultiHeadAttention",
        "QAttention",
        "QMoE",
        "SparseAttention",
        "SparseToDenseMatMul",
    }
)


def _conv(weight: int) -> Counter:
    def macs(inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int | None:
        w = inputs[weight]
        return prod(outputs[0]) * prod(w[1:])

    return macs


def _conv_transpose(weight: int) -> Counter:
    def macs(inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int | None:
        del outputs
        return prod(inputs[0]) * prod(inputs[weight][1:])

    return macs


def _matmul(inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int | None:
    """|Y| * K; A may be transposed (FusedMatMul), then its last axis is M and K is the one before."""
    a, y = inputs[0], outputs[0]
    if len(a) < 2 or len(y) < 2 or a[-2] == y[-2]:
        return prod(y) * (a[-1] if a else 1)
    return prod(y) * (a[-2] if a[-1] == y[-2] else a[-1])


def _gemm(inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int | None:
    rows = outputs[0][0]
    return prod(outputs[0]) * (prod(inputs[0]) // rows) if rows else 0


def _by_last_axis(inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int | None:
    """|Y| * K with packed weights: K is the last axis of A."""
    return prod(outputs[0]) * inputs[0][-1]


def _recurrent(inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int | None:
    del outputs
    x, w, r = inputs[:3]
    return x[0] * x[1] * (prod(w) + prod(r))


def _attention(inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int | None:
    """Scores Q K' and context P V, each S x T x heads x head size; com.microsoft.Attention also projects its input."""
    q, k, y = inputs[0], inputs[1], outputs[0]
    if len(k) == 2:  # com.microsoft.Attention: input (B, S, D), W (D, Q + K + V), Y (B, S, V)
        steps = outputs[1][3] if len(outputs) > 1 else q[1]
        return q[0] * q[1] * (q[2] * k[1] + steps * ((k[1] - y[2]) // 2 + y[2]))
    if len(q) == len(k) == 4:  # ai.onnx.Attention: Q (B, heads, S, d), K (B, kv heads, T, d), Y (B, heads, S, v)
        return prod(q[:3]) * k[2] * (q[3] + y[3])
    if len(q) == len(k) == 3:  # Q (B, S, heads d), K (B, T, kv heads d), Y (B, S, heads v)
        return q[0] * q[1] * k[1] * (q[2] + y[2])
    return None


def _grouped_attention(inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int | None:
    """Scores and context over T, the length of present_key (B, kv heads, T, d): 2 S T (heads d)."""
    del inputs
    y, present = outputs[0], outputs[1]
    return 2 * prod(y) * present[2]


COUNTERS: Mapping[str, Counter] = {
    "Conv": _conv(1),
    "FusedConv": _conv(1),
    "NhwcFusedConv": _conv(1),
    "ConvInteger": _conv(1),
    "QLinearConv": _conv(3),
    "NhwcQLinearConv": _conv(3),
    "ConvTranspose": _conv_transpose(1),
    "ConvTransposeWithDynamicPads": _conv_transpose(1),
    "QLinearConvTranspose": _conv_transpose(3),
    "Gemm": _gemm,
    "FusedGemm": _gemm,
    "QGemm": _gemm,
    "MatMul": _matmul,
    "FusedMatMul": _matmul,
    "FusedMatMulActivation": _matmul,
    "TransposeMatMul": _matmul,
    "QLinearMatMul": _matmul,
    "MatMulInteger": _matmul,
    "MatMulInteger16": _matmul,
    "MatMulIntegerToFloat": _matmul,
    "DynamicQuantizeMatMul": _matmul,
    "MatMulNBits": _by_last_axis,
    "MatMulBnb4": _by_last_axis,
    "MatMulFpQ4": _by_last_axis,
    "LSTM": _recurrent,
    "GRU": _recurrent,
    "RNN": _recurrent,
    "DynamicQuantizeLSTM": _recurrent,
    "Attention": _attention,
    "MultiHeadAttention": _attention,
    "GroupQueryAttention": _grouped_attention,
}


def kernel_macs(op_type: str, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int | None:
    """Multiply-accumulates of one execution.

    Args:
        op_type: The executed operator.
        inputs: Shapes of its present inputs, in order.
        outputs: Shapes of its outputs, in order.

    Returns:
        0 for operators that do not multiply and accumulate; None when the shapes do not tell.
    """
    if op_type in COUNTERS:
        try:
            return COUNTERS[op_type](inputs, outputs)
        except (IndexError, ValueError):  # an operand is missing from the evidence
            return None
    return None if op_type in UNCOUNTED else 0
