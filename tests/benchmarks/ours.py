"""Job: compile one model with edgec, without proving; its seconds and peak memory."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from process import Record, job_main, peak_rss_bytes
from warmup import warmup_files


def compile_once(model: str, calibration: str, output: str, *, warm: bool = True) -> Record:
    """Compile `model` for `host` with defaults.

    The samples are read from `calibration` (npz) within the clock. `warm` takes the imports out of it.
    """
    import edgec

    if warm:
        with tempfile.TemporaryDirectory() as scratch:
            warm_model, warm_samples = warmup_files(Path(scratch))
            bundle = Path(scratch) / "bundle"
            edgec.compile(warm_model, target="host", calibration=warm_samples, output=bundle, prove=False)
    baseline = peak_rss_bytes()
    started = time.perf_counter()
    compiled = edgec.compile(
        model, target="host", calibration=calibration, output=Path(output), prove=False, overwrite=True
    )
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "baseline_bytes": baseline,
        "peak_bytes": peak_rss_bytes(),
        "size_bytes": compiled.size_bytes,
        "path": str(compiled.model),
    }


if __name__ == "__main__":
    job_main(compile_once)
