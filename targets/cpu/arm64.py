"""64-bit ARM: boards and phones on ONNX Runtime's CPU provider. Two kinds of kernels, without and with dot product."""

from __future__ import annotations

from dataclasses import replace

from ..spec import Fact
from .facts import cpu_target

__all__ = ["ANDROID_CPU", "ARM64", "ARM64_DOTPROD", "RASPBERRY_PI_4", "RASPBERRY_PI_5"]

_UNFUSED = Fact(
    statement="s8 activations with u8 weights are not fused on ARM: never emitted",
    source="ONNX Runtime 1.31.1 aarch64 under qemu, optimized graphs",
    date="2026-11-20",
)

ARM64 = cpu_target(
    "arm64",
    "aarch64",
    "64-bit ARM without dot product (Cortex-A53, A72: Raspberry Pi 3 and 4)",
    Fact(
        statement="u8 x s8 is bit-exact against the Q/DQ reference",
        source="ONNX Runtime 1.31.1 aarch64 under qemu -cpu cortex-a72",
        date="2026-11-20",
    ),
    _UNFUSED,
    proof=("arm64-cortex-a72", "arm64-cortex-a53"),
)

ARM64_DOTPROD = cpu_target(
    "arm64-dotprod",
    "aarch64+dotprod",
    "64-bit ARM with dot product (Cortex-A76 and newer: Raspberry Pi 5, phones since 2019, Apple silicon)",
    Fact(
        statement="u8 x s8 is bit-exact against the Q/DQ reference and equal to x86 with VNNI",
        source="ONNX Runtime 1.31.1 aarch64 under qemu -cpu cortex-a76",
        date="2026-11-20",
    ),
    _UNFUSED,
    proof=("arm64-cortex-a76",),
)

RASPBERRY_PI_4 = replace(
    ARM64,
    name="raspberry-pi-4",
    description="Raspberry Pi 4 (4 x Cortex-A72, no dot product), 64-bit system",
    proof=("arm64-cortex-a72",),
    facts=(
        Fact(
            statement="BCM2711: four Cortex-A72, ARMv8.0 without dot product and without fp16 arithmetic; "
            "sold with 1, 2, 4 and 8 GB, so its memory is not known here",
            source="Raspberry Pi 4 Model B product brief; Arm, Cortex-A72 Technical Reference Manual",
            date="2026-11-21",
        ),
        *ARM64.facts,
    ),
)

RASPBERRY_PI_5 = replace(
    ARM64_DOTPROD,
    name="raspberry-pi-5",
    description="Raspberry Pi 5 (4 x Cortex-A76, dot product), 64-bit system",
    facts=(
        Fact(
            statement="BCM2712: four Cortex-A76, ARMv8.2 with dot product and fp16 arithmetic; "
            "sold with several sizes of memory, so it is not known here",
            source="Raspberry Pi 5 product brief; Arm, Cortex-A76 Technical Reference Manual",
            date="2026-11-21",
        ),
        *ARM64_DOTPROD.facts,
    ),
)

ANDROID_CPU = replace(
    ARM64_DOTPROD,
    name="android-cpu",
    description="Android phone on its CPU, 64-bit (Cortex-A76 and newer)",
    # The same bundle must be right on the small cores of older phones, too.
    proof=("arm64-cortex-a76", "arm64-cortex-a53"),
    facts=(
        Fact(
            statement="no bionic build of ONNX Runtime comes as a package that runs here: the aarch64 build for "
            "Linux, which has the same kernels, stands for it",
            source="PyPI, Debian and npm, looked through (onnxruntime-android is on Maven alone)",
            date="2026-11-20",
        ),
        *ARM64_DOTPROD.facts,
    ),
)
