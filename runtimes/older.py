"""Older releases of ONNX Runtime: what a device may still have, on this machine's processor, by this interpreter.

They are told apart by their minor number: `onnxruntime-1.20` is the last patch release of 1.20.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from .host.launch import Launch, own_site
from .install.older_components import OLDER_WHEELS, OlderWheel
from .install.place import Place

__all__ = ["is_older", "older_places", "older_runtime"]

_PREFIX = "onnxruntime-1."


def older_runtime(minor: int) -> str:
    """The name of the runtime of release 1.`minor`."""
    return f"{_PREFIX}{minor}"


def is_older(name: str) -> bool:
    """Whether a runtime is one of them."""
    return name.startswith(_PREFIX)


def older_places() -> tuple[Place, ...]:
    """One per release, the oldest first."""
    return tuple(
        Place(
            name=older_runtime(wheel.minor),
            about=f"ONNX Runtime {wheel.version} on this machine's processor",
            needs=wheel.needs,
            starts=partial(_starts, wheel=wheel),
            unfit=None if wheel.runs_here() else partial(_unfit, wheel),
        )
        for wheel in OLDER_WHEELS
    )


def _unfit(wheel: OlderWheel) -> str:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"ONNX Runtime 1.{wheel.minor} has wheels for Python 3.{wheel.newest_python} at most, this is {here}"


def _starts(home: Path, *, wheel: OlderWheel) -> Launch:
    folders = tuple(home / name for name in wheel.needs)
    return Launch(command=(sys.executable,), site=folders if wheel.numpy_beside else (*folders, *own_site()))
