"""Another interpreter on this machine: a virtual environment with its own ONNX Runtime."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .host.launch import Launch
from .host.runtime import HostRuntime
from .plugin_ep import NONE, Options, built_in

__all__ = ["PREFIX", "isolated"]

PREFIX = "python:"


def isolated(
    interpreter: str, providers: tuple[str, ...] = ("CPUExecutionProvider",), options: Options = NONE
) -> HostRuntime:
    """The runtime of an interpreter; its name is `python:` and the interpreter's path.

    Args:
        interpreter: A Python, or the folder of a virtual environment; it must have onnxruntime and numpy.
        providers: Execution providers to use, in order.
        options: What the target gives them.
    """
    given = os.path.expanduser(interpreter)  # noqa: PTH111 - a Path would drop what says that it is no name on PATH
    inside = [Path(given, "bin", "python"), Path(given, "Scripts", "python.exe")] if given else []
    python = next((str(path) for path in inside if path.is_file()), given)

    def missing() -> str | None:
        return None if shutil.which(python) else f"{interpreter or 'nothing'} is no program"

    return HostRuntime(
        name=PREFIX + interpreter,
        launch=lambda: Launch(
            command=(python,),
            plugin=built_in(providers, options),
            mend=f"Install it there: {python} -m pip install onnxruntime",
        ),
        missing=missing,
        providers=providers,
    )
