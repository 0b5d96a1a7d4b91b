"""How much memory this process holds, on any system."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["give_back", "peak_bytes", "resident_bytes"]


def peak_bytes() -> int:
    """Largest resident set of this process so far, in bytes; 0 where the system does not tell."""
    if sys.platform == "win32":
        return _windows_counters()[0]
    status = Path("/proc/self/status")
    if status.is_file():
        # ru_maxrss of a child starts at the size its parent had when it forked; VmHWM is its own.
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024  # kilobytes everywhere but on macOS


def resident_bytes() -> int:
    """Resident set of this process now, in bytes; the peak where the system tells only that."""
    if sys.platform == "win32":
        return _windows_counters()[1]
    statm = Path("/proc/self/statm")
    if statm.is_file():
        import resource

        return int(statm.read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    return peak_bytes()


def give_back() -> None:
    """Return what was freed to the system, where the C library keeps it for later: glibc does."""
    if sys.platform == "linux":
        import ctypes

        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)


def _windows_counters() -> tuple[int, int]:
    """(peak, current) working set, from GetProcessMemoryInfo."""
    import ctypes

    class Counters(ctypes.Structure):
        _fields_ = [("cb", ctypes.c_uint32), ("faults", ctypes.c_uint32)] + [
            (name, ctypes.c_size_t)
            for name in ("peak", "current", "qpp", "qp", "qpnp", "qnp", "pagefile", "peak_pagefile")
        ]

    counters = Counters()
    counters.cb = ctypes.sizeof(counters)
    windll = getattr(ctypes, "windll")  # noqa: B009 - absent from the stubs of other systems
    process = windll.kernel32.GetCurrentProcess()
    if not windll.psapi.GetProcessMemoryInfo(process, ctypes.byref(counters), counters.cb):
        return 0, 0
    return int(counters.peak), int(counters.current)
