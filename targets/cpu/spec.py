"""Facts of the CPU targets: which kernels ONNX Runtime's CPU provider has on each instruction set."""

from __future__ import annotations

from ..spec import Fact, TargetSpec
from .rules import cpu_rules

__all__ = ["ARM64", "ARM64_DOTPROD", "X86_64_AVX2", "X86_64_VNNI"]

_RUNTIME = Fact(
    statement="ONNX Runtime 1.31.1 loads opset ≤ 26 and IR version ≤ 13; onnx 1.23 writes newer ones by default",
    source="ONNX Runtime 1.31.1, loading files of each version",
    date="2026-11-20",
)
_PER_CHANNEL = Fact(
    statement="DequantizeLinear has an axis from opset 13 on, which per-channel weights need",
    source="ONNX operator changelog, DequantizeLinear-13",
    date="2021-01-01",
)
_GEMM = Fact(
    statement="QGemm writes float; MatMul + Add(bias) around Q/DQ is re-fused to a float Gemm (MatMulAddFusion)",
    source="ONNX Runtime 1.31.1, optimized graphs of both forms",
    date="2026-11-20",
)
_S8_ACTIVATIONS = Fact(
    statement="int8 activations at opset ≥ 21 fail to load when a Q crosses Reshape or Transpose on x86: never emitted",
    source="ONNX Runtime 1.31.1, QDQ propagation + QDQS8ToU8Transformer",
    date="2026-11-20",
)


def _cpu(name: str, isa: str, description: str, *facts: Fact, reduce_range: bool = False) -> TargetSpec:
    """A processor that ONNX Runtime's CPU provider runs on; they differ in their int8 instructions."""
    return TargetSpec(
        name=name,
        family="cpu",
        description=description,
        runtime="onnxruntime-cpu",
        isa=isa,
        opset=13,
        max_opset=26,
        max_ir_version=13,
        rules=cpu_rules(reduce_range=reduce_range),
        facts=(_RUNTIME, _PER_CHANNEL, _GEMM, *facts),
    )


X86_64_VNNI = _cpu(
    "x86-64-vnni",
    "x86_64+vnni",
    "x86-64 with AVX512-VNNI or AVX-VNNI (Ice Lake, Alder Lake, Zen 4 and newer)",
    _S8_ACTIVATIONS,
    Fact(
        statement="u8 x s8 runs 2.2x (MobileNetV2) to 3.4x (ResNet18) faster than float; u8 x u8 1.04x to 1.4x, "
        "s8 x s8 1.27x to 1.33x, and 16-bit activations slower than float",
        source="ONNX Runtime 1.31.1, Zen 4, one thread, minimum of runs",
        date="2026-11-20",
    ),
)

X86_64_AVX2 = _cpu(
    "x86-64-avx2",
    "x86_64+avx2",
    "x86-64 with AVX2 and no VNNI (Haswell to Skylake client, Zen 1 to Zen 3)",
    _S8_ACTIVATIONS,
    Fact(
        statement="u8 x s8 products are added in saturating 16 bits (vpmaddubsw): ResNet18 17.0 dB against float, "
        "28.1 dB with 7-bit weights (reduce_range), 29.4 dB on VNNI",
        source="ONNX Runtime 1.31.1 under qemu-x86_64 -cpu Haswell",
        date="2026-11-20",
    ),
    reduce_range=True,
)

ARM64 = _cpu(
    "arm64",
    "aarch64",
    "64-bit ARM without dot product (Cortex-A53, A72: Raspberry Pi 4)",
    Fact(
        statement="u8 x s8 is bit-exact against the Q/DQ reference; s8 activations with u8 weights are not fused",
        source="ONNX Runtime 1.31.1 aarch64 under qemu -cpu cortex-a72",
        date="2026-11-20",
    ),
)

ARM64_DOTPROD = _cpu(
    "arm64-dotprod",
    "aarch64+dotprod",
    "64-bit ARM with dot product (Cortex-A76 and newer: Raspberry Pi 5, phones since 2019, Apple silicon)",
    Fact(
        statement="u8 x s8 is bit-exact against the Q/DQ reference and equal to x86 with VNNI",
        source="ONNX Runtime 1.31.1 aarch64 under qemu -cpu cortex-a76",
        date="2026-11-20",
    ),
)
