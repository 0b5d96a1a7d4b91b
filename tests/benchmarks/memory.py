"""Memory that does not grow with the samples: peak of a compile with 1,000 samples against one with 50.

    python tests/benchmarks/memory.py                     # mobilenetv2_100; exit 1 when a line is red
    python tests/benchmarks/memory.py --models kws_dscnn cct_cifar10

Each compile has a process of its own, and so has the bundle's plain session, whose peak `plan` has to predict.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from models import MODELS, ZooModel
from process import Record, run_job
from table import lines_table
from verdict import Line

FEW, MANY = 50, 1000
GROWTH_LIMIT = 1.10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a line is red, else 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=["mobilenetv2_100"], metavar="MODEL")
    parser.add_argument("--out", type=Path, default=Path("bench-out/memory.json"), help="where the records go, as JSON")
    options = parser.parse_args(arguments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    records, lines = [], []
    for name in options.models:
        with tempfile.TemporaryDirectory(dir=options.out.parent) as scratch:
            record = bench_memory(MODELS[name], Path(scratch))
        records.append(record)
        lines.extend(judge_memory(record))
    options.out.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{lines_table(lines)}\nrecords: {options.out}\n")
    return int(any(line.status == "red" for line in lines))


def bench_memory(model: ZooModel, scratch: Path) -> Record:
    """Compile with few and with many samples, then open and run the bundle."""
    compiled = {}
    for samples in (FEW, MANY):
        calibration = scratch / f"{samples}.npz"
        written = run_job("calibrate.py", name=model.name, samples=samples, file=str(calibration))
        if "error" in written:
            raise SystemExit(f"{model.name}: no calibration samples: {written['error']}")
        compiled[str(samples)] = run_job(
            "ours.py", model=str(model.path), calibration=str(calibration), output=str(scratch / f"out-{samples}")
        )
        calibration.unlink()
    few = compiled[str(FEW)]
    footprint = run_job("footprint.py", name=model.name, path=few["path"]) if "path" in few else {}
    return {"model": model.name, "compile": compiled, "footprint": footprint}


def judge_memory(record: Record) -> list[Line]:
    """The lines of one model."""
    few, many = record["compile"][str(FEW)], record["compile"][str(MANY)]
    failed = next((entry["error"] for entry in (few, many) if "error" in entry), None)
    if failed is not None:
        return [Line(model=record["model"], name="compiled", status="red", text=failed.strip().splitlines()[-1])]
    growth = many["peak_bytes"] / few["peak_bytes"]
    return [
        Line(
            model=record["model"],
            name="samples",
            status="green" if growth <= GROWTH_LIMIT else "red",
            text=f"{many['peak_bytes'] / 1e6:.0f} MB with {MANY} samples, {few['peak_bytes'] / 1e6:.0f} MB with {FEW}: "
            f"{growth:.3f}x, limit {GROWTH_LIMIT:g}x",
        )
    ]


if __name__ == "__main__":
    sys.exit(main())
