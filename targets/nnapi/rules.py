"""What ONNX Runtime's NNAPI provider multiplies and moves in integers.

One type of activations: uint8 with a zero point. Convolutions take int8 weights with a scale per output channel,
products of matrices with one scale, which the provider turns into uint8 with zero point 128. Every group writes uint8:
a Gemm that writes float is taken and fails. Products of two activations stay in float, where NNAPI has them.

Source of every `why`: `support.py` beside it.
"""

from __future__ import annotations

from ...passes.spec import Fixed, Given, OpRule, PerAxis, QuantSpec, Shared

__all__ = ["nnapi_integer_rules"]


def nnapi_integer_rules() -> tuple[OpRule, ...]:
    """Rules of the NNAPI provider; first match wins."""
    a8 = QuantSpec(dtype="uint8", symmetric=False)
    channels = QuantSpec(dtype="int8", granularity=PerAxis(axis=0), symmetric=True)
    matrix = QuantSpec(dtype="int8", symmetric=True)
    return (
        OpRule(
            ops=("Conv",),
            role="compute",
            inputs=a8,
            weights=channels,
            outputs=Given(a8),
            bias=True,
            why="CONV_2D, DEPTHWISE_CONV_2D, GROUPED_CONV_2D; a scale per channel from feature level 3 (Android 10) on",
        ),
        OpRule(
            ops=("Gemm",),
            role="compute",
            inputs=a8,
            weights=matrix,
            outputs=Given(a8),
            bias=True,
            why="FULLY_CONNECTED: one scale for the weights, stored as (inputs, outputs)",
        ),
        OpRule(
            ops=("MatMul",),
            role="compute",
            inputs=a8,
            weights=matrix,
            outputs=Given(a8),
            why="FULLY_CONNECTED: a matrix times constant weights",
        ),
        OpRule(
            ops=("Add", "Mul"),
            role="follow",
            inputs=a8,
            weights=a8,
            outputs=Given(a8),
            why="ADD, MUL: u8 and u8, up to four dimensions",
        ),
        OpRule(ops=("Concat",), role="follow", inputs=a8, outputs=Given(a8), why="CONCATENATION: params may differ"),
        OpRule(
            ops=("Softmax",),
            role="follow",
            inputs=a8,
            outputs=Fixed(spec=a8, scale=1 / 256, zero_point=0),
            why="SOFTMAX: scale 1/256, zero point 0",
        ),
        OpRule(
            ops=("Reshape", "Transpose", "Resize", "AveragePool"),
            role="carry",
            inputs=a8,
            outputs=Shared(with_=0),
            why="RESHAPE, TRANSPOSE, RESIZE_*, AVERAGE_POOL_2D: the same params on both sides",
        ),
    )
