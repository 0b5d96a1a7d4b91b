"""Job: the share of a model's MACs that ran in integer kernels, as edgec's own runtime reads it, by form.

The share is one minus the MACs left in float kernels over the MACs of the float model: channels that a compiler pads
count neither as work saved nor as work left.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from models import MODELS
from process import Record, job_main
from sessions import last_feed

if TYPE_CHECKING:
    from edgec.runtimes.base import Kernel


def place(name: str, forms: dict[str, str]) -> Record:
    from edgec.runtimes.ort import OrtCpu

    model = MODELS[name]
    feeds = last_feed(model)
    found: Record = {}
    needed = 0
    asked: dict[str, int] = {}
    for form, path in ({"float": str(model.path)} | forms).items():
        writers = _writers(Path(path))
        session = OrtCpu().open(Path(path))
        placement = session.placement(feeds)
        session.close()
        left = [kernel for kernel in placement.kernels if not kernel.integer and kernel.macs != 0]
        if form == "float":
            needed = placement.macs
            asked = {_node(kernel, writers): kernel.macs for kernel in placement.kernels if kernel.macs is not None}
        known = all(kernel.macs is not None for kernel in left) and needed > 0
        found[form] = {
            "share": 1 - sum(_work(kernel, writers, asked) for kernel in left) / needed if known else None,
            "reported_share": placement.integer_mac_share,
            "macs": placement.macs,
            "float_kernels": [f"{kernel.op_type} {kernel.name}" for kernel in left],
        }
    return found


def _writers(path: Path) -> dict[str, str]:
    """The name of the node that writes a value, of the main graph."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    return {output: node.name for node in graph.node for output in node.output}


def _work(kernel: Kernel, writers: Mapping[str, str], asked: Mapping[str, int]) -> int:
    """The MACs of a kernel without those of padded channels and of the zeros between groups."""
    macs = kernel.macs or 0
    return min(macs, asked.get(_node(kernel, writers), macs))


def _node(kernel: Kernel, writers: Mapping[str, str]) -> str:
    """The node a kernel was made of: ONNX Runtime names a blocked one after its output."""
    name = kernel.name.removesuffix("_nchwc")
    return writers.get(name, name) if name != kernel.name else name


if __name__ == "__main__":
    job_main(place)
