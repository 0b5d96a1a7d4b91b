"""The machine a proof was made on."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Machine"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """Where a number was measured.

    Attributes:
        cpu: The processor's name as its maker gives it, else its architecture.
        architecture: `x86_64`, `arm64`, ...
        cores: Logical cores this process may use.
        system: Operating system and release.
        python: Version of the interpreter.
    """

    cpu: str
    architecture: str
    cores: int
    system: str
    python: str

    @classmethod
    def here(cls) -> Machine:
        """The machine this process runs on."""
        architecture = platform.machine() or "unknown"
        return cls(
            cpu=_cpu_name() or architecture,
            architecture=architecture,
            cores=_cores(),
            system=f"{platform.system()} {platform.release()}".strip(),
            python=platform.python_version(),
        )

    def to_json(self) -> dict[str, object]:
        """The facts as JSON values."""
        return asdict(self)


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux: a container may own fewer than the machine has
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _cpu_name() -> str:
    # platform.processor() is the name on Windows; elsewhere it is empty or repeats the architecture.
    if platform.system() == "Darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Model"):
                return value.strip()
    return platform.processor()
