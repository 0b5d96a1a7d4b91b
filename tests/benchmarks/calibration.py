"""What calibration takes: memory that neither samples nor a limit exceed, and samples per second.

    python tests/benchmarks/calibration.py            # all; exit 1 when a line is red
    python tests/benchmarks/calibration.py --only speed

Memory: the peak of the whole process with 1,000 samples against that with 50, for the histogram methods; and under
`--max-memory` set to its floor (the process before it has a model) plus a quarter of what the default needs above it.
A quarter of the whole peak would be less than Python and ONNX Runtime take with nothing loaded. The limit is tried on
a segmentation net with 8 workers, where activations are most of the peak; its bundle must be that of the default.
Speed: samples per second of observing and computing ranges, against the rival's percentile calibration, and seconds of
min-max against plain inference of the same samples. Every measurement has a process of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from line import Line, last_line, status
from models import MODELS
from process import Record, run_job
from table import lines_table

METHODS = ("percentile", "entropy", "mse")
MODEL, LIMITED = "mobilenetv2_100", "espnetv2_05_voc"
FEW, MANY, SPEED_SAMPLES, LIMITED_SAMPLES = 50, 1000, 100, 16
WORKERS = 8
GROWTH_LIMIT, SPEED_GOAL, INFERENCE_LIMIT = 1.10, 5.0, 2.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a line is red, else 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=("memory", "limit", "speed"), help="leave the others out")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each speed; the fastest counts")
    parser.add_argument("--out", type=Path, default=Path("bench-out/calibration.json"), help="where the records go")
    options = parser.parse_args(arguments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    record: Record = {}
    with tempfile.TemporaryDirectory(dir=options.out.parent) as scratch:
        if options.only in (None, "memory"):
            record["memory"] = bench_memory(Path(scratch))
        if options.only in (None, "limit"):
            record["limit"] = bench_limit(Path(scratch))
        if options.only in (None, "speed"):
            record["speed"] = bench_speed(Path(scratch), options.repeats)
    lines = [*judge(record)]
    options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{lines_table(lines)}\nrecords: {options.out}\n")
    return int(any(line.status == "red" for line in lines))


def bench_memory(scratch: Path) -> Record:
    """Peaks by method and number of samples, and the rival's with few."""
    record: Record = {method: {} for method in METHODS}
    for samples in (FEW, MANY):
        common = _samples(MODEL, samples, scratch)
        for method in METHODS:
            record[method][str(samples)] = run_job("observed.py", **common, method=method)
        if samples == FEW:
            record["rival"] = run_job("rival_calibration.py", **common)
        Path(common["calibration"]).unlink()
    return record


def bench_limit(scratch: Path) -> Record:
    """By method: the default, and under the limit that follows from it."""
    common = {**_samples(LIMITED, LIMITED_SAMPLES, scratch), "threads": WORKERS}
    record: Record = {"rival": run_job("rival_calibration.py", **_samples(LIMITED, LIMITED_SAMPLES, scratch))}
    for method in METHODS:
        plain = run_job("observed.py", **common, method=method)
        record[method] = {"default": plain}
        if "error" not in plain:
            limit = plain["floor_bytes"] + (plain["peak_bytes"] - plain["floor_bytes"]) // 4
            record[method] |= {
                "limit_bytes": limit,
                "limited": run_job("observed.py", **common, method=method, max_memory=limit),
            }
    return record


def bench_speed(scratch: Path, repeats: int) -> Record:
    """The fastest of some rounds, in each of which everything runs once."""
    common = _samples(MODEL, SPEED_SAMPLES, scratch)
    jobs = {method: ("observed.py", {**common, "method": method}) for method in (*METHODS, "auto", "minmax")}
    jobs |= {"inference": ("inferred.py", common), "rival": ("rival_calibration.py", common)}
    record: Record = {}
    for _ in range(repeats):
        for name, (script, arguments) in jobs.items():
            found = run_job(script, **arguments)
            known = record.get(name)
            if known is None or "error" in known or found.get("seconds", float("inf")) < known["seconds"]:
                record[name] = found
    return record


