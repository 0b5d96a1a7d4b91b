"""Job: compile a zoo model down to one release of ONNX Runtime; what the rules say of it, what each release does."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from feeds import read_samples, write_samples
from models import MODELS
from process import Record, job_main


def compile_and_run(name: str, oldest: int, asked: bool, scheme: str, samples: int) -> Record:
    """One record.

    Args:
        name: Of the zoo.
        oldest: Minor number of the oldest release.
        asked: Whether the contract names it; else the bundle is what it would be without.
        scheme: What is asked for.
        samples: Calibration samples.
    """
    import edgec
    from edgec.compiler.proving.older import file_versions, prove_older
    from edgec.compiler.samples.base import State

    task = MODELS[name].task
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "calib.npz"
        write_samples(task, samples, file)
        state = State(carried=task.carried, start=task.start)
        options: dict[str, Any] = {"calibration": file if task.uniform else read_samples(file), "state": state}
        if asked:
            options["contract"] = {"oldest_onnxruntime": f"1.{oldest}"}
        bundle = edgec.compile(
            MODELS[name].path, target="host", scheme=scheme, output=Path(scratch) / "out", prove=False, **options
        )
        found = prove_older(bundle, oldest, state)
        return {
            "model": name,
            **file_versions(bundle.model),
            "noise_db": bundle.manifest.get("golden_noise_db"),
            "first": found.first,
            "obstacles": list(found.obstacles),
            "missing": found.missing,
            "runs": [
                {"onnxruntime": run.onnxruntime, "refused": run.refused, "exact": run.exact, "sqnr_db": run.sqnr_db,
                 "agrees": run.agrees}
                for run in found.runs
            ],
        }  # fmt: skip


if __name__ == "__main__":
    job_main(compile_and_run)
