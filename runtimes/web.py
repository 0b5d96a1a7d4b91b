"""ONNX Runtime as WebAssembly, which pages ship: run by Node, whose engine is Chrome's.

Placement is seen: this build has no files, and prints the profile of a run that others write to one; node by node, with
the shapes of all operands.
"""

from __future__ import annotations

from pathlib import Path

from .host.launch import Launch
from .install.component import components
from .install.place import Place
from .node import NODE_ENVIRONMENT, node_command, node_unfit

__all__ = ["RUNNER", "in_node", "web_component", "web_places"]

# runner.py's twin; it imports worker.mjs, stdio.mjs and, as a page does, wasm.mjs, sessions.mjs and messages.mjs.
RUNNER = Path(__file__).with_name("runner.mjs")


def web_places() -> tuple[Place, ...]:
    """WebAssembly on the processor this machine has, one thread."""
    return (
        Place(
            name="web-wasm",
            about="ONNX Runtime as WebAssembly under Node.js, one thread",
            needs=(web_component(),),
            starts=in_node,
            unfit=lambda: node_unfit(web_component()),
        ),
    )


def in_node(home: Path) -> Launch:
    """Node with the packages of a home."""
    return Launch(
        command=(node_command(),),
        environment=NODE_ENVIRONMENT,
        site=(home / web_component(),),
        shares_files=False,
        runner=RUNNER,
    )


def web_component() -> str:
    """Name of the component with onnxruntime-web."""
    return next(name for name in components() if name.startswith("onnxruntime-web-"))
