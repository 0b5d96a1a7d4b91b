"""Facts of the XNNPACK targets: phones whose apps ship ONNX Runtime with the XNNPACK provider."""

from __future__ import annotations

from ..cpu.armv7 import DEBIAN
from ..cpu.facts import PER_CHANNEL
from ..spec import Fact, Limits, TargetSpec
from .rules import xnnpack_rules

__all__ = ["PIXEL_8"]

PIXEL_8 = TargetSpec(
    name="pixel-8",
    family="xnnpack",
    description="Google Pixel 8 (Tensor G3) on ONNX Runtime's XNNPACK provider",
    runtime="onnxruntime-xnnpack",
    isa="aarch64+i8mm",
    providers=("XnnpackExecutionProvider", "CPUExecutionProvider"),
    opset=13,
    max_opset=20,
    max_ir_version=10,
    rules=xnnpack_rules(),
    proof=("xnnpack-x86-64", "xnnpack-arm64"),
    limits=Limits(memory_bytes=8 << 30),
    facts=(
        Fact(
            statement="Tensor G3: Cortex-X3, 4 x Cortex-A715, 4 x Cortex-A510 (ARMv9: dot product, i8mm, fp16); "
            "8 GB of memory, 12 GB in the Pixel 8 Pro",
            source="Google, Pixel 8 technical specifications; Arm, Technical Reference Manuals of the cores",
            date="2023-10-04",
        ),
        Fact(
            statement="XNNPACK's QLinearConv takes s8 x s8 with a scale per output channel (zero point 0, axis 0) and "
            "u8 x u8 with one; u8 x s8 is left to the CPU provider: 52, 52 and 0 of 52 convolutions of a MobileNetV2",
            source="ONNX Runtime 1.21 (Debian), profile of one run; xnnpack/nn/conv_base.cc",
            date="2026-11-20",
        ),
        Fact(
            statement="it needs channels, height and width known before it runs; the batch may be dynamic",
            source="ONNX Runtime, xnnpack/nn/conv_base.cc, max_pool.cc, average_pool.cc",
            date="2026-11-21",
        ),
        Fact(
            statement="Add, Mul, Concat, Gemm and MatMul have no XNNPACK kernel for integers: they run in integers on "
            "the CPU provider",
            source="ONNX Runtime 1.21 (Debian), profile of one run",
            date="2026-11-20",
        ),
        Fact(
            statement="its float Gemm and linear Resize end the process, fail or compute one row where an image or a "
            "number of rows is not known; a clamp is fused although others read the convolution, or without its "
            "bounds; a weight outside its body is not found; a Transpose before an integer convolution, and a float "
            "Pad before a Q, end in no session: each is written in another form (`mend` in `pipeline.py`)",
            source="ONNX Runtime 1.21 (Debian): 500 forms of single operators and 220 awkward graphs, each against the "
            "CPU provider",
            date="2026-11-21",
        ),
        DEBIAN,
        Fact(
            statement="int8 activations at opset ≥ 21 fail to load on x86 when a Q crosses Reshape or Transpose: "
            "opset ≤ 20, so that the bundle that ships is the one that is proved on x86",
            source="ONNX Runtime 1.31.1, QDQ propagation + QDQS8ToU8Transformer",
            date="2026-11-20",
        ),
        PER_CHANNEL,
    ),
)
