"""Job: the share of a model's MACs that ran in integer kernels, as edgec's own runtime reads it, by form.

The share is one minus the MACs left in float kernels over the MACs of the float model: channels that a compiler pads
do not count as work saved.
"""

from __future__ import annotations

from pathlib import Path

from models import MODELS
from process import Record, job_main
from sessions import last_feed


def place(name: str, forms: dict[str, str]) -> Record:
    from edgec.runtimes.ort import OrtCpu

    model = MODELS[name]
    feeds = last_feed(model)
    found: Record = {}
    needed = 0
    for form, path in ({"float": str(model.path)} | forms).items():
        session = OrtCpu().open(Path(path))
        placement = session.placement(feeds)
        session.close()
        left = [kernel for kernel in placement.kernels if not kernel.integer and kernel.macs != 0]
        if form == "float":
            needed = placement.macs
        known = all(kernel.macs is not None for kernel in left) and needed > 0
        found[form] = {
            "share": 1 - sum(kernel.macs or 0 for kernel in left) / needed if known else None,
            "reported_share": placement.integer_mac_share,
            "macs": placement.macs,
            "float_kernels": [f"{kernel.op_type} {kernel.name}" for kernel in left],
        }
    return found


if __name__ == "__main__":
    job_main(place)
