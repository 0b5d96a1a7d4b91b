"""Places that execute a model file: `runtime(name)` finds one by the name a target gives."""

from __future__ import annotations

from collections.abc import Callable

from .base import Runtime

__all__ = ["RUNTIMES", "runtime"]


def _ort_cpu() -> Runtime:
    from .ort import OrtCpu

    return OrtCpu()


RUNTIMES: dict[str, Callable[[], Runtime]] = {"onnxruntime-cpu": _ort_cpu}


def runtime(name: str) -> Runtime:
    """The runtime of that name; `python:INTERPRETER` and `ssh:MACHINE` name another interpreter, another machine.

    Raises:
        TargetError: edgec has no such runtime.
    """
    from ..errors import TargetError

    from .isolated import PREFIX as PYTHON
    from .isolated import isolated
    from .ssh import PREFIX as SSH
    from .ssh import ssh

    for prefix, place in ((PYTHON, isolated), (SSH, ssh)):
        if name.startswith(prefix):
            return place(name.removeprefix(prefix))
    if name not in RUNTIMES:
        raise TargetError(
            f"runtime {name!r}",
            "is not a runtime edgec has",
            remedy=f"Choose one of {', '.join(RUNTIMES)}, python:INTERPRETER or ssh:MACHINE",
        )
    return RUNTIMES[name]()
