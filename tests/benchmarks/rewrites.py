"""What the rewrites before quantizing buy on models that need them: the task's metric of float, without and with them.

    python tests/benchmarks/rewrites.py                  # everything; exit 1 when a line is red
    python tests/benchmarks/rewrites.py --only equalize --evaluation 200

Equalization is shown on depthwise nets quantized per tensor: NanoDet as it was trained, and the keyword spotter with
its channels made uneven on purpose, by the exact inverse of equalization with random factors, as batch norm often
leaves them. SmoothQuant is shown on the sentence encoder at a8w8; the clipping of weights where it counts, at a8w4.
Nothing is searched: every matrix product that can run in integers does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir
from feeds import run_joined
from models import ENCODER, MODELS
from sessions import open_session
from tasks.base import Task

import edgec
from edgec.compiler.load import load_model
from edgec.compiler.metrics.metric import stack
from edgec.passes.normalize.fuse_conv_bn import FuseConvBn
from edgec.passes.rewrite.rescale import rescale
from edgec.passes.rewrite.trace import trace_channels

CALIBRATION = 64
PER_TENSOR = {"per_channel": False}
EQUALIZED = PER_TENSOR | {"equalize": True}


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One model in several forms.

    Attributes:
        name: What `--only` calls it by its beginning.
        model: Its name in the zoo.
        forms: Options of each form; the first is without the rewrite, the last is judged.
        scheme: What they are compiled to.
        limit: How much of the float metric the last form may lose; None only compares it with the first.
        decades: Channels are made uneven by factors of up to this many powers of ten first.
    """

    name: str
    model: str
    forms: Mapping[str, Mapping[str, object]]
    scheme: str = "a8w8"
    limit: float | None = 0.01
    decades: float = 0.0


CASES = (
    Case(
        name="equalize, as trained",
        model="nanodet_m",
        forms={
            "per tensor": PER_TENSOR,
            "equalized": EQUALIZED,
            "equalized, bias corrected": EQUALIZED | {"bias_correction": "fast"},
            "equalized, corrected in turn": EQUALIZED | {"bias_correction": "sequential"},
        },
    ),
    Case(
        name="equalize, made uneven",
        model="kws_dscnn",
        decades=1.0,
        forms={
            "per tensor": PER_TENSOR,
            "per channel": {},
            "bias corrected": PER_TENSOR | {"bias_correction": "fast"},
            "equalized": EQUALIZED,
            "equalized, bias corrected": EQUALIZED | {"bias_correction": "fast"},
        },
    ),
    Case(
        name="clip",
        model="squeezenet11",
        scheme="a8w4",
        limit=None,
        forms={"covering": {}, "clipped": {"clip_weights": True}},
    ),
    Case(
        name="smooth",
        model=ENCODER,
        forms={"a8w8": {}, "alpha 0.5": {"smooth": "0.5"}, "alpha searched": {"smooth": "auto"}},
    ),
)


def uneven(model: ir.Model, decades: float) -> ir.Model:
    """The same function with channels of random sizes: 10 to the power of -decades … decades, seed 0."""
    FuseConvBn()(model)
    channels = trace_channels(model)
    s = 10.0 ** np.random.default_rng(0).uniform(-decades, decades, channels.count)
    s[0] = 1.0
    rescale(model.graph, channels, s, "uneven")
    return model


def value_of(task: Task, path: Path, samples: int | None) -> float:
    """The task's metric of a model."""
    session, metric = open_session(path, 2), task.metric
    records = [
        metric.record(run_joined(session, example.steps, task), example.label) for example in task.evaluation(samples)
    ]
    return float(metric.aggregate(stack(records)))


def bench(case: Case, scratch: Path, samples: int | None) -> dict[str, float]:
    """The metric of float and of every form."""
    chosen = MODELS[case.model]
    path = chosen.path
    if case.decades:
        path = scratch / "uneven.onnx"
        ir.save(uneven(load_model(chosen.path).model, case.decades), path)
    calibration = [steps[0] for steps in chosen.task.calibration(CALIBRATION)]
    values = {"float": value_of(chosen.task, path, samples)}
    for form, options in case.forms.items():
        bundle = edgec.compile(
            str(path),
            scheme=case.scheme,
            calibration=calibration,
            output=scratch / "bundle",
            overwrite=True,
            prove=False,
            search=False,
            **options,
        )
        values[form] = value_of(chosen.task, Path(bundle.model), samples)
    return values


def lines(case: Case, values: Mapping[str, float]) -> list[tuple[str, str]]:
    """(status, text): the last form keeps the metric, and keeps more of it than the first."""
    plain, best = next(iter(case.forms)), list(case.forms)[-1]
    metric = MODELS[case.model].task.metric
    lost = {form: metric.drop(values["float"], value) / abs(values["float"]) for form, value in values.items()}
    found = [
        ("green" if lost[best] < lost[plain] else "red", f"{plain} loses {lost[plain]:+.2%}, {best} {lost[best]:+.2%}")
    ]
    if case.limit is not None:
        status = "green" if lost[best] <= case.limit else "red"
        found.append((status, f"{best}: {lost[best]:+.2%} of float lost, limit {case.limit:.0%}"))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every case; 1 when a line is red."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="cases whose name begins so")
    parser.add_argument("--evaluation", type=int, help="evaluation samples (default all)")
    options = parser.parse_args(arguments)
    red = 0
    for case in CASES:
        if not case.name.startswith(options.only):
            continue
        chosen = MODELS[case.model]
        sys.stdout.write(f"{case.name}: {case.model}, {chosen.task.metric.name}\n")
        if chosen.absent:
            sys.stdout.write(f"  unknown  {chosen.absent}\n")
            continue
        with tempfile.TemporaryDirectory() as scratch:
            values = bench(case, Path(scratch), options.evaluation)
        for form, value in values.items():
            sys.stdout.write(f"  {form:28} {value:.4f}\n")
        for status, text in lines(case, values):
            red += status == "red"
            sys.stdout.write(f"  {status:8} {text}\n")
        sys.stdout.flush()
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main())
