"""Wheels of older releases of ONNX Runtime. Facts only.

Versions and Pythons are those of PyPI on 2026-11-21, sizes those of the wheels for Linux x86-64 and Python 3.11.
"""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass

from .kinds import Component, Wheels

__all__ = ["OLDER_WHEELS", "OlderWheel", "older_components"]

_NUMPY = "1.26.4"  # the last of numpy 1
_MACHINE = "aarch64" if platform.machine() == "aarch64" else "x86_64"
_PLATFORMS = (
    *(f"manylinux_2_{minor}_{_MACHINE}" for minor in (34, 31, 28, 27, 17)),
    f"manylinux2014_{_MACHINE}",
)
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True, kw_only=True, slots=True)
class OlderWheel:
    """The last patch release of a minor one.

    Attributes:
        minor: 20 of 1.20.
        version: `1.20.1`.
        newest_python: Minor number of the newest Python it has wheels for; all have some for 3.11.
        fetched_mb, kept_mb: What is downloaded and what remains on disk, about.
    """

    minor: int
    version: str
    newest_python: int
    fetched_mb: int
    kept_mb: int

    @property
    def numpy_beside(self) -> bool:
        """Whether it was built for numpy 1; 1.19 is the first that takes this interpreter's."""
        return self.minor < 19

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of its components."""
        own = f"onnxruntime-{self.version}-python{_PYTHON}"
        return (own, _numpy_name()) if self.numpy_beside else (own,)

    def runs_here(self) -> bool:
        """Whether it has wheels for this interpreter."""
        return sys.version_info[:2] <= (3, self.newest_python)


OLDER_WHEELS = tuple(
    OlderWheel(minor=minor, version=version, newest_python=python, fetched_mb=fetched, kept_mb=kept)
    for minor, version, python, fetched, kept in (
        (16, "1.16.3", 11, 6, 18),
        (17, "1.17.3", 12, 7, 20),
        (18, "1.18.1", 12, 7, 20),
        (19, "1.19.2", 12, 13, 37),
        (20, "1.20.1", 13, 13, 38),
        (21, "1.21.1", 13, 16, 46),
        (22, "1.22.1", 13, 16, 47),
        (23, "1.23.2", 13, 17, 50),
        (24, "1.24.4", 14, 17, 50),
        (25, "1.25.1", 14, 18, 51),
        (26, "1.26.0", 14, 18, 52),
        (27, "1.27.0", 14, 18, 53),
        (28, "1.28.0", 14, 19, 54),
        (29, "1.29.0", 14, 23, 63),
        (30, "1.30.0", 14, 23, 64),
    )
)


def older_components() -> tuple[Component, ...]:
    """Each wheel, and the numpy that the oldest share."""
    wheels = tuple(
        Component(
            name=wheel.needs[0],
            about=f"ONNX Runtime {wheel.version}, beside the one installed here",
            licence="MIT (ONNX Runtime)",
            source=Wheels(requirements=(f"onnxruntime=={wheel.version}",), platforms=_PLATFORMS, python=_PYTHON),
            fetched_bytes=wheel.fetched_mb * 1_000_000,
            kept_bytes=wheel.kept_mb * 1_000_000,
        )
        for wheel in OLDER_WHEELS
    )
    numpy = Component(
        name=_numpy_name(),
        about=f"numpy {_NUMPY}, which ONNX Runtime before 1.19 was built for",
        licence="BSD-3-Clause (numpy)",
        source=Wheels(requirements=(f"numpy=={_NUMPY}",), platforms=_PLATFORMS, python=_PYTHON),
        fetched_bytes=18_000_000,
        kept_bytes=59_000_000,
    )
    return (*wheels, numpy)


def _numpy_name() -> str:
    return f"numpy-{_NUMPY}-python{_PYTHON}"
