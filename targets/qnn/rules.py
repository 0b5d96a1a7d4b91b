"""What the QNN provider runs in integers on the HTP, as rules.

Source of every `why`: 354 single operators on the HTP simulator of `onnxruntime-qnn` 2.7.0 (QAIRT 2.51), soc 57, each
beside its real graph as the backend dumps it (2026-11-20). Only a node with Q/DQ on *all* its floating operands and
its result is one of integers there; what has no rule here runs in fp16 on the same processor, between a Dequantize
and a Quantize.
"""

from __future__ import annotations

from ...passes.spec import Fixed, Given, OpRule, PerAxis, QuantSpec, Shared
from ..cpu.kinds import of_widths

__all__ = ["AVOIDED", "htp_rules", "rules_of"]

# Operators that have no rule on purpose: on integers the HTP computes them wrong, or 8 bits are too few; in fp16 right.
# `HalveBetween` keeps them from being taken for integer ones.
AVOIDED = {
    "Swish": "the Sigmoid inside takes the output's scale: 28 dB with 8 bits where 41 are had in fp16; with 16 bits "
    "wrong where its codes leave the graph",
    "Log": "0 dB with 16 bits",
    "CumSum": "-11 dB with 8 bits and a zero point that is not 0",
    "GroupNormalization": "opens no session with anything behind it, in floats as well: PartGroupNorm",
    "LayerNormalization": "with a gamma of s8 or u16 it leaves the HTP; one of floats stays on it",
    "Softmax": "right with 8 bits, to a step, but shares below 1/512 are rounded to nothing: over 64 of them 27 dB "
    "from float, in fp16 42",
    "InstanceNormalization": "no session opens around one of s8",
    "GridSample": "right with 8 bits, to a step, but coordinates are rounded to parts of a pixel: 26 dB from float "
    "where fp16 has 41, and 11 where it takes the nearest",
}


def htp_rules() -> tuple[OpRule, ...]:
    """Rules of the HTP: u8 activations with a zero point, s8 weights per output channel, s32 biases.

    Not s8 activations: normalizations, LeakyRelu and GridSample have no such kernel. A MatMul of two activations has
    no rule: with 16 bits each the provider converts the second to 8 bits without a word (42.5 dB for 85.9), and in
    fp16 attention keeps its accuracy.

    Returns:
        The rules; first match wins.
    """
    a8 = QuantSpec(dtype="uint8", symmetric=False)
    w8 = QuantSpec(dtype="int8", granularity=PerAxis(axis=0), symmetric=True)
    return (
        OpRule(
            ops=("Conv",),
            only="depthwise",
            role="compute",
            inputs=a8,
            weights=w8,
            outputs=Given(a8),
            bias=True,
            why="DepthWiseConv2d: u8 x s8, scales along output channels",
        ),
        OpRule(
            ops=("Conv", "Gemm"),
            role="compute",
            inputs=a8,
            weights=w8,
            outputs=Given(a8),
            bias=True,
            why="Conv2d and FullyConnected: u8 x s8, scales along output channels",
        ),
        OpRule(
            ops=("ConvTranspose",),
            role="compute",
            inputs=a8,
            weights=w8,
            outputs=Given(a8),
            bias=True,
            why="TransposeConv2d: u8 x s8, scales along output channels, one scale where it has groups",
        ),
        OpRule(
            ops=("MatMul",),
            role="compute",
            inputs=a8,
            weights=w8,
            outputs=Given(a8),
            why="MatMul u8 x s8, one scale per column",
        ),
        OpRule(
            ops=("Add", "Sub", "Mul", "Div"),
            role="follow",
            inputs=a8,
            weights=a8,
            outputs=Given(a8),
            why="ElementWiseAdd and its kin",
        ),
        OpRule(
            ops=("Relu", "Clip", "AveragePool", "GlobalAveragePool", "Concat", "LeakyRelu", "HardSwish", "Elu", "Gelu"),
            role="follow",
            inputs=a8,
            outputs=Given(a8),
            why="PoolAvg2d, Concat, HardSwish, Elu, Gelu, Prelu",
        ),
        OpRule(
            ops=("Sigmoid",),
            role="follow",
            inputs=a8,
            outputs=Fixed(spec=a8, scale=1 / 256, zero_point=0),
            why="Sigmoid; where 16-bit codes leave the graph 87 dB at this range, 10 to 60 dB at a measured one",
        ),
        OpRule(
            ops=("Tanh",),
            role="follow",
            inputs=a8,
            outputs=Fixed(spec=a8, scale=1 / 128, zero_point=128),
            why="Tanh; where 16-bit codes leave the graph 87 dB at this range, 12 to 49 dB at a measured one",
        ),
        OpRule(
            ops=("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "DepthToSpace", "Expand", "Pad"),
            role="carry",
            inputs=a8,
            outputs=Shared(with_=0),
            quantize_before=True,
            why="moves 8-bit elements as they are",
        ),
        OpRule(
            ops=("MaxPool", "Slice", "Gather", "Resize"),
            role="carry",
            inputs=a8,
            outputs=Shared(with_=0),
            why="integers only where both sides share scale and zero point; else Dequantize, float, Quantize",
        ),
    )


def rules_of(rules: tuple[OpRule, ...], *, activations: int, weights: int) -> tuple[OpRule, ...]:
    """Rules of 8 bits in other widths.

    Depthwise and transposed convolutions keep 8-bit weights: the first have few of them and nothing to average errors
    over, and of the second a form with groups has one scale, with which no session opens in 4 bits.

    Args:
        rules: Those of `htp_rules`, bent or not.
        activations: 8 or 16 bits.
        weights: 8 or 4 bits.
    """
    whole = {"ConvTranspose"}
    return tuple(
        of_widths(
            rule,
            activations=activations,
            weights=8 if rule.only == "depthwise" or whole & set(rule.ops) else weights,
        )
        for rule in rules
    )