def _samples(name: str, samples: int, scratch: Path) -> dict[str, str]:
    """A model and a file of its samples."""
    file = scratch / f"{name}-{samples}.npz"
    if not file.exists():
        written = run_job("calibrate.py", name=name, samples=samples, file=str(file))
        if "error" in written:
            raise SystemExit(f"{name}: no calibration samples: {written['error']}")
    return {"model": str(MODELS[name].path), "calibration": str(file)}


def judge(record: Record) -> Iterator[Line]:
    """Every line of what was measured."""
    if "memory" in record:
        yield from _judged(record["memory"], MODEL, judge_memory)
    if "limit" in record:
        yield from _judged(record["limit"], LIMITED, judge_limit)
    if "speed" in record:
        yield from _judged(record["speed"], MODEL, judge_speed)


def judge_memory(record: Record) -> Iterator[Line]:
    """Growth with the samples, one line a method."""
    rival = record["rival"]["peak_bytes"]
    for method in METHODS:
        few, many = (record[method][str(samples)]["peak_bytes"] for samples in (FEW, MANY))
        yield Line(
            model=MODEL,
            name=f"samples, {method}",
            status=status(many <= GROWTH_LIMIT * few),
            text=f"{_mb(many)} with {MANY} samples, {_mb(few)} with {FEW}: {many / few:.3f}x, limit {GROWTH_LIMIT:g}x; "
            f"the rival's percentile {_mb(rival)} with {FEW}",
        )


def judge_limit(record: Record) -> Iterator[Line]:
    """The peak under a limit, and the bundle it must not change, one line a method."""
    rival = record["rival"]["peak_bytes"]
    for method in METHODS:
        plain, limited, limit = (record[method][name] for name in ("default", "limited", "limit_bytes"))
        same = limited["digest"] == plain["digest"]
        yield Line(
            model=LIMITED,
            name=f"--max-memory, {method}",
            status=status(limited["peak_bytes"] <= limit and same),
            text=f"{_mb(limited['peak_bytes'])} under {_mb(limit)}: {_mb(plain['floor_bytes'])} before a model, and a "
            f"quarter of what the default takes more ({_mb(plain['peak_bytes'])}, {WORKERS} workers); "
            f"{'the same bundle' if same else 'ANOTHER bundle'}; the rival's percentile {_mb(rival)}",
        )


def judge_speed(record: Record) -> Iterator[Line]:
    """Samples per second against the rival's, and min-max against plain inference."""
    rival = record["rival"]["seconds"]
    for method in (*METHODS, "auto"):
        seconds = record[method]["seconds"]
        yield Line(
            model=MODEL,
            name=f"throughput, {method}",
            status=status(rival / seconds >= SPEED_GOAL),
            text=f"{SPEED_SAMPLES / seconds:.0f} samples/s, the rival's percentile {SPEED_SAMPLES / rival:.1f}: "
            f"{rival / seconds:.1f}x, goal {SPEED_GOAL:g}x",
        )
    ratio = record["minmax"]["seconds"] / record["inference"]["seconds"]
    yield Line(
        model=MODEL,
        name="min-max",
        status=status(ratio <= INFERENCE_LIMIT),
        text=f"{record['minmax']['seconds']:.2f} s, plain inference {record['inference']['seconds']:.2f} s: "
        f"{ratio:.2f}x, limit {INFERENCE_LIMIT:g}x",
    )


def _judged(record: Record, model: str, lines: Callable[[Record], Iterator[Line]]) -> Iterator[Line]:
    """The lines, or one for each measurement that failed."""
    failed = list(_failed(record))
    for name, error in failed:
        yield Line(model=model, name=name, status="red", text=last_line(error))
    if not failed:
        yield from lines(record)


def _failed(record: Record, name: str = "") -> Iterator[tuple[str, str]]:
    """Names and errors of the jobs in a record."""
    if "error" in record:
        yield name, record["error"]
    for key, value in record.items():
        if isinstance(value, dict):
            yield from _failed(value, f"{name} {key}".strip())


def _mb(count: float) -> str:
    return f"{count / 1e6:.0f} MB"


if __name__ == "__main__":
    sys.exit(main())
