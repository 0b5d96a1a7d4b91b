"""Job: one static compile by one calibration method, without search or proof; what observing took."""

from __future__ import annotations

import tempfile
from pathlib import Path

from process import Record, job_main, peak_rss_bytes
from warmup import warmup_files


def observed(model: str, calibration: str, method: str, *, threads: int = 0, max_memory: int | None = None) -> Record:
    """Seconds of observing and of computing ranges; peak bytes of the process, and those before it had a model.

    Args:
        model: Path of the float model.
        calibration: Its samples (npz).
        method: A calibration method.
        threads: Cores to observe with; 0 is all.
        max_memory: What `--max-memory` says, in bytes.
    """
    from edgec.compiler.compile import compile_request
    from edgec.compiler.request import CompileRequest

    def compiled(model: object, calibration: object, output: Path, **options: object) -> Record:
        options |= {"calibration": calibration, "calibration_method": method, "output": output, "scheme": "a8w8"}
        request = CompileRequest.of(model, options | {"prove": False, "search": False, "cache": False})  # type: ignore[arg-type]
        result = compile_request(request)
        ranges = sum(report.seconds for report in result.passes if report.name == "ComputeParams")
        return {"seconds": result.seconds["observe"] + ranges, "digest": result.bundle.digest}

    with tempfile.TemporaryDirectory() as scratch:
        compiled(*warmup_files(Path(scratch)), Path(scratch) / "warm")
        floor = peak_rss_bytes()
        record = compiled(model, calibration, Path(scratch) / "out", threads=threads, max_memory=max_memory)
    return record | {"floor_bytes": floor, "peak_bytes": peak_rss_bytes()}


if __name__ == "__main__":
    job_main(observed)
