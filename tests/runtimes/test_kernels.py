"""MACs by hand, per kernel."""

from __future__ import annotations

import pytest

from edgec.runtimes.kernels import INTEGER_KERNELS, kernel_macs

SCALAR = ()


@pytest.mark.parametrize(
    ("op", "inputs", "outputs", "macs"),
    [
        # 8 output channels of 16x16, each from 3 channels of 3x3
        ("Conv", [(1, 3, 16, 16), (8, 3, 3, 3), (8,)], [(1, 8, 16, 16)], 8 * 256 * 27),
        ("FusedConv", [(2, 3, 16, 16), (8, 3, 3, 3)], [(2, 8, 16, 16)], 2 * 8 * 256 * 27),
        # depthwise: one channel each; grouped: 4 channels each
        ("Conv", [(1, 32, 8, 8), (32, 1, 3, 3)], [(1, 32, 8, 8)], 32 * 64 * 9),
        ("Conv", [(1, 32, 8, 8), (64, 4, 1, 1)], [(1, 64, 8, 8)], 64 * 64 * 4),
        ("Conv", [(1, 2, 100), (4, 2, 5)], [(1, 4, 96)], 4 * 96 * 10),
        # channels last, as QLinearConv runs it
        (
            "QLinearConv",
            [(1, 16, 16, 3), SCALAR, SCALAR, (8, 3, 3, 3), (8,), (8,), SCALAR, SCALAR, (8,)],
            [(1, 16, 16, 8)],
            8 * 256 * 27,
        ),
        ("ConvInteger", [(1, 3, 16, 16), (8, 3, 3, 3), SCALAR, SCALAR], [(1, 8, 14, 14)], 8 * 196 * 27),
        # each of 4x10x10 input elements meets 2x3x3 weights (2 output channels per group)
        ("ConvTranspose", [(1, 4, 10, 10), (4, 2, 3, 3)], [(1, 2, 21, 21)], 400 * 18),
        ("MatMul", [(1, 16, 64), (64, 32)], [(1, 16, 32)], 16 * 32 * 64),
        ("MatMul", [(2, 4, 5, 6), (2, 4, 6, 7)], [(2, 4, 5, 7)], 2 * 4 * 5 * 6 * 7),
        ("MatMul", [(64,), (64, 32)], [(32,)], 64 * 32),
        ("FusedMatMul", [(1, 256, 1), (1, 256, 128)], [(1, 1, 128)], 256 * 128),  # A transposed
        ("QLinearMatMul", [(1, 16, 64), SCALAR, SCALAR, (64, 32), (32,)], [(1, 16, 32)], 16 * 32 * 64),
        ("MatMulInteger", [(16, 64), (64, 32)], [(16, 32)], 16 * 32 * 64),
        ("MatMulIntegerToFloat", [(16, 64), (64, 32), SCALAR, SCALAR], [(16, 32)], 16 * 32 * 64),
        ("DynamicQuantizeMatMul", [(1, 40, 356), (356, 1), SCALAR], [(1, 40, 1)], 40 * 356),
        ("MatMulNBits", [(1, 7, 64), (32, 2, 16), (64,)], [(1, 7, 32)], 7 * 32 * 64),
        ("Gemm", [(4, 64), (32, 64), (32,)], [(4, 32)], 4 * 32 * 64),
        ("Gemm", [(64, 4), (64, 32)], [(4, 32)], 4 * 32 * 64),  # A transposed
        ("QGemm", [(4, 64), SCALAR, SCALAR, (32, 64), SCALAR, SCALAR], [(4, 32)], 4 * 32 * 64),
        ("Gemm", [(0, 64), (64, 32)], [(0, 32)], 0),
        ("LSTM", [(5, 2, 6), (1, 32, 6), (1, 32, 8)], [(5, 1, 2, 8)], 5 * 2 * 32 * 14),
        ("GRU", [(5, 1, 6), (2, 24, 6), (2, 24, 8)], [(5, 2, 1, 8)], 5 * 2 * 24 * 14),
        ("DynamicQuantizeLSTM", [(40, 1, 100), (1, 100, 512), (1, 128, 512)], [(40, 1, 1, 128)], 40 * 228 * 512),
        ("MultiHeadAttention", [(1, 10, 64), (1, 20, 64), (1, 20, 64)], [(1, 10, 64)], 2 * 10 * 20 * 64),
        ("Attention", [(1, 10, 64), (64, 192)], [(1, 10, 64)], 10 * 64 * 192 + 2 * 10 * 10 * 64),
        ("Attention", [(1, 4, 10, 16), (1, 4, 20, 16), (1, 4, 20, 16)], [(1, 4, 10, 16)], 2 * 4 * 10 * 20 * 16),
        ("Relu", [(1, 8, 16, 16)], [(1, 8, 16, 16)], 0),
        ("QLinearAdd", [(1, 8), SCALAR, SCALAR, (1, 8)], [(1, 8)], 0),
        ("Einsum", [(2, 3), (3, 4)], [(2, 4)], None),
        ("Conv", [(1, 3, 16, 16)], [(1, 8, 16, 16)], None),  # the weight is missing from the evidence
    ],
)
def test_macs(op, inputs, outputs, macs):
    assert kernel_macs(op, inputs, outputs) == macs


def test_every_integer_kernel_can_be_counted_or_is_known_not_to_be():
    assert {op for op in INTEGER_KERNELS if kernel_macs(op, [], []) is not None} == {"QEmbedLayerNormalization"}


def test_float_kernels_are_not_integer():
    assert not INTEGER_KERNELS & {"Conv", "FusedConv", "Gemm", "MatMul", "MatMulNBits", "LSTM", "QLinearAdd"}
