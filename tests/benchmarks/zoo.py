"""The zoo table: edgec and `onnxruntime.quantization` on the same models, samples and machine, in one run.

    python tests/benchmarks/zoo.py                      # everything; exit 1 when a line of acceptance is red
    python tests/benchmarks/zoo.py --models kws_dscnn lprnet --quick
    python tests/benchmarks/zoo.py --only rival         # the numbers to beat

Every compile has a process of its own (clock started after a warm-up on a one-convolution model, which brings the
imports; peak memory of the whole process); of the seven classifiers the fastest of `--repeat` counts. Then one process
per model runs float and every form over the same evaluation samples, and takes their latency in turns.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from forms import BUDGET, BUDGET_LIMIT, MINMAX, OURS, RIVALS
from line import Line
from models import MODELS, ZooModel
from process import Record, run_job
from table import accuracy_table, cost_table, lines_table
from verdict import judge, judge_all


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a line is red, else 0."""
    options = _parse(arguments)
    forms = {None: (OURS, BUDGET, *RIVALS), "ours": (OURS, BUDGET), "rival": RIVALS}[options.only]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    load = _load_average()
    records = []
    for name in options.models:
        _say(f"{name} ...")
        with tempfile.TemporaryDirectory(dir=options.out.parent) as scratch:
            records.append(bench_model(MODELS[name], forms, options, Path(scratch)))
        _write(options.out, records, load, options)
    lines = [*(line for record in records for line in judge(record)), *judge_all(records)]
    _write(options.out, records, load, options, lines)
    _print("\n\n".join([accuracy_table(records), cost_table(records), lines_table(lines)]))
    red = [f"{line.model} {line.name}" for line in lines if line.status == "red"]
    _print(f"\n{len(red)} red: {', '.join(red)}" if red else f"\n{len(lines)} lines, none red")
    _print(f"records: {options.out}")
    return 1 if red else 0


def bench_model(model: ZooModel, forms: Sequence[str], options: argparse.Namespace, scratch: Path) -> Record:
    """Compile every form, then measure all of them together."""
    if model.absent:
        return {"model": model.name, "absent": model.absent}
    calibration = scratch / "calibration.npz"
    written = run_job("calibrate.py", name=model.name, samples=options.samples, file=str(calibration))
    if "error" in written:
        raise SystemExit(f"{model.name}: no calibration samples: {written['error']}")
    compiled = _compile_all(model, forms, calibration, scratch, options)
    paths = {"float": str(model.path)} | {form: entry["path"] for form, entry in compiled.items() if "path" in entry}
    measured = run_job("measure.py", name=model.name, forms=paths, rounds=options.rounds, samples=options.evaluation)
    for form, reason in measured.pop("unloadable", {}).items():
        compiled[form] = {"error": reason}
    placed = run_job(
        "placement.py", name=model.name, forms={form: path for form, path in paths.items() if form in measured}
    )
    return {
        "model": model.name,
        "calibration_samples": written["samples"],
        "float_bytes": model.path.stat().st_size,
        "compile": compiled,
        "measure": measured,
        "placement": placed,
    }


def _compile_all(
    model: ZooModel, forms: Sequence[str], calibration: Path, scratch: Path, options: argparse.Namespace
) -> dict[str, Record]:
    """Every form once; of a classifier those whose time is compared `--repeat` times, in turns."""
    common = {"model": str(model.path), "calibration": str(calibration)}
    stateful = {"name": model.name} if model.task.carried else {}
    jobs: dict[str, Callable[[], Record]] = {
        form: partial(run_job, "ours.py", **common, output=str(scratch / form), **_told(model, form, options))
        if form in (OURS, BUDGET)
        else partial(run_job, "rival.py", **common, form=form, output=str(scratch / f"{form}.onnx"), **stateful)
        for form in forms
    }
    runs: dict[str, list[Record]] = {form: [] for form in forms}
    for turn in range(options.repeat if model.classic else 1):
        for form, job in jobs.items():
            if turn == 0 or form in (OURS, *MINMAX):
                runs[form].append(job())
    return {form: _summary(of_form) for form, of_form in runs.items()}


def _told(model: ZooModel, form: str, options: argparse.Namespace) -> Record:
    """What our job is told beside the model and its samples."""
    if form == BUDGET:
        return {"name": model.name, "max_drop": BUDGET_LIMIT, "evaluation": options.evaluation}
    return {} if model.task.uniform else {"name": model.name}


def _summary(runs: Sequence[Record]) -> Record:
    failed = next((run for run in runs if "error" in run), None)
    if failed is not None:
        return failed
    fastest = min(runs, key=lambda run: float(run["seconds"]))
    return fastest | {
        "peak_bytes": statistics.median(run["peak_bytes"] for run in runs),
        "all_seconds": [run["seconds"] for run in runs],
    }


def _write(
    out: Path,
    records: Sequence[Record],
    load: float | None,
    options: argparse.Namespace,
    lines: Sequence[Line] = (),
) -> None:
    """The records so far, so that a run that is cut off leaves what it has."""
    result = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": _machine() | {"load_average": [load, _load_average()]},
        "options": {name: getattr(options, name) for name in ("models", "samples", "evaluation", "repeat", "rounds")},
        "records": records,
        "lines": [{"model": line.model, "line": line.name, "status": line.status, "text": line.text} for line in lines],
    }
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _machine() -> dict[str, object]:
    packages = ("edgec", "onnxruntime", "onnx", "onnx-ir", "numpy")
    return {
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "versions": {package: importlib.metadata.version(package) for package in packages},
    }


def _load_average() -> float | None:
    """Processes that wanted a core over the last minute; None where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS), metavar="MODEL")
    parser.add_argument("--samples", type=int, default=100, help="calibration samples (default 100)")
    parser.add_argument("--evaluation", type=int, help="evaluation samples (default all)")
    parser.add_argument(
        "--repeat", type=int, default=5, help="compiles of a classifier, the fastest counts (default 5)"
    )
    parser.add_argument("--rounds", type=int, default=40, help="turns of the latency measurement (default 40)")
    parser.add_argument("--quick", action="store_true", help="30 and 50 samples, one compile, 5 rounds: a look")
    parser.add_argument("--only", choices=("ours", "rival"), help="leave the other tool out")
    parser.add_argument("--out", type=Path, default=Path("bench-out/zoo.json"), help="where the records go, as JSON")
    options = parser.parse_args(arguments)
    if options.quick:
        options.samples, options.evaluation, options.repeat, options.rounds = 30, 50, 1, 5
    return options


def _say(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(text + "\n")


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
