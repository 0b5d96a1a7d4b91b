"""Facts of the WebGPU target: graphics cards behind a page, through ONNX Runtime's WebGPU provider."""

from __future__ import annotations

from ..spec import Fact, TargetSpec

__all__ = ["WEB_WEBGPU"]

_MEASURED = "onnxruntime-node 1.30.0, its WebGPU provider on Mesa 25.0.7 lavapipe"

WEB_WEBGPU = TargetSpec(
    name="web-webgpu",
    family="webgpu",
    description="Web pages and Node.js on ONNX Runtime's WebGPU provider (onnxruntime-web, onnxruntime-node)",
    runtime="onnxruntime-web",
    isa="webgpu",
    providers=("WebGpuExecutionProvider", "CPUExecutionProvider"),
    native="w8",
    opset=17,
    max_opset=26,
    max_ir_version=13,
    golden_margin_db=-3.0,
    rules=(),
    proof=("webgpu-node", "webgpu-chromium"),
    facts=(
        Fact(
            statement="has DequantizeLinear and no QuantizeLinear: each quantized activation is copied to the CPU, "
            "quantized there and copied back; the products between are computed in float32",
            source=f"{_MEASURED}, profile of one run",
            date="2026-11-21",
        ),
        Fact(
            statement="integer constants behind Cast and Mul are expanded when the model is loaded, those behind "
            "DequantizeLinear at every run; DequantizeLinear in blocks before MatMul does not become MatMulNBits",
            source=f"{_MEASURED}, profile of one run",
            date="2026-11-21",
        ),
        Fact(
            statement="MatMulNBits of 4 bits runs on every size tried, blocks of 16 to 256, 1 to 1000 columns, 1 to "
            "130 rows, within 1e-4 of float",
            source=f"{_MEASURED}, 75 products against numpy",
            date="2026-11-21",
        ),
        Fact(
            statement="float16 needs the device feature shader-f16, which a page must not take for granted: without "
            "it a float16 model does not run; w8 runs everywhere, and its kernels are those of float32",
            source="WebGPU, W3C Candidate Recommendation, GPUFeatureName; Chromium 150 on SwiftShader: `requires f16 "
            "but the device does not support it`",
            date="2026-11-21",
        ),
        Fact(
            statement="all MACs of MobileNetV2, ResNet56, DS-CNN and a six-layer encoder run on the provider; of the "
            "encoder, 8 nodes that compute shapes and its mask stay on the CPU, 216 bytes crossing",
            source=f"{_MEASURED}, profile of one run",
            date="2026-11-21",
        ),
        Fact(
            statement="quantized activations of MobileNetV2 would cross 35.7 MB at every inference, DS-CNN's 0.4 MB, "
            "which there takes 2.1x float's time; weights in 8 bits take float's time",
            source=f"{_MEASURED}, tests/benchmarks/against_float.py",
            date="2026-11-21",
        ),
        Fact(
            statement="int16 constants behind Cast to int64 make a page's session fail (`Provider type for Cast "
            "node is not set`), where other builds fold them: indices are not stored in fewer bits",
            source="onnxruntime-web 1.30.0, its WebGPU provider in Chromium 150",
            date="2026-11-21",
        ),
        Fact(
            statement="a machine without a driver gets no session, not one on the CPU: Failed to get a WebGPU adapter",
            source=f"{_MEASURED}, no driver named",
            date="2026-11-21",
        ),
    ),
)
