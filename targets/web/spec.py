"""Facts of the web target: pages that ship ONNX Runtime as WebAssembly."""

from __future__ import annotations

from ..cpu.facts import GEMM, PER_CHANNEL
from ..spec import Fact, Limits, TargetSpec
from .rules import LEAST_PRODUCTS, web_rules

__all__ = ["WEB_WASM"]

_MEASURED = "onnxruntime-web 1.30.0, Node.js 20.20, one thread of a Zen 4"

WEB_WASM = TargetSpec(
    name="web-wasm",
    family="web",
    description="Web pages and Node.js on ONNX Runtime as WebAssembly (onnxruntime-web)",
    runtime="onnxruntime-web",
    isa="wasm32+simd128",
    opset=13,
    max_opset=26,
    max_ir_version=13,
    rules=web_rules(),
    proof=("web-wasm", "web-wasm-chromium"),
    limits=Limits(memory_bytes=4 << 30),
    facts=(
        Fact(
            statement="onnxruntime-web 1.30.0 loads opset ≤ 26 and IR version ≤ 13",
            source="onnxruntime-web 1.30.0, loading files of each version",
            date="2026-11-21",
        ),
        PER_CHANNEL,
        GEMM,
        Fact(
            statement="one address space of 4 GiB for library, weights and activations; a page gets less on phones",
            source="WebAssembly core specification 2.0, memory of 65,536 pages of 64 KiB; the build is wasm32",
            date="2022-04-19",
        ),
        Fact(
            statement="integer kernels take less time per product than float's and more per element: they pay from "
            f"about {LEAST_PRODUCTS['Conv']} products per element on in convolutions, {LEAST_PRODUCTS['Gemm']} in "
            "products of matrices; depthwise convolutions take 5x float's time",
            source=f"{_MEASURED}, profiles of 30 single kernels",
            date="2026-11-21",
        ),
        Fact(
            statement="everything in int8 takes 2.4x float's time on MobileNetV2 (90 against 37 ms), 0.67x on "
            "ResNet56 and on a six-layer encoder",
            source=f"{_MEASURED}, sums of kernel times",
            date="2026-11-21",
        ),
        Fact(
            statement="int8 activations fail to load at opset ≥ 21 when a Q crosses Reshape or Transpose, as on x86: "
            "never emitted",
            source="onnxruntime-web 1.30.0; QDQ propagation + QDQS8ToU8Transformer",
            date="2026-11-20",
        ),
        Fact(
            statement="MatMulNBits computes in float at every accuracy_level: its integers are storage alone",
            source="onnxruntime-web 1.30.0, outputs against the CPU provider's (45.7 dB at level 4)",
            date="2026-11-20",
        ),
        Fact(
            statement="a model whose output is declared with another rank than its nodes give does not load, where "
            "other builds of ONNX Runtime warn: edgec drops such declarations",
            source="onnxruntime-web 1.30.0, a MobileNetV2 whose `logits` of rank 2 are declared a scalar",
            date="2026-11-21",
        ),
    ),
)
