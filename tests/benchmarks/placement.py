"""Job: the share of a model's MACs that ran in integer kernels, as edgec's own runtime reads it, by form."""

from __future__ import annotations

from pathlib import Path

from models import MODELS
from process import Record, job_main


def place(name: str, forms: dict[str, str]) -> Record:
    from edgec.runtimes.ort import OrtCpu

    model = MODELS[name]
    feeds = {model.input: next(iter(model.calibration(1)))}
    found: Record = {}
    for form, path in forms.items():
        session = OrtCpu().open(Path(path))
        placement = session.placement(feeds)
        session.close()
        found[form] = {
            "share": placement.integer_mac_share,
            "macs": placement.macs,
            "float_kernels": [
                f"{kernel.op_type} {kernel.name}" for kernel in placement.kernels if kernel.macs and not kernel.integer
            ],
        }
    return found


if __name__ == "__main__":
    job_main(place)
