"""OpenVINO on this machine's processor: its own build of ONNX Runtime, which carries OpenVINO as a provider.

Options are checked here, because the provider checks few: a device it does not know is taken for its default, a device
name in `load_config` for nothing, and a device that is not there leaves a session on the CPU provider without an error
(onnxruntime-openvino 1.24.1, 2026-11).
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ..errors import HostError
from .host.launch import Launch
from .install.component import components
from .install.place import INTEL, Place
from .plugin_ep import Plugin

__all__ = ["PROVIDER", "launch_openvino", "openvino_places"]

PROVIDER = "OpenVINOExecutionProvider"
_DEVICES = ("CPU", "GPU", "NPU")
# Has oneDNN, which computes OpenVINO's primitives, print what it executes.
_TELLS = {"ONEDNN_VERBOSE": "profile_exec"}


def openvino_places() -> tuple[Place, ...]:
    """OpenVINO's CPU device, natively."""
    return (
        Place(
            name="openvino-cpu",
            about="ONNX Runtime with OpenVINO on this machine's processor",
            needs=(_component(),),
            starts=partial(_starts, name="openvino-cpu"),
            machines=INTEL,
            providers=(PROVIDER, "CPUExecutionProvider"),
        ),
    )


def _starts(home: Path, *, name: str) -> Launch:
    return launch_openvino(home / _component(), "CPU", name=name)


def _component() -> str:
    return next(name for name in components() if name.startswith("onnxruntime-openvino-"))


def launch_openvino(site: Path, device: str, *, name: str = "openvino-cpu") -> Launch:
    """How this interpreter is started with OpenVINO's build of ONNX Runtime, in the place of its own.

    Args:
        site: Folder that is installed in.
        device: What OpenVINO computes on: `CPU`, `GPU` or `NPU`.
        name: Of the runtime, for errors.

    Raises:
        HostError: There is no such device.
    """
    if device not in _DEVICES:
        near = difflib.get_close_matches(device.upper(), _DEVICES, n=1)
        raise HostError(
            f"runtime {name!r}",
            f"device_type {device!r} is no device of OpenVINO" + (f", did you mean {near[0]!r}?" if near else ""),
            affects="OpenVINO would take its default device without a word",
            remedy=f"Known are {', '.join(_DEVICES)}",
        )
    return Launch(
        command=(sys.executable,),
        site=(site,),
        plugin=Plugin(
            provider=PROVIDER,
            module="",
            options={"device_type": device},
            of_threads=_of_threads if device == "CPU" else None,
            tells=_TELLS if device == "CPU" else {},
        ),
    )


def _of_threads(threads: int) -> Mapping[str, str]:
    """OpenVINO's own setting of it: ONNX Runtime's does not reach its threads."""
    return {"load_config": json.dumps({"CPU": {"INFERENCE_NUM_THREADS": threads}})} if threads else {}
