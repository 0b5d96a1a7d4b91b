"""The Node.js of this machine, which runs the JavaScript twins of the runner."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess

from .install.home import home
from .install.record import read_record

__all__ = ["NODE_ENVIRONMENT", "node_command", "node_unfit"]

_NODE = 20  # the oldest that is maintained in 2026; worker threads, fetch and WebAssembly's vectors are far older
# A user's own options could make it print, or load other modules.
NODE_ENVIRONMENT = {"NODE_OPTIONS": ""}


def node_command() -> str:
    """The program."""
    return shutil.which("node") or "node"


def node_unfit(package: str) -> str | None:
    """Why this machine's Node, or its npm, will not do; None when both will.

    Args:
        package: Component that npm would fetch; where it is installed, none is needed.
    """
    node = shutil.which("node")
    if node is None:
        return f"it needs Node.js {_NODE} or newer, there is no node on PATH"
    version = _version(node)
    found = re.fullmatch(r"v(\d+)\.\S+", version)
    if found is None:
        return f"it needs Node.js {_NODE} or newer, {node} says {version!r}"
    if int(found[1]) < _NODE:
        return f"it needs Node.js {_NODE} or newer, {node} is {version}"
    if shutil.which("npm") is None and read_record(home() / package) is None:
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
