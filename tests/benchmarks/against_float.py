"""What a target's policy ships beside float, and beside integers wherever they fit, timed in the place it is for.

    python tests/benchmarks/against_float.py                              # web-wasm in Node; exit 1 when a line is red
    python tests/benchmarks/against_float.py --targets web-webgpu --models kws_dscnn --runs 10

One thread, least of interleaved runs, so that a busy machine slows all alike. What ships may take `SLACK` more than
float, which is what two runs of one model differ by here. Integers wherever they fit are the same model compiled for
x86-64-vnni: how much its policy would lose, or how much it gains. In software (web-webgpu) times say nothing of a
device; what the two forms cost beside each other, copies included, is all they show.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from feeds import read_samples, write_samples
from line import Line
from models import MODELS, ZooModel
from process import Record
from table import lines_table, markdown

NAMES = ("mobilenetv2_100", "resnet56_cifar10", "kws_dscnn", "sentence_encoder")
TARGETS = ("web-wasm",)
EVERYWHERE = "x86-64-vnni"
SLACK = 1.05
OUT = Path(__file__).resolve().parents[2] / "bench-out" / "against_float.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a line is red, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(NAMES), choices=list(MODELS))
    parser.add_argument("--targets", nargs="+", default=list(TARGETS))
    parser.add_argument("--samples", type=int, default=50, help="calibration samples")
    parser.add_argument("--runs", type=int, default=60, help="timed runs of each form")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds for all runs of a model together")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    records: list[Record] = []
    for name in options.models:
        if MODELS[name].absent:
            sys.stderr.write(f"{name}: {MODELS[name].absent}\n")
            continue
        for target in options.targets:
            sys.stderr.write(f"{name} for {target} ...\n")
            records.append(bench(MODELS[name], target, options))
            options.out.write_text(json.dumps({"records": records}, indent=1) + "\n", encoding="utf-8")
    lines = [judge(record) for record in records]
    red = [f"{line.model} {line.name}" for line in lines if line.status == "red"]
    end = f"{len(red)} red: {', '.join(red)}" if red else f"{len(lines)} lines, none red"
    sys.stdout.write("\n\n".join([times_table(records), lines_table(lines), end]) + "\n")
    return 1 if red else 0


def bench(model: ZooModel, target: str, options: argparse.Namespace) -> Record:
    """Float in the target's form, what ships and integers everywhere, in its first place: least seconds of a run."""
    import edgec
    from edgec.compiler.samples.base import State
    from edgec.runtimes import runtime
    from edgec.runtimes.base import SessionSettings
    from edgec.runtimes.timing import run_seconds
    from edgec.targets import find_target

    task = model.task
    place = runtime(find_target(target).proof[0])
    named = {"model": model.name, "target": target, "place": place.name}
    if reason := place.available():
        return {**named, "error": reason}
    feeds = next(iter(task.evaluation(1))).steps[0]
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as opened:
        file = Path(scratch) / "calibration.npz"
        write_samples(task, options.samples, file)
        calibration: Any = str(file) if task.uniform else read_samples(file)
        common = {
            "calibration": calibration,
            "state": State(carried=task.carried, start=task.start),
            "prove": False,
        }
        forms = {"float": (target, "float"), "shipped": (target, "auto"), "integers": (EVERYWHERE, "a8w8")}
        bundles = {
            name: edgec.compile(model.path, target=where, scheme=scheme, output=Path(scratch) / name, **common)
            for name, (where, scheme) in forms.items()
        }
        opened.enter_context(contextlib.closing(place))
        one = SessionSettings(threads=1)
        sessions = [place.open(bundle.model, one) for bundle in bundles.values()]
        least = run_seconds(sessions, feeds, options.runs, budget=options.budget).min(axis=(1, 2))
        placement = sessions[1].placement(feeds)
        return {
            **named,
            "scheme": bundles["shipped"].manifest["scheme"],
            "seconds": dict(zip(forms, map(float, least), strict=True)),
            "integer_mac_share": placement.integer_mac_share,
            "crossing_bytes": sessions[2].placement(feeds).crossing_bytes,
        }


def judge(record: Record) -> Line:
    """Whether what ships takes no longer than float."""
    where = f"{record['target']} on {record['place']}"
    if "error" in record:
        return Line(model=record["model"], name="not-slower", status="red", text=f"{where}: {record['error']}")
    ratio = record["seconds"]["shipped"] / record["seconds"]["float"]
    text = f"{where}: {record['scheme']} takes {ratio:.2f}x float's time"
    return Line(model=record["model"], name="not-slower", status="green" if ratio <= SLACK else "red", text=text)


def times_table(records: Sequence[Record]) -> str:
    """Times beside float's, one row per model and target."""
    head = (
        "model|target|place|float ms|ships|x float|integers everywhere, x float|their copies|integer MACs of what ships"
    )
    return markdown(head.split("|"), [_row(record) for record in records if "error" not in record])


def _row(record: Record) -> list[str]:
    seconds, share, copies = record["seconds"], record["integer_mac_share"], record["crossing_bytes"]
    return [
        record["model"],
        record["target"],
        record["place"],
        f"{seconds['float'] * 1e3:.2f}",
        record["scheme"],
        f"{seconds['shipped'] / seconds['float']:.2f}",
        f"{seconds['integers'] / seconds['float']:.2f}",
        "unknown" if copies is None else f"{copies / 1e3:.1f} kB" if copies else "",
        "unknown" if share is None else f"{share:.1%}",
    ]


if __name__ == "__main__":
    sys.exit(main())
