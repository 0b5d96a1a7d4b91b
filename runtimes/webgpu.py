"""ONNX Runtime's WebGPU provider, whose kernels pages run on the graphics card: here in Node, on a driver in software.

Mesa's lavapipe executes the very shaders on this machine's processor: what comes out is what WebGPU computes, how long
it takes says nothing of a device. Node is started by the loader of the driver's own C library.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from .host.launch import Launch
from .install.component import components
from .install.place import INTEL, Place
from .install.record import read_record
from .node import NODE_ENVIRONMENT, node_command, node_unfit
from .plugin_ep import Plugin

__all__ = ["PROVIDER", "RUNNER", "in_software", "webgpu_places"]

PROVIDER = "WebGpuExecutionProvider"
# runner.py's twin; it imports native.mjs, sessions.mjs, worker.mjs, stdio.mjs and messages.mjs.
RUNNER = Path(__file__).with_name("gpu.mjs")
_DRIVER = "vulkan-lavapipe"


def webgpu_places() -> tuple[Place, ...]:
    """WebGPU on this machine's processor."""
    return (
        Place(
            name="webgpu-node",
            about="ONNX Runtime's WebGPU provider under Node.js, on Mesa's Vulkan driver in software",
            needs=(_component(), _DRIVER),
            starts=in_software,
            unfit=_unfit,
            providers=(PROVIDER, "CPUExecutionProvider"),
        ),
    )


def in_software(home: Path) -> Launch:
    """Node with the packages of a home, and the driver it finds there."""
    usr = home / _DRIVER / "usr"
    libraries = usr / "lib" / "x86_64-linux-gnu"
    record = read_record(home / _DRIVER)
    version = record.version("mesa-vulkan-drivers").partition("-")[0] if record else ""
    return Launch(
        command=(str(libraries / "ld-linux-x86-64.so.2"), "--library-path", str(libraries), node_command()),
        environment={
            **NODE_ENVIRONMENT,
            "VK_DRIVER_FILES": str(usr / "share" / "vulkan" / "icd.d" / "lvp_icd.json"),
            "VK_LOADER_LAYERS_DISABLE": "~all~",
        },
        site=(home / _component(),),
        emulated=f"Mesa's lavapipe {version}".strip(),
        shares_files=False,
        runner=RUNNER,
        plugin=Plugin(provider=PROVIDER, module="", options={}),
    )


def _component() -> str:
    return next(name for name in components() if name.startswith("onnxruntime-node-"))


def _unfit() -> str | None:
    if sys.platform != "linux" or platform.machine() not in INTEL:
        return f"it needs Linux on x86_64, this is {sys.platform} on {platform.machine()}"
    return node_unfit(_component())
