"""ONNX Runtime as WebAssembly in a headless Chromium, where a page runs it.

Debian's build of the browser, with its libraries beside it: nothing of this machine's but its C library. Node carries
messages between the page and us.
"""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path

from .host.launch import Launch
from .install.place import INTEL, Place
from .node import node_unfit
from .web import in_node, web_component

__all__ = ["RUNNER", "chromium_places", "in_chromium"]

# runner.py's twin; page.mjs, messages.mjs and sessions.mjs, which it serves, run in the page.
RUNNER = Path(__file__).with_name("browser.mjs")
_COMPONENT = "chromium-headless"
_GLIBC = (2, 36)  # that of the Debian release the browser is built for


def chromium_places() -> tuple[Place, ...]:
    """WebAssembly in a page, on the processor this machine has, one thread."""
    return (
        Place(
            name="web-wasm-chromium",
            about="ONNX Runtime as WebAssembly in headless Chromium, one thread",
            needs=(web_component(), _COMPONENT),
            starts=in_chromium,
            unfit=_unfit,
        ),
    )


def in_chromium(home: Path) -> Launch:
    """Node with the packages of a home, and the browser it starts."""
    usr = home / _COMPONENT / "usr"
    libraries = [folder for each in sorted(usr.glob("lib/*-linux-gnu")) for folder in (each, each / "pulseaudio")]
    node = in_node(home)
    return Launch(
        command=node.command,
        environment={
            **node.environment,
            "EDGEC_BROWSER": str(usr / "lib" / "chromium" / "chromium-headless-shell"),
            "EDGEC_BROWSER_LIBRARIES": ":".join(map(str, libraries)),
        },
        site=node.site,
        shares_files=False,
        runner=RUNNER,
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
