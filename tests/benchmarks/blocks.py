"""What blocks of rows with a scale each bring 4-bit matrices on the HTP (LPBQ), beside one scale per column.

    python tests/benchmarks/blocks.py                       # exit 1 when a line is red
    python tests/benchmarks/blocks.py --models cct_cifar10 --evaluation 100 --there 20

Every form keeps the same nodes in integers (no search). The metric is taken with ONNX Runtime's CPU kernels, which
compute the same Q/DQ graph, on `--evaluation` samples; the HTP simulator, slower by far, answers the first `--there`
of them, and its noise beside the CPU says whether what was measured here holds there. Without `qnn-htp` installed that
is undecided.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from feeds import read_samples, write_samples
from fixed import fixed_shapes, padded
from line import Line, status
from models import ENCODER, MODELS, ZooModel
from table import lines_table, markdown

if TYPE_CHECKING:
    from edgec.bundle import Bundle
    from edgec.runtimes.base import Runtime

TARGET, PLACE = "snapdragon-8-gen-3", "qnn-htp"
NAMES = (ENCODER, "cct_cifar10")
SCHEMES = ("a16w4", "a8w4")
COLUMN = "per column"
FORMS: dict[str, dict[str, Any]] = {
    COLUMN: {"block_size": 1024},  # larger than any layer's inputs
    "blocks of 32": {"block_size": 32},
    "per column, gptq": {"block_size": 1024, "rounding": "gptq"},
    "blocks of 32, gptq": {"block_size": 32, "rounding": "gptq"},
}
# Each with blocks is set against the one without.
AGAINST = {"blocks of 32": COLUMN, "blocks of 32, gptq": "per column, gptq"}
HEAD = ["model", "scheme", "form", "metric", "dB from float", "on the HTP", "dB from the CPU", "integer MACs", "MB"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """What one model answered on one place.

    Attributes:
        records: The metric's record of each sample, shape (n, k).
        outputs: All outputs of each sample, one after the other, shape (n, m).
        integer: Share of the MACs in integers, where the place was asked.
    """

    records: np.ndarray
    outputs: np.ndarray
    integer: float | None = None

    def decibels(self, other: Answers) -> float:
        """Signal to noise beside another's answers to its first samples."""
        mine = self.outputs[: len(other.outputs)]
        return float(10 * np.log10(np.square(mine).sum() / np.square(mine - other.outputs).sum()))


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """One form of one model: its answers here, there where the HTP was asked, and its size in bytes."""

    here: Answers
    there: Answers | None
    size: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 when a line is red, else 0."""
    from edgec.runtimes import runtime

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(NAMES), choices=NAMES)
    parser.add_argument("--schemes", nargs="+", default=list(SCHEMES), choices=SCHEMES)
    parser.add_argument("--forms", nargs="+", default=list(FORMS), choices=list(FORMS))
    parser.add_argument("--samples", type=int, default=100, help="calibration samples")
    parser.add_argument("--evaluation", type=int, default=400, help="evaluation samples on the CPU")
    parser.add_argument("--there", type=int, default=20, help="evaluation samples on the HTP")
    options = parser.parse_args(arguments)
    rows: list[list[str]] = []
    lines: list[Line] = []
    for model in (MODELS[name] for name in options.models):
        if model.absent:
            sys.stderr.write(f"{model.name}: {model.absent}\n")
            continue
        with closing(runtime("onnxruntime-cpu")) as cpu, closing(runtime(PLACE)) as htp:
            exact = answers(model, model.path, cpu, options.evaluation)
            rows.append([model.name, "", "float", f"{value(model, exact):.4f}", *[""] * 4, megabytes(model.path)])
            for scheme in options.schemes:
                found = {}
                for form in options.forms:
                    found[form] = measured(model, {"scheme": scheme, **FORMS[form]}, cpu, htp, options)
                    rows.append(row(model, scheme, form, exact, found[form]))
                    sys.stderr.write(" | ".join(rows[-1]) + "\n")
                lines += list(judge(model, scheme, exact, found))
    red = [f"{line.model} {line.name}" for line in lines if line.status == "red"]
    end = f"{len(red)} red: {', '.join(red)}" if red else f"{len(lines)} lines, none red"
    sys.stdout.write("\n\n".join([markdown(HEAD, rows), lines_table(lines), end]) + "\n")
    return 1 if red else 0


def measured(
    model: ZooModel, chosen: Mapping[str, Any], cpu: Runtime, htp: Runtime, options: argparse.Namespace
) -> Form:
    """Compile one form and run it on both places."""
    with tempfile.TemporaryDirectory() as scratch:
        bundle = compiled(model, chosen, options.samples, Path(scratch))
        here = answers(model, bundle.model, cpu, options.evaluation)
        there = None if htp.available() else answers(model, bundle.model, htp, options.there, placed=True)
        return Form(here=here, there=there, size=bundle.model.stat().st_size)


def compiled(model: ZooModel, chosen: Mapping[str, Any], samples: int, scratch: Path) -> Bundle:
    """A bundle of every node in integers that has a rule."""
    import edgec

    file = scratch / "calibration.npz"
    write_samples(model.task, samples, file)
    calibration: Any = str(file)
    if not model.task.uniform:
        calibration = [list(padded(model, tuple(each))) for each in read_samples(file)]
    steps = padded(model, next(model.task.evaluation(1)).steps)
    common = {"target": TARGET, "calibration": calibration, "shapes": fixed_shapes(steps), "output": scratch / "bundle"}
    return edgec.compile(model.path, search=False, prove=False, **common, **chosen)


def answers(model: ZooModel, path: Path, place: Runtime, n: int, *, placed: bool = False) -> Answers:
    """Run a model over the first evaluation samples; a sample of several steps gives its outputs joined."""
    records, outputs, integer = [], [], None
    with closing(place.open(path)) as session:
        for example in model.task.evaluation(n):
            runs = [session.run(feeds) for feeds in padded(model, example.steps)]
            joined = {name: np.concatenate([run[name] for run in runs]) for name in runs[0]}
            records.append(model.task.metric.record(joined, example.label))
            outputs.append(np.concatenate([each.reshape(-1) for each in joined.values()]).astype(np.float64))
        if placed:
            integer = session.placement(padded(model, next(model.task.evaluation(1)).steps)[0]).integer_mac_share
    return Answers(records=np.array(records), outputs=np.array(outputs), integer=integer)


def value(model: ZooModel, found: Answers) -> float:
    return model.task.metric.aggregate(found.records)


def megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.2f}"


def row(model: ZooModel, scheme: str, form: str, exact: Answers, found: Form) -> list[str]:
    """One line of the table."""
    metric = f"{value(model, found.here):.4f}"
    left = [model.name, scheme, form, metric, f"{exact.decibels(found.here):.2f}"]
    if found.there is None:
        return [*left, "", "", "", f"{found.size / 1e6:.2f}"]
    there, n = found.there, len(found.there.records)
    same = Answers(records=found.here.records[:n], outputs=found.here.outputs[:n])
    return [
        *left,
        f"{value(model, there):.4f} (CPU {value(model, same):.4f}, n = {n})",
        f"{found.here.decibels(there):.1f}",
        "unknown" if there.integer is None else f"{there.integer:.1%}",
        f"{found.size / 1e6:.2f}",
    ]


def judge(model: ZooModel, scheme: str, exact: Answers, found: Mapping[str, Form]) -> Iterator[Line]:
    """Blocks are nearer to float and not worse; the HTP adds less noise than quantization did."""
    from edgec.compiler.metrics.intervals import metric_intervals

    metric = model.task.metric
    for form, other in AGAINST.items():
        if form not in found or other not in found:
            continue
        gain = exact.decibels(found[form].here) - exact.decibels(found[other].here)
        low, high = metric_intervals(metric, found[other].here.records, found[form].here.records).drop or (0.0, 0.0)
        change = value(model, found[form].here) - value(model, found[other].here)
        text = (
            f"{scheme}, {form}: {gain:+.2f} dB, {metric.name} {change:+.4f} [{-high:+.4f}, {-low:+.4f}] against {other}"
        )
        yield Line(model=model.name, name="blocks", status=status(gain > 0 and low <= 0), text=text)
    for form, each in found.items():
        if each.there is None:
            yield Line(
                model=model.name, name="as-here", status="unknown", text=f"{scheme}, {form}: {PLACE} is not here"
            )
            continue
        apart, lost = each.here.decibels(each.there), exact.decibels(each.here)
        text = f"{scheme}, {form}: {apart:.1f} dB from the CPU, {lost:.1f} dB from float"
        yield Line(model=model.name, name="as-here", status=status(apart > lost), text=text)


if __name__ == "__main__":
    sys.exit(main())
