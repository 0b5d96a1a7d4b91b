"""What ONNX Runtime's CPU provider really fuses into integer kernels, as rules.

Source of every `why`: `qdq_selectors.cc` and `qdq_selector_action_transformer.cc` of ONNX Runtime, confirmed by
running each pattern on 1.31.1 (x86-64, 2026-11). What is absent stays float: ConvTranspose, normalizations,
Gelu, HardSwish, Tanh, Sub, Div, ReduceMean, linear Resize, LSTM and GRU have no integer kernel there, and
Q/DQ around a float kernel only costs time.
"""

from __future__ import annotations

from ...passes.spec import Fixed, Given, OpRule, PerAxis, QuantSpec, Shared

__all__ = ["cpu_rules"]


def cpu_rules(*, reduce_range: bool) -> tuple[OpRule, ...]:
    """Rules of the CPU provider: u8 activations, s8 weights per output channel, s32 biases.

    u8 x s8 is the one pair that is fast and fused on x86 (VNNI `vpdpbusd` takes u8 x s8) and exact on ARM.

    Args:
        reduce_range: 7-bit weights, for x86 without VNNI, where `vpmaddubsw` saturates at 16 bits.

    Returns:
        The rules; first match wins.
    """
    a8 = QuantSpec(dtype="uint8", symmetric=False)
    w8 = QuantSpec(dtype="int8", granularity=PerAxis(axis=0), symmetric=True, reduce_range=reduce_range)
    return (
        OpRule(
            ops=("Conv",),
            only="depthwise",
            role="follow",
            inputs=a8,
            weights=w8,
            outputs=Given(a8),
            bias=True,
            why="QLinearConv, depthwise; 25 us against 8 us in float (16 channels, 48 x 48): pays between integer "
            "kernels, not as the first of them",
        ),
        OpRule(
            ops=("Conv",),
            role="compute",
            inputs=a8,
            weights=w8,
            outputs=Given(a8),
            bias=True,
            aligned_inputs=4,
            why="QLinearConv, NHWC; writes integers only. Other channel counts go through im2col: 46 us against "
            "16 us in float (3 to 8 channels, 96 x 96); `AlignChannels` pads where it can",
        ),
        OpRule(
            ops=("Gemm",),
            role="compute",
            inputs=a8,
            weights=w8,
            outputs=Given(a8),
            output="optional",
            bias=True,
            why="QGemm; writes integers or float",
        ),
        OpRule(
            ops=("MatMul",),
            role="compute",
            inputs=a8,
            weights=w8,
            outputs=Given(a8),
            output="optional",
            why="QLinearMatMul, or MatMulIntegerToFloat when it writes float",
        ),
        OpRule(
            ops=("Add", "Mul"),
            role="follow",
            inputs=a8,
            weights=a8,
            outputs=Given(a8),
            why="QLinearAdd, QLinearMul",
        ),
        OpRule(
            ops=("AveragePool", "GlobalAveragePool", "LeakyRelu", "Concat"),
            role="follow",
            inputs=a8,
            outputs=Given(a8),
            why="QLinearAveragePool, QLinearGlobalAveragePool, QLinearLeakyRelu, QLinearConcat",
        ),
        OpRule(
            ops=("Sigmoid",),
            role="follow",
            inputs=a8,
            outputs=Fixed(spec=a8, scale=1 / 256, zero_point=0),
            why="QLinearSigmoid; the range is [0, 1) by definition",
        ),
        OpRule(
            ops=(
                "Reshape",
                "Flatten",
                "Transpose",
                "Squeeze",
                "Unsqueeze",
                "DepthToSpace",
                "Expand",
                "Pad",
            ),
            role="carry",
            inputs=a8,
            outputs=Shared(with_=0),
            quantize_before=True,
            why="moves 8-bit elements as they are when both sides share scale and zero point",
        ),
        OpRule(
            ops=("MaxPool", "Slice", "Gather", "Resize"),
            role="carry",
            inputs=a8,
            outputs=Shared(with_=0),
            why="picks among 8-bit elements when both sides share scale and zero point",
        ),
    )
