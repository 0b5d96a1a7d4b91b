"""NVIDIA's GPUs: ONNX Runtime's own build for them, whose libraries of CUDA are wheels beside it.

Without a driver or a library a session opens on the CPU provider, with a line in the log (onnxruntime-gpu 1.31.1,
2026-11-21): the runner compares what opened with what was asked for. TensorRT's libraries are in no registry of
wheels; they are found where NVIDIA's packages put them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from .host.launch import Launch
from .install.component import components
from .install.place import INTEL, Place
from .plugin_ep import Plugin

__all__ = ["CUDA_PROVIDER", "TENSORRT_PROVIDER", "launch_cuda", "launch_tensorrt", "nvidia_places"]

CUDA_PROVIDER, TENSORRT_PROVIDER = "CUDAExecutionProvider", "TensorrtExecutionProvider"
_CPU = "CPUExecutionProvider"
# What a driver leaves on a machine: of desktop and server cards, of Jetson, of Windows' Linux.
_DRIVERS = ("/proc/driver/nvidia/version", "/dev/nvhost-gpu", "/dev/nvgpu", "/dev/dxg")
_TENSORRT = "libnvinfer.so.10"
_USUAL = ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/local/tensorrt/lib", "/opt/tensorrt/lib")
# Where the wheels of CUDA 13 put their libraries.
_LIBRARIES = ("nvidia/cu13/lib", "nvidia/cudnn/lib")
_MEND = "Check the driver with nvidia-smi: CUDA 13 needs 580 or newer"
# Without them TensorRT takes neither INT8 for Q/DQ nor fp16 for the rest (TensorRT Execution Provider, documentation).
_TENSORRT_OPTIONS = {"trt_int8_enable": "True", "trt_fp16_enable": "True"}


def nvidia_places() -> tuple[Place, ...]:
    """The NVIDIA GPU of this machine, by the CUDA provider and by TensorRT's."""
    return (
        Place(
            name="cuda",
            about="ONNX Runtime with CUDA on this machine's NVIDIA GPU",
            needs=_components(),
            starts=partial(_starts, tensorrt=False),
            machines=INTEL,
            lacks=_lacks_driver,
            providers=(CUDA_PROVIDER, _CPU),
        ),
        Place(
            name="tensorrt",
            about="ONNX Runtime with TensorRT on this machine's NVIDIA GPU",
            needs=_components(),
            starts=partial(_starts, tensorrt=True),
            machines=INTEL,
            lacks=_lacks_tensorrt,
            providers=(TENSORRT_PROVIDER, CUDA_PROVIDER, _CPU),
        ),
    )


def _components() -> tuple[str, ...]:
    return tuple(name for name in components() if name.startswith(("onnxruntime-gpu-", "cuda-")))


def _starts(home: Path, *, tensorrt: bool) -> Launch:
    build, libraries = (home / name for name in _components())
    return (launch_tensorrt if tensorrt else launch_cuda)(build, libraries)


def launch_cuda(build: Path, libraries: Path) -> Launch:
    """How this interpreter is started with the CUDA build of ONNX Runtime, in the place of its own.

    Args:
        build: Folder that is installed in.
        libraries: Folder the libraries of CUDA and cuDNN are installed in.
    """
    found = (*(str(libraries / folder) for folder in _LIBRARIES), *_inherited())
    return Launch(
        command=(sys.executable,),
        environment={"LD_LIBRARY_PATH": os.pathsep.join(found)},
        site=(build,),
        mend=_MEND,
    )


def launch_tensorrt(build: Path, libraries: Path) -> Launch:
    """The same with TensorRT before CUDA.

    Args:
        build: Folder ONNX Runtime is installed in.
        libraries: Folder the libraries of CUDA and cuDNN are installed in.
    """
    plain = launch_cuda(build, libraries)
    found = (plain.environment["LD_LIBRARY_PATH"], *(str(folder) for folder in _holding_tensorrt()))
    return Launch(
        command=plain.command,
        environment={"LD_LIBRARY_PATH": os.pathsep.join(found)},
        site=plain.site,
        plugin=Plugin(provider=TENSORRT_PROVIDER, module="", options=_TENSORRT_OPTIONS, beside=(CUDA_PROVIDER,)),
        mend=_MEND,
    )


def _lacks_driver() -> str | None:
    """Why no NVIDIA GPU can be used on this machine; None when there is a driver."""
    return None if any(Path(path).exists() for path in _DRIVERS) else "no NVIDIA driver here"


def _lacks_tensorrt() -> str | None:
    without_driver = _lacks_driver()
    if without_driver is not None:
        return without_driver
    return None if any(_holding_tensorrt()) else f"no TensorRT 10 here ({_TENSORRT}): NVIDIA's packages bring it"


def _holding_tensorrt() -> Iterator[Path]:
    return (folder for folder in map(Path, (*_inherited(), *_USUAL)) if (folder / _TENSORRT).exists())


def _inherited() -> list[str]:
    return [folder for folder in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if folder]
