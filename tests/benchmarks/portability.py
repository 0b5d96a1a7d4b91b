"""One bundle per target, proved on every place that target names, and how far each place is from this machine.

    python tests/benchmarks/portability.py              # what acceptance asks for; exit 1 when a line is red
    python tests/benchmarks/portability.py --models kws_dscnn --targets raspberry-pi-4 pixel-8 --evaluation 8

The places are installed with `edgec runtime install` beforehand; one that is missing is a red line. Emulation is slow:
`--evaluation` samples are few, so the metric is of these samples only, and float is given beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from feeds import read_samples, write_samples
from line import Line, status
from models import MODELS, ZooModel
from process import Record
from table import lines_table, markdown

NAMES = ("mobilenetv2_100", "resnet56_cifar10", "kws_dscnn", "sentence_encoder")
TARGETS = ("raspberry-pi-5", "raspberry-pi-4", "armv7", "x86-64-avx2", "pixel-8", "intel-openvino")
CONVOLUTIONAL = frozenset(NAMES[:3])
XNNPACK = "XnnpackExecutionProvider"
_SHOWN = 240
OUT = Path(__file__).resolve().parents[2] / "bench-out" / "portability.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a line is red, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(NAMES), choices=list(MODELS))
    parser.add_argument("--targets", nargs="+", default=list(TARGETS))
    parser.add_argument("--samples", type=int, default=100, help="calibration samples")
    parser.add_argument("--evaluation", type=int, default=32, help="evaluation samples on each place")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    records: list[Record] = []
    lines: list[Line] = []
    for name in options.models:
        model = MODELS[name]
        if model.absent:
            _say(f"{name}: {model.absent}")
            continue
        for target in options.targets:
            _say(f"{name} for {target} ...")
            found = bench(model, target, options)
            records += found
            lines += [line for record in found for line in judge(record)]
            options.out.write_text(json.dumps({"records": records}, indent=1) + "\n", encoding="utf-8")
    red = [f"{line.model} {line.name}" for line in lines if line.status == "red"]
    end = f"{len(red)} red: {', '.join(red)}" if red else f"{len(lines)} lines, none red"
    sys.stdout.write("\n\n".join([places_table(records), lines_table(lines), end]) + "\n")
    return 1 if red else 0


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def bench(model: ZooModel, target: str, options: argparse.Namespace) -> list[Record]:
    """Compile for a target, prove on each of its places; one record per place."""
    import edgec
    from edgec.compiler.portability import prove_on
    from edgec.compiler.samples.base import State
    from edgec.errors import EdgecError
    from edgec.runtimes import RUNTIMES
    from edgec.targets import find_target

    task = model.task
    state = State(carried=task.carried, start=task.start)
    places = [name for name in find_target(target).proof if name in RUNTIMES]
    examples = [(list(each.steps), each.label) for each in task.evaluation(options.evaluation)]
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "calibration.npz"
        write_samples(task, options.samples, file)
        calibration: Any = str(file) if task.uniform else read_samples(file)
        try:
            bundle = edgec.compile(
                model.path,
                target=target,
                calibration=calibration,
                state=state,
                output=Path(scratch) / "bundle",
                prove=False,
            )
        except EdgecError as error:
            return [{"model": model.name, "target": target, "place": "", "error": str(error)}]
        found = []
        for place in places:
            record = {"model": model.name, "target": target, "place": place}
            try:
                proved = prove_on(
                    bundle, [place], evaluation=examples, metric=task.metric, float_model=model.path, state=state
                )
            except EdgecError as error:
                found.append({**record, "error": str(error)})
                continue
            found.append({**record, **proved.places[0].to_json(), "place": place})
    return found


def judge(record: Record) -> list[Line]:
    """The lines of one place."""
    where = f"{record['target']} on {record['place'] or 'no place'}"
    if "error" in record:
        return [Line(model=record["model"], name="proved", status="red", text=f"{where}: {record['error'][:_SHOWN]}")]
    word = record["verdict"]["word"]
    lines = [Line(model=record["model"], name="proved", status=status(word == "proved"), text=f"{where}: {word}")]
    if "xnnpack" in record["place"] and record["model"] in CONVOLUTIONAL:
        share = _share_on(record["proof"]["placement"], XNNPACK)
        text = f"{where}: {share:.1%} of the MACs on XNNPACK's integer kernels"
        lines.append(Line(model=record["model"], name="on-xnnpack", status=status(share >= 0.9), text=text))
    return lines


def _share_on(placement: Record, provider: str) -> float:
    there = [kernel for kernel in placement["kernels"] if kernel["provider"] == provider and kernel["integer"]]
    return float(sum(kernel["macs"] or 0 for kernel in there) / placement["macs"]) if placement["macs"] else 0.0


def places_table(records: Sequence[Record]) -> str:
    """Metric, distance from this machine in steps, integer MACs and evidence, one row per place."""
    head = "model|target|place|ONNX Runtime|metric|float|place's|max steps|equal|integer MACs|evidence"
    rows = [_row(record) for record in records if "error" not in record]
    return markdown(head.split("|"), rows)


def _row(record: Record) -> list[str]:
    proof = record["proof"]
    metric, placement = proof["evaluation"]["metric"], proof["placement"]
    apart = proof["apart"] or {}
    steps = [each["max_steps"] for each in apart.values() if each["max_steps"] is not None]
    share = placement["integer_mac_share"]
    return [
        record["model"],
        record["target"],
        record["place"],
        proof["versions"]["onnxruntime"],
        metric["name"],
        f"{metric['float_value']:.4f}",
        f"{metric['value']:.4f}",
        f"{max(steps):.2f}" if steps else "",
        f"{min((each['equal_share'] for each in apart.values()), default=1.0):.2%}",
        "unknown" if share is None else f"{share:.1%}",
        placement["evidence"],
    ]


if __name__ == "__main__":
    sys.exit(main())
