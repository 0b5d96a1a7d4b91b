"""Bundles of the zoo in older releases of ONNX Runtime: which open them, and what they answer.

    python tests/benchmarks/releases.py                 # down to 1.16; exit 1 when a line is red
    python tests/benchmarks/releases.py --models kws_dscnn --oldest 1.20 --scheme a8w4

The contract of each compile names the oldest release; the bundle then runs in that one and in all newer ones that are
installed (`edgec runtime install onnxruntime-1.20`). A cell is `exact`, how far the golden outputs are, or why not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from line import Line, last_line, status
from models import MODELS
from process import Record, run_job
from table import lines_table, markdown

# Acceptance: so many minor releases back.
_BACK = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a line is red, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=[*MODELS], choices=[*MODELS], metavar="NAME")
    parser.add_argument("--oldest", default="1.16", metavar="RELEASE")
    parser.add_argument("--scheme", default="a8w8")
    parser.add_argument("--samples", type=int, default=32, help="calibration samples")
    parser.add_argument("--unasked", action="store_true", help="compile without naming the release")
    parser.add_argument("--out", type=Path, default=Path("bench-out/releases.json"))
    options = parser.parse_args(arguments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    records = []
    for name in options.models:
        sys.stderr.write(f"{name} ...\n")
        if MODELS[name].absent:
            records.append({"model": name, "absent": MODELS[name].absent})
            continue
        record = run_job(
            "released.py",
            name=name,
            oldest=int(options.oldest.partition(".")[2]),
            asked=not options.unasked,
            scheme=options.scheme,
            samples=options.samples,
        )
        records.append({"model": name, **record})
        options.out.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    lines = [judge(record) for record in records]
    sys.stdout.write("\n\n".join([releases_table(records), lines_table(lines)]) + "\n")
    return 1 if any(line.status == "red" for line in lines) else 0


def judge(record: Record) -> Line:
    """The line of one model: opened as far back as asked, or the obstacle said; rules and releases say the same."""
    model = record["model"]
    if "absent" in record or "error" in record:
        text = record.get("absent") or last_line(record["error"])
        return Line(model=model, name="older", status="unknown" if "absent" in record else "red", text=text)
    if record["missing"]:
        return Line(model=model, name="older", status="unknown", text=record["missing"])
    oldest = record["runs"][0]
    back = _minor(version("onnxruntime")) - _minor(oldest["onnxruntime"])
    if record["obstacles"]:
        said = "; ".join(record["obstacles"])
        return Line(model=model, name="older", status=status(bool(oldest["refused"])), text=f"by the rules: {said}")
    failed = [run for run in record["runs"] if run["refused"] or not run["agrees"]]
    text = f"opened and answered by {len(record['runs'])} releases from {oldest['onnxruntime']} on, {back} back"
    if failed:
        text = "; ".join(f"{run['onnxruntime']}: {_cell(run)}" for run in failed)
    return Line(model=model, name="older", status=status(not failed and back >= _BACK), text=text)


def _minor(release: str) -> int:
    return int(release.split(".")[1])


def releases_table(records: Sequence[Record]) -> str:
    """One row per model, one column per release."""
    found = list(dict.fromkeys(run["onnxruntime"] for record in records for run in record.get("runs", ())))
    rows = []
    for record in records:
        cells = {run["onnxruntime"]: _cell(run) for run in record.get("runs", ())}
        first, opset, ir = (str(record.get(name, "")) for name in ("first", "opset", "ir_version"))
        rows.append([record["model"], opset, ir, first, *(cells.get(each, "") for each in found)])
    return markdown(["model", "opset", "IR", "opens from", *found], rows)


def _cell(run: Record) -> str:
    if run["refused"]:
        return f"refused: {run['refused'][:80]}"
    if run["exact"]:
        return "exact"
    apart = "differs" if run["sqnr_db"] is None else f"{run['sqnr_db']:.1f} dB"
    return apart if run["agrees"] else f"{apart}: broken"


if __name__ == "__main__":
    sys.exit(main())
