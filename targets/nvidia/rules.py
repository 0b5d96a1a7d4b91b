"""What TensorRT computes in INT8, as rules: explicit quantization, symmetric everywhere.

Source of every `why`: NVIDIA, TensorRT 10 documentation, "Working with Quantized Types" and "Explicit Quantization",
and onnx-tensorrt, docs/operators.md of TensorRT 10.15 (read 2026-11-21): codes signed with zero point 0, one scale for
an activation, one per output channel for weights, biases in floats. What has no rule here runs in fp16 beside it, as
TensorRT chooses.
"""

from __future__ import annotations

from ...passes.spec import Given, OpRule, PerAxis, QuantSpec, Shared

__all__ = ["tensorrt_rules"]


def tensorrt_rules() -> tuple[OpRule, ...]:
    """Rules of TensorRT: s8 activations and s8 weights per output channel, zero points 0; first match wins.

    A MatMul of two activations has no rule: attention is one fused kernel in fp16, which Q/DQ inside would split. Nor
    have Sigmoid, Tanh and their kin, which are computed in floats in the kernel before them.
    """
    a8 = QuantSpec(dtype="int8", symmetric=True)
    w8 = QuantSpec(dtype="int8", granularity=PerAxis(axis=0), symmetric=True)
    return (
        OpRule(
            ops=("Conv", "ConvTranspose"),
            role="compute",
            inputs=a8,
            weights=w8,
            outputs=Given(a8),
            output="optional",
            why="INT8 convolution; Relu, Clip and a sum with a residual in INT8 run inside",
        ),
        OpRule(
            ops=("Gemm", "MatMul"),
            role="compute",
            inputs=a8,
            weights=w8,
            outputs=Given(a8),
            output="optional",
            why="INT8 product with constant weights; writes integers or floats",
        ),
        OpRule(
            ops=("Add",),
            role="follow",
            inputs=a8,
            weights=a8,
            outputs=Given(a8),
            why="elementwise sum of INT8, or the end of the convolution before it (`SumUnrounded`)",
        ),
        OpRule(
            ops=("AveragePool", "GlobalAveragePool", "Concat"),
            role="follow",
            inputs=a8,
            outputs=Given(a8),
            why="pooling and concatenation of INT8",
        ),
        OpRule(
            ops=("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "DepthToSpace", "Expand"),
            role="carry",
            inputs=a8,
            outputs=Shared(with_=0),
            quantize_before=True,
            why="moves elements: Q and DQ commute with it",
        ),
        OpRule(
            ops=("MaxPool", "Slice", "Gather", "Resize"),
            role="carry",
            inputs=a8,
            outputs=Shared(with_=0),
            why="picks among elements: Q and DQ commute with it",
        ),
    )
