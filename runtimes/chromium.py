"""ONNX Runtime in a headless Chromium, where a page runs it: as WebAssembly, or with WebGPU in software.

Debian's build of the browser, with its libraries beside it: nothing of this machine's but its C library. Node carries
messages between the page and us. Its own Vulkan driver, SwiftShader, executes WebGPU's shaders on the processor; it has
no float16.
"""

from __future__ import annotations

import platform
import re
import sys
from functools import partial
from pathlib import Path

from .host.launch import Launch
from .install.place import INTEL, Place
from .node import node_unfit
from .plugin_ep import Plugin
from .web import in_node, web_component
from .webgpu import PROVIDER as WEBGPU

__all__ = ["RUNNER", "chromium_places", "in_chromium"]

# runner.py's twin; page.mjs, messages.mjs and sessions.mjs, which it serves, run in the page.
RUNNER = Path(__file__).with_name("browser.mjs")
_COMPONENT = "chromium-headless"
_GLIBC = (2, 36)  # that of the Debian release the browser is built for


def chromium_places() -> tuple[Place, ...]:
    """WebAssembly in a page, on the processor this machine has, one thread; WebGPU on SwiftShader."""
    needs = (web_component(), _COMPONENT)
    return (
        Place(
            name="web-wasm-chromium",
            about="ONNX Runtime as WebAssembly in headless Chromium, one thread",
            needs=needs,
            starts=in_chromium,
            unfit=_unfit,
        ),
        Place(
            name="webgpu-chromium",
            about="ONNX Runtime's WebGPU provider in headless Chromium, on its Vulkan driver in software",
            needs=needs,
            starts=partial(in_chromium, provider="webgpu"),
            unfit=_unfit,
            providers=(WEBGPU, "CPUExecutionProvider"),
        ),
    )


def in_chromium(home: Path, provider: str = "wasm") -> Launch:
    """Node with the packages of a home, and the browser it starts.

    Args:
        home: Where components lie.
        provider: What its page runs models with: `wasm` or `webgpu`.
    """
    usr = home / _COMPONENT / "usr"
    libraries = [folder for each in sorted(usr.glob("lib/*-linux-gnu")) for folder in (each, each / "pulseaudio")]
    node = in_node(home)
    return Launch(
        command=node.command,
        environment={
            **node.environment,
            "EDGEC_BROWSER": str(usr / "lib" / "chromium" / "chromium-headless-shell"),
            "EDGEC_BROWSER_LIBRARIES": ":".join(map(str, libraries)),
            "EDGEC_BROWSER_PROVIDER": provider,
        },
        site=node.site,
        shares_files=False,
        runner=RUNNER,
        emulated="SwiftShader" if provider == "webgpu" else "",
        plugin=Plugin(provider=WEBGPU, module="", options={}) if provider == "webgpu" else None,
    )


def _unfit() -> str | None:
    machines = (*INTEL, "aarch64")
    if sys.platform != "linux" or platform.machine() not in machines:
        return f"it needs Linux on x86_64 or aarch64, this is {sys.platform} on {platform.machine()}"
    name, version = platform.libc_ver()
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if name != "glibc" or found < _GLIBC:
        wanted = ".".join(map(str, _GLIBC))
        return f"it needs glibc {wanted} or newer, this is {name or 'another C library'} {version}".strip()
    return node_unfit(web_component())
