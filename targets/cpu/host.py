"""The machine edgec runs on, as a target: which of the CPU targets has its instruction set."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

from ...errors import TargetError
from ..spec import Fact, TargetSpec
from .spec import ARM64, ARM64_DOTPROD, X86_64_AVX2, X86_64_VNNI

__all__ = ["cpu_features", "host"]

_X86 = ("x86_64", "amd64")
_ARM = ("aarch64", "arm64")


def host() -> TargetSpec:
    """The CPU target whose instruction set this machine has.

    Raises:
        TargetError: No target describes this processor.
    """
    machine, features = platform.machine().lower(), cpu_features()
    if machine in _X86 and features & {"avx512_vnni", "avx_vnni"}:
        base = X86_64_VNNI
    elif machine in _X86:
        # Older than AVX2 is rare and safe: 7-bit weights cannot saturate any kernel.
        base = X86_64_AVX2
    elif machine in _ARM:
        base = ARM64_DOTPROD if "asimddp" in features else ARM64
    else:
        raise TargetError(
            "target 'host'",
            f"this processor ({machine or 'unknown'}) is none of x86-64 and arm64",
            remedy="Name a target (`edgec targets` lists them) or describe yours in a TOML file",
        )
    detected = Fact(
        statement=f"detected as {base.name}: {', '.join(sorted(features)) or 'no relevant features'}",
        source=f"{machine}, numpy's CPU dispatcher and the operating system",
        date="now",
    )
    return replace(
        base,
        name="host",
        description=f"This machine: {base.description}",
        proof=("onnxruntime-cpu",),
        facts=(detected, *base.facts),
    )


def cpu_features() -> frozenset[str]:
    """The features among avx2, avx_vnni, avx512_vnni, asimddp that this processor has.

    numpy's dispatcher knows them on every system; AVX-VNNI (without AVX-512) it does not know, so
    Linux' /proc/cpuinfo is asked too where there is one.
    """
    from numpy._core._multiarray_umath import __cpu_features__  # type: ignore[import-not-found]

    names = {"avx2": "AVX2", "avx512_vnni": "AVX512VNNI", "asimddp": "ASIMDDP"}
    found = {ours for ours, theirs in names.items() if __cpu_features__.get(theirs)}
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        words = set(cpuinfo.read_text(encoding="utf-8", errors="replace").split())
        found |= words & {"avx2", "avx_vnni", "avx512_vnni", "asimddp"}
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        found.add("asimddp")  # every Apple silicon core has it (ARMv8.4)
    return frozenset(found)
