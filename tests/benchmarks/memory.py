"""Memory that does not grow with the samples, and that `plan` predicts.

    python tests/benchmarks/memory.py                     # mobilenetv2_100; exit 1 when a line is red
    python tests/benchmarks/memory.py --models kws_dscnn cct_cifar10

A compile with 1,000 samples against one with 50; and what `edgec plan` said before, against both the compile and the
bundle in a plain session. Every measurement has a process of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from line import Line
from models import MODELS, ZooModel
from process import Record, run_job
from table import lines_table

FEW, MANY = 50, 1000
GROWTH_LIMIT = 1.10
PREDICTION_LIMIT = 0.15
_LISTED = [model.name for model in MODELS.values() if model.classic]  # a thousand samples can be had of these


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a line is red, else 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=_LISTED, default=["mobilenetv2_100"], metavar="MODEL")
    parser.add_argument("--out", type=Path, default=Path("bench-out/memory.json"), help="where the records go, as JSON")
    options = parser.parse_args(arguments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    records = []
    for name in options.models:
        with tempfile.TemporaryDirectory(dir=options.out.parent) as scratch:
            records.append(bench_memory(MODELS[name], Path(scratch)))
    lines = [line for record in records for line in judge_memory(record)]
    options.out.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{lines_table(lines)}\nrecords: {options.out}\n")
    return int(any(line.status == "red" for line in lines))


def bench_memory(model: ZooModel, scratch: Path) -> Record:
    """Plan, compile with few and with many samples, then open and run the bundle."""
    record: Record = {"model": model.name, "compile": {}}
    for samples in (FEW, MANY):
        calibration = scratch / f"{samples}.npz"
        written = run_job("calibrate.py", name=model.name, samples=samples, file=str(calibration))
        if "error" in written:
            raise SystemExit(f"{model.name}: no calibration samples: {written['error']}")
        common = {"model": str(model.path), "calibration": str(calibration)}
        if samples == FEW:
            record["plan"] = run_job("planned.py", **common)
        bundle = str(scratch / f"out-{samples}")
        record["compile"][str(samples)] = run_job("ours.py", **common, output=bundle, warm=False)
        calibration.unlink()
    few = record["compile"][str(FEW)]
    if "path" in few:
        record["footprint"] = run_job("footprint.py", name=model.name, path=few["path"])
    return record


def judge_memory(record: Record) -> Iterator[Line]:
    """The lines of one model."""
    model, compiled = record["model"], record["compile"]
    few, many = compiled[str(FEW)], compiled[str(MANY)]
    steps = {"compiled": few, "compiled-many": many, "planned": record["plan"], "ran": record.get("footprint", few)}
    failed = {name: step["error"] for name, step in steps.items() if "error" in step}
    for name, error in failed.items():
        yield Line(model=model, name=name, status="red", text=error.strip().splitlines()[-1])
    if failed:
        return
    growth = many["peak_bytes"] / few["peak_bytes"]
    yield Line(
        model=model,
        name="samples",
        status="green" if growth <= GROWTH_LIMIT else "red",
        text=f"{many['peak_bytes'] / 1e6:.1f} MB with {MANY} samples, {few['peak_bytes'] / 1e6:.1f} MB with {FEW}: "
        f"{growth:.3f}x, limit {GROWTH_LIMIT:g}x",
    )
    yield _prediction(model, "plan-compile", record["plan"]["compile_peak_bytes"], few["peak_bytes"])
    yield _prediction(model, "plan-bundle", record["plan"]["peak_bytes"], record["footprint"]["peak_bytes"])


def _prediction(model: str, name: str, predicted: float, measured: float) -> Line:
    off = predicted / measured - 1
    return Line(
        model=model,
        name=name,
        status="green" if abs(off) <= PREDICTION_LIMIT else "red",
        text=f"predicted {predicted / 1e6:.1f} MB, measured {measured / 1e6:.1f} MB: {off:+.1%}, "
        f"limit ±{PREDICTION_LIMIT:.0%}",
    )


if __name__ == "__main__":
    sys.exit(main())
