"""x86-64 processors, with and without VNNI."""

from __future__ import annotations

from ..spec import Fact
from .facts import cpu_target

__all__ = ["X86_64_AVX2", "X86_64_VNNI"]

_S8_ACTIVATIONS = Fact(
    statement="int8 activations at opset ≥ 21 fail to load when a Q crosses Reshape or Transpose on x86: never emitted",
    source="ONNX Runtime 1.31.1, QDQ propagation + QDQS8ToU8Transformer",
    date="2026-11-20",
)

X86_64_VNNI = cpu_target(
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
    proof=("onnxruntime-cpu",),
)

X86_64_AVX2 = cpu_target(
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
    proof=("x86-64-haswell",),
    reduce_range=True,
)
