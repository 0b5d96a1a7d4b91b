"""32-bit ARM, on the oldest ONNX Runtime edgec writes for: Debian's."""

from __future__ import annotations

from dataclasses import replace

from ..spec import Fact
from .facts import GEMM, PER_CHANNEL, cpu_target

__all__ = ["ARMV7", "DEBIAN"]

DEBIAN = Fact(
    statement="ONNX Runtime 1.21 loads opset ≤ 22 and IR version ≤ 10",
    source="Debian trixie's python3-onnxruntime 1.21.0, loading files of each version",
    date="2026-11-21",
)

ARMV7 = replace(
    cpu_target(
        "armv7",
        "armv7+neon",
        "32-bit ARM with NEON (Cortex-A7 and newer: Raspberry Pi 2, industrial boards)",
        proof=("armv7-cortex-a7",),
    ),
    max_opset=20,
    max_ir_version=10,
    facts=(
        DEBIAN,
        Fact(
            statement="its Cast does not read the 4-bit integers of opset 21, which weights of 4 bits are stored in: "
            "opset ≤ 20, and no such scheme",
            source="Debian amd64 ONNX Runtime 1.21, CPU provider",
            date="2026-11-21",
        ),
        PER_CHANNEL,
        GEMM,
        Fact(
            statement="PyPI has no wheel for armv7: ONNX Runtime comes from the distribution, or is built",
            source="PyPI, files of onnxruntime; Debian trixie armhf has 1.21.0",
            date="2026-11-20",
        ),
        Fact(
            statement="u8 x s8 Conv, Gemm and MatMul are bit-exact against the Q/DQ reference",
            source="Debian armhf ONNX Runtime 1.21 under qemu-arm -cpu cortex-a7",
            date="2026-11-20",
        ),
        Fact(
            statement="per-channel asymmetric u8 weights of a Conv fail at run time, and 8-bit weights in blocks "
            "behind quantized activations load and fail at run time: neither is emitted",
            source="Debian armhf ONNX Runtime 1.21 under qemu-arm; the second on 1.31.1, too",
            date="2026-11-20",
        ),
        Fact(
            statement="a reduction with noop_with_empty_axes and no axes fails when it runs: it goes",
            source="Debian amd64 ONNX Runtime 1.21",
            date="2026-11-21",
        ),
    ),
)
