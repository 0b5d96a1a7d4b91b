"""Job: compile one model with edgec, without proving unless a budget is given; its seconds and peak memory."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from process import Record, job_main, peak_rss_bytes
from warmup import warmup_files


def compile_once(
    model: str,
    calibration: str,
    output: str,
    *,
    warm: bool = True,
    name: str = "",
    max_drop: str = "",
    evaluation: int | None = None,
) -> Record:
    """Compile `model` for `host` with defaults.

    Args:
        model: Path of the float model.
        calibration: Its samples (npz); those of one shape are read within the clock.
        output: Where the bundle goes.
        warm: Take the imports out of the clock.
        name: The zoo model it is, where its samples carry state or its metric is needed.
        max_drop: How much of the float metric may go, on the first `evaluation` samples (None: all).
    """
    import edgec

    if warm:
        with tempfile.TemporaryDirectory() as scratch:
            warm_model, warm_samples = warmup_files(Path(scratch))
            bundle = Path(scratch) / "bundle"
            edgec.compile(warm_model, target="host", calibration=warm_samples, output=bundle, prove=False)
    options = _options(name, calibration, max_drop, evaluation) if name else {"calibration": calibration}
    baseline = peak_rss_bytes()
    started = time.perf_counter()
    # Evaluation samples are read, and a limit on accuracy searched for, only where the bundle is proved.
    prove = bool(max_drop)
    common: dict[str, Any] = {"target": "host", "output": Path(output), "overwrite": True, "cache": False}
    compiled = edgec.compile(model, prove=prove, **common, **options)
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "baseline_bytes": baseline,
        "peak_bytes": peak_rss_bytes(),
        "size_bytes": compiled.size_bytes,
        "path": str(compiled.model),
        "notes": list(compiled.manifest.get("notes", ())),
    }


def _options(name: str, calibration: str, max_drop: str, evaluation: int | None) -> dict[str, Any]:
    """What the compile is told of a zoo model. The table's own imports are kept out of a compile that needs no name."""
    from feeds import read_samples
    from models import MODELS

    from edgec.compiler.samples.base import State

    task = MODELS[name].task
    options: dict[str, Any] = {"calibration": calibration}
    if not task.uniform:
        options["calibration"] = read_samples(Path(calibration))
        options["state"] = State(carried=task.carried, start=task.start)
    if max_drop:
        examples = [(list(each.steps), each.label) for each in task.evaluation(evaluation)]
        options |= {"evaluation": examples, "metric": task.metric, "contract": {"accuracy_drop": max_drop}}
    return options


if __name__ == "__main__":
    job_main(compile_once)
