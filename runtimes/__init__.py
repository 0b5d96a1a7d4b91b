"""Places that execute a model file: `runtime(name)` finds one by the name a target gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .base import Runtime
from .plugin_ep import NONE, Options

__all__ = ["RUNTIMES", "runtime"]


def _ort_cpu() -> Runtime:
    from .ort import OrtCpu

    return OrtCpu()


def _installed(name: str) -> Runtime:
    from .host.runtime import HostRuntime
    from .places import places

    place = places()[name]
    return HostRuntime(name=name, launch=place.launch, missing=place.missing, providers=place.providers)


# Those behind the first are installed: a test compares them with `places()`.
RUNTIMES: dict[str, Callable[[], Runtime]] = {
    "onnxruntime-cpu": _ort_cpu,
    "arm64-cortex-a53": lambda: _installed("arm64-cortex-a53"),
    "arm64-cortex-a72": lambda: _installed("arm64-cortex-a72"),
    "arm64-cortex-a76": lambda: _installed("arm64-cortex-a76"),
    "armv7-cortex-a7": lambda: _installed("armv7-cortex-a7"),
    "x86-64-haswell": lambda: _installed("x86-64-haswell"),
    "xnnpack-x86-64": lambda: _installed("xnnpack-x86-64"),
    "xnnpack-arm64": lambda: _installed("xnnpack-arm64"),
    "qnn-htp": lambda: _installed("qnn-htp"),
    "qnn-htp-v73": lambda: _installed("qnn-htp-v73"),
    "qnn-htp-v79": lambda: _installed("qnn-htp-v79"),
    "web-wasm": lambda: _installed("web-wasm"),
    "web-wasm-chromium": lambda: _installed("web-wasm-chromium"),
    "webgpu-chromium": lambda: _installed("webgpu-chromium"),
    "webgpu-node": lambda: _installed("webgpu-node"),
    "openvino-cpu": lambda: _installed("openvino-cpu"),
    "coreml": lambda: _installed("coreml"),
    "cuda": lambda: _installed("cuda"),
    "tensorrt": lambda: _installed("tensorrt"),
    **{f"onnxruntime-1.{minor}": partial(_installed, f"onnxruntime-1.{minor}") for minor in range(16, 31)},
}


def runtime(name: str, providers: tuple[str, ...] = ("CPUExecutionProvider",), options: Options = NONE) -> Runtime:
    """The runtime of that name; `python:INTERPRETER`, `ssh:MACHINE` and `adb:DEVICE` name other places.

    Args:
        name: Of `RUNTIMES`, or one of these.
        providers: What another interpreter or machine is to run it with, in order; a runtime of edgec has its own.
        options: What the target gives these providers.

    Raises:
        TargetError: edgec has no such runtime.
    """
    from ..errors import TargetError
    from .adb import PREFIX as ADB
    from .adb import adb
    from .isolated import PREFIX as PYTHON
    from .isolated import isolated
    from .ssh import PREFIX as SSH
    from .ssh import ssh

    for prefix, place in ((PYTHON, isolated), (SSH, ssh), (ADB, adb)):
        if name.startswith(prefix):
            return place(name.removeprefix(prefix), providers, options)
    if name not in RUNTIMES:
        raise TargetError(
            f"runtime {name!r}",
            "is not a runtime edgec has",
            remedy=f"Choose one of {', '.join(RUNTIMES)}, python:INTERPRETER, ssh:MACHINE or adb:DEVICE",
        )
    return RUNTIMES[name]()
