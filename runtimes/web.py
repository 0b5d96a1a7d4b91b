"""ONNX Runtime as WebAssembly, which pages ship: run by Node, whose engine is Chrome's.

Placement is seen: this build has no files, and prints the profile of a run that others write to one; node by node, with
the shapes of all operands.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from pathlib import Path

from .host.launch import Launch
from .install.component import components
from .install.home import home
from .install.place import Place
from .install.record import read_record

__all__ = ["RUNNER", "in_node", "node_unfit", "web_component", "web_places"]

# runner.py's twin; messages.mjs and sessions.mjs, which it imports with stdio.mjs, know nothing of Node.
RUNNER = Path(__file__).with_name("runner.mjs")
_NODE = 20  # the oldest that is maintained in 2026; worker threads, fetch and WebAssembly's vectors are far older


def web_places() -> tuple[Place, ...]:
    """WebAssembly on the processor this machine has, one thread."""
    return (
        Place(
            name="web-wasm",
            about="ONNX Runtime as WebAssembly under Node.js, one thread",
            needs=(web_component(),),
            starts=in_node,
            unfit=node_unfit,
        ),
    )


def in_node(home: Path) -> Launch:
    """Node with the packages of a home."""
    return Launch(
        command=(shutil.which("node") or "node",),
        environment={"NODE_OPTIONS": ""},  # a user's own could make it print, or load other modules
        site=(home / web_component(),),
        shares_files=False,
        runner=RUNNER,
    )


def web_component() -> str:
    """Name of the component with onnxruntime-web."""
    return next(name for name in components() if name.startswith("onnxruntime-web-"))


def node_unfit() -> str | None:
    """Why this machine's Node, or its npm, will not do; None when both will."""
    node = shutil.which("node")
    if node is None:
        return f"it needs Node.js {_NODE} or newer, there is no node on PATH"
    version = _version(node)
    found = re.fullmatch(r"v(\d+)\.\S+", version)
    if found is None:
        return f"it needs Node.js {_NODE} or newer, {node} says {version!r}"
    if int(found[1]) < _NODE:
        return f"it needs Node.js {_NODE} or newer, {node} is {version}"
    if shutil.which("npm") is None and read_record(home() / web_component()) is None:
        return "it needs npm to be installed, there is none on PATH"
    return None


@functools.cache
def _version(node: str) -> str:
    """What a program answers when asked for its version; its first line."""
    try:
        done = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return (done.stdout.strip() or done.stderr.strip()).partition("\n")[0]
