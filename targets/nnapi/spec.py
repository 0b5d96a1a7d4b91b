"""Facts of the NNAPI targets: phones whose apps ship ONNX Runtime with the NNAPI provider."""

from __future__ import annotations

from ..cpu.facts import PER_CHANNEL
from ..spec import Fact, Limits, TargetSpec
from .rules import nnapi_integer_rules

__all__ = ["PIXEL_8_NNAPI"]

_SOURCE = "microsoft/onnxruntime, onnxruntime/core/providers/nnapi/nnapi_builtin"
_DATE = "2026-11-21"

PIXEL_8_NNAPI = TargetSpec(
    name="pixel-8-nnapi",
    family="nnapi",
    description="Google Pixel 8 (Tensor G3) on ONNX Runtime's NNAPI provider",
    runtime="onnxruntime-nnapi",
    isa="aarch64+i8mm",
    providers=("NnapiExecutionProvider", "CPUExecutionProvider"),
    opset=22,
    max_opset=22,
    max_ir_version=10,
    static_shapes=True,
    weights_alone=False,
    golden_margin_db=-3.0,  # another library rounds every activation
    rules=nnapi_integer_rules(),
    support=("nnapi-7",),
    limits=Limits(memory_bytes=8 << 30),
    facts=(
        Fact(
            statement="NNAPI is deprecated since Android 15: it stays, most devices will run it on the CPU, and Google "
            "advises other ways; pixel-8 (XNNPACK) is the target for new apps",
            source="Google, NNAPI Migration Guide (developer.android.com/ndk/guides/neuralnetworks/migration-guide); "
            "microsoft/onnxruntime issues 23206, 28784",
            date="2025-04-07",
        ),
        Fact(
            statement="Android 14 reports NNAPI feature level 7 or 8; ONNX Runtime's provider asks for levels up to 4 "
            "(Android 11) and treats later ones alike",
            source=f"{_SOURCE}, nnapi_lib/NeuralNetworksTypes.h and every GetMinSupportedNNAPIFeatureLevel",
            date=_DATE,
        ),
        Fact(
            statement="static shapes, no initializers in external files, activations of uint8 with one scale; weights "
            "of int8 around zero or of uint8; a scale per output channel for convolutions alone",
            source=f"{_SOURCE}/builders: base_op_builder.cc, op_builder_helpers.cc, helper.cc",
            date=_DATE,
        ),
        Fact(
            statement="taken among integers, Q/DQ around them: Conv, Gemm, MatMul, Add, Mul, Concat, Softmax, Reshape, "
            "Transpose, Resize, AveragePool; any other operator between a DQ and a Q goes to the CPU with both",
            source=f"{_SOURCE}/builders/helper.cc, GetQuantizedOpType; IsNodeUnitTypeSupported of every builder",
            date=_DATE,
        ),
        Fact(
            statement="ONNX Runtime carries Q/DQ past MaxPool, Slice, Squeeze and Unsqueeze before it asks the "
            "provider, which has no integers for them: they go to the CPU unless another float operator stands between",
            source="onnxruntime 1.31.1, saved at optimization level basic; microsoft/onnxruntime, qdq_propagation.cc; "
            "pull request 29201 (groups of MaxPool from operator set 22 on)",
            date=_DATE,
        ),
        Fact(
            statement="a Gemm group that writes float, or has int8 weights and transB = 1, or a scale per row; a "
            "Concat group with a constant behind its first operand: each is taken and then fails, and no session opens",
            source=f"{_SOURCE}/builders: op_builder_helpers.cc (IsQuantizedIOSupported), model_builder.cc "
            "(CollectQuantizedInputs, GetInputDataType), gemm_op_builder.cc",
            date=_DATE,
        ),
        PER_CHANNEL,
    ),
)
