"""The CPU targets: processors that ONNX Runtime's CPU provider runs on, one file per instruction set."""

from __future__ import annotations

from .arm64 import ANDROID_CPU, ARM64, ARM64_DOTPROD, RASPBERRY_PI_4, RASPBERRY_PI_5
from .armv7 import ARMV7
from .x86 import X86_64_AVX2, X86_64_VNNI

__all__ = [
    "ANDROID_CPU",
    "ARM64",
    "ARM64_DOTPROD",
    "ARMV7",
    "RASPBERRY_PI_4",
    "RASPBERRY_PI_5",
    "X86_64_AVX2",
    "X86_64_VNNI",
]
