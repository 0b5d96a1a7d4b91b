"""Job: compile one model with edgec, without proving; its seconds and peak memory."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from process import Record, job_main, peak_rss_bytes
from warmup import warmup_files


def compile_once(model: str, calibration: str, output: str) -> Record:
    """Compile `model` for `host` with defaults.

    The samples are read from `calibration` (npz) within the clock.
    """
    import edgec

    with tempfile.TemporaryDirectory() as scratch:
        warm_model, warm_samples = warmup_files(Path(scratch))
        edgec.compile(warm_model, target="host", calibration=warm_samples, output=Path(scratch) / "out", prove=False)
    baseline = peak_rss_bytes()
    started = time.perf_counter()
    bundle = edgec.compile(
        model, target="host", calibration=calibration, output=Path(output), prove=False, overwrite=True
    )
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "baseline_bytes": baseline,
        "peak_bytes": peak_rss_bytes(),
        "size_bytes": bundle.size_bytes,
        "path": str(bundle.model),
    }


if __name__ == "__main__":
    job_main(compile_once)
