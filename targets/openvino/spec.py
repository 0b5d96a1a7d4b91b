"""Facts of the OpenVINO target: Intel processors that run ONNX Runtime's build with OpenVINO."""

from __future__ import annotations

from ..cpu.facts import PER_CHANNEL
from ..spec import Fact, TargetSpec
from .rules import openvino_rules

__all__ = ["INTEL_OPENVINO"]

_MEASURED = "onnxruntime-openvino 1.24.1 (OpenVINO 2025.4), one thread of a Zen 5, minimum of runs"

INTEL_OPENVINO = TargetSpec(
    name="intel-openvino",
    family="openvino",
    description="Intel processors with VNNI on ONNX Runtime with OpenVINO (onnxruntime-openvino)",
    runtime="onnxruntime-openvino",
    isa="x86_64+vnni",
    providers=("OpenVINOExecutionProvider", "CPUExecutionProvider"),
    provider_options={"device_type": "CPU"},
    opset=13,
    max_opset=25,
    max_ir_version=13,
    golden_margin_db=-3.0,  # every activation rounded in another place: twice the noise of quantization
    rules=openvino_rules(),
    proof=("openvino-cpu",),
    facts=(
        Fact(
            statement="onnxruntime-openvino 1.24.1 loads opset ≤ 25 and IR version ≤ 13, shapes static or dynamic",
            source="onnxruntime-openvino 1.24.1, loading files of each version",
            date="2026-11-21",
        ),
        PER_CHANNEL,
        Fact(
            statement="u8 x s8 in QDQ form becomes oneDNN's integer kernels: all MACs of DS-CNN, ResNet56 and "
            "MobileNetV2, 94% of a six-layer encoder's, whose attention OpenVINO computes in one kernel of its own",
            source="onnxruntime-openvino 1.24.1, what oneDNN 3.8 prints of the primitives it executes",
            date="2026-11-21",
        ),
        Fact(
            statement="integers run 1.2x (DS-CNN), 2.2x (MobileNetV2), 2.4x (ResNet56) and 2.5x (six-layer encoder) "
            "faster than float; s8 activations as fast in convolutions",
            source=_MEASURED,
            date="2026-11-21",
        ),
        Fact(
            statement="s8 symmetric activations run an encoder 1.14x to 1.21x faster than u8, and lose 3.8 dB (16.5 "
            "against 20.3): u8 is emitted, which the CPU provider behind it fuses, too",
            source=f"{_MEASURED}; sentence encoder, 300 pairs",
            date="2026-11-21",
        ),
        Fact(
            statement="u8 weights and 16-bit activations are expanded to float: ResNet18 32 and 31 ms against 8.6",
            source="onnxruntime-openvino 1.24.1, Zen 4, one thread, minimum of runs",
            date="2026-11-20",
        ),
        Fact(
            statement="DynamicQuantizeLinear and MatMulInteger are computed in float: 1.2x (DS-CNN) to 1.6x (CCT) "
            "float's time; weights stored in 8 bits cost none",
            source=_MEASURED,
            date="2026-11-21",
        ),
        Fact(
            statement="takes no ReduceMean, ReduceSum or norm whose result has no axes; a cut graph has weights "
            "expanded apart from their layers, which run in float: LPRNet 0% of the MACs in integers, 91% uncut",
            source="onnxruntime-openvino 1.24.1, assignment record and what oneDNN prints",
            date="2026-11-21",
        ),
        Fact(
            statement="rounds elsewhere than the CPU provider, a little nearer to float: MobileNetV2 23.1 dB against "
            "22.8, ResNet56 28.3 against 28.0; between the two 27.6 and 29.5 dB",
            source="onnxruntime-openvino 1.24.1 and ONNX Runtime 1.31.1, 400 samples each",
            date="2026-11-21",
        ),
        Fact(
            statement="a device that is not there, or a bad option, leaves a session on the CPU provider; an unknown "
            "device is taken for the default: options are checked, and sessions, before anything runs",
            source="onnxruntime-openvino 1.24.1, opening sessions",
            date="2026-11-21",
        ),
    ),
)
