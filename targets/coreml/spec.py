"""Facts of the CoreML targets: Apple devices that run ONNX Runtime with the CoreML provider."""

from __future__ import annotations

from ..spec import Fact, TargetSpec

__all__ = ["IPHONE_15"]

_BINARY = "onnxruntime 1.31.1, machine code and messages of the macOS wheel's CoreML provider"
_SOURCES = "onnxruntime 1.31.1, onnxruntime/core/providers/coreml/builders/impl"
_DATE = "2026-11-21"

IPHONE_15 = TargetSpec(
    name="iphone-15",
    family="coreml",
    description="iPhone 15 and 15 Plus (A16 Bionic, iOS 17 or newer) on ONNX Runtime's CoreML provider, in fp16",
    runtime="onnxruntime-objc",
    isa="arm64+a16",
    providers=("CoreMLExecutionProvider", "CPUExecutionProvider"),
    provider_options={"ModelFormat": "MLProgram", "MLComputeUnits": "ALL", "RequireStaticInputShapes": "1"},
    native="fp16",
    opset=21,
    max_opset=26,
    max_ir_version=13,
    static_shapes=True,
    weights_alone=False,
    golden_margin_db=-3.0,
    rules=(),
    proof=("coreml",),
    support=("coreml-mlprogram",),
    facts=(
        Fact(
            statement="the provider has no builder for QuantizeLinear, DequantizeLinear or any operator on integers "
            "that were quantized: Q/DQ run on the CPU and cut the graph; float16 and float32 are its types of weights "
            "and activations (8-bit weights are had from coremltools, outside ONNX Runtime)",
            source=f"{_SOURCES}/../op_builder_factory.cc, 66 operators",
            date=_DATE,
        ),
        Fact(
            statement="ML Program computes in the types its graph declares, and the Neural Engine in float16 alone: a "
            "float32 ML Program runs on GPU or CPU. NeuralNetwork format takes float32 only",
            source="coremltools guide, Typed Execution; IsInputDtypeSupport of "
            "onnxruntime/core/providers/coreml/builders/impl/base_op_builder.cc",
            date=_DATE,
        ),
        Fact(
            statement="operators up to version 27 are taken (GetMaxSupportedOpSet), ONNX Runtime 1.31.1 loads opset ≤ "
            "26 and IR version ≤ 13; 21 is emitted: Gelu is one operator from 20 on, and GroupNormalization "
            "has a scale per channel, which the provider multiplies with, from 21 on",
            source=_BINARY,
            date=_DATE,
        ),
        Fact(
            statement="INT64 is taken wherever FLOAT is in ML Program format (CoreML stores it as INT32), INT32 by "
            "Cast, Shape, Tile and GatherND alone: integers stay INT64",
            source=_BINARY,
            date=_DATE,
        ),
        Fact(
            statement="tensors have at most 5 dimensions; one beyond 16384 keeps a convolution off, nothing else",
            source=_BINARY,
            date=_DATE,
        ),
        Fact(
            statement="a partition of nothing but Cast, Ceil, Flatten, Identity, Reshape, Squeeze, Tile, Transpose and "
            "Unsqueeze is left to the CPU (IsTrivial)",
            source=_BINARY,
            date=_DATE,
        ),
        Fact(
            statement="BatchNormalization, Gather, Pad, ReduceMin and ReduceProd make ML Programs, though the list of "
            "operators in the wheel does not name them; Flatten and LRN do not",
            source=f"{_BINARY}; onnxruntime/tools/mobile_helpers/coreml_supported_mlprogram_ops.md",
            date=_DATE,
        ),
        Fact(
            statement="options it knows: MLComputeUnits (ALL, CPUAndNeuralEngine, CPUAndGPU, CPUOnly), ModelFormat "
            "(MLProgram, NeuralNetwork, its default), RequireStaticInputShapes, EnableOnSubgraphs, "
            "SpecializationStrategy, ProfileComputePlan, AllowLowPrecisionAccumulationOnGPU, ModelCacheDirectory; an "
            "unknown one is an error",
            source=f"{_BINARY}; onnxruntime/core/providers/coreml/coreml_options.cc",
            date=_DATE,
        ),
        Fact(
            statement="iPhone 15: A16 Bionic, 16-core Neural Engine, 6 GB; iOS 17, which has CoreML 7, as delivered. "
            "CoreML 6 (iOS 16) is needed for float16 in Gather, Slice and Tile, CoreML 7 in DepthToSpace",
            source=f"Apple, iPhone 15 technical specifications; {_SOURCES}",
            date="2023-09-22",
        ),
        Fact(
            statement="nothing was executed on CoreML: no Mac was at hand; outputs, times and the compute unit it "
            "chooses are not known",
            source="sources and the wheel's machine code alone",
            date=_DATE,
        ),
    ),
)
