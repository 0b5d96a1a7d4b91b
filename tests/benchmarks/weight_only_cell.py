"""One cell of the table: a model compiled in one form, its bundle run in ONNX Runtime, and what came of it kept."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from feeds import run_joined
from models import ENCODER, MODELS, ZooModel
from outlier_layer import LAYER, OutlierLayer
from weight_only_forms import Form

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgec.compiler.metrics import Metric
    from edgec.compiler.pipeline import PassReport
    from edgec.passes.base import Pass

__all__ = ["COUNTS", "NAMES", "Cell", "Counts", "cell", "float_cell", "kept", "metric_of", "model_named"]

NAMES = (LAYER, "stories260k", "stories260k_kv", "textgenrnn", ENCODER)


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """Samples to calibrate with and to evaluate on."""

    samples: int
    evaluation: int


# As many as fit: all there are, but of the encoder (690 pairs) and of the carried cache (123 rows, 99 tokens each).
COUNTS: Mapping[str, Counts] = {
    LAYER: Counts(samples=64, evaluation=32),
    "stories260k": Counts(samples=24, evaluation=123),
    "stories260k_kv": Counts(samples=4, evaluation=30),
    "textgenrnn": Counts(samples=256, evaluation=1918),
    ENCODER: Counts(samples=32, evaluation=200),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """What one form answered, and what it took.

    Attributes:
        value: The metric; None where the form is not applicable or failed.
        interval: 95% of how much worse than float it is, by the paired bootstrap over the evaluation samples; of float
            itself, of its value.
        noise_db: Noise of all outputs against float, in dB; None for float itself.
        size: Bytes of the model on disk.
        seconds: What the compile took.
        problem: Why there is no value; "" where there is one.
        failed: It is there because something broke, not because the model has no place for the method.
    """

    value: float | None = None
    interval: tuple[float, float] | None = None
    noise_db: float | None = None
    size: int = 0
    seconds: float = 0.0
    problem: str = ""
    failed: bool = False


def model_named(name: str) -> ZooModel | OutlierLayer:
    """The model, more rows of carried caches in its task than the zoo's table takes."""
    if name == LAYER:
        return OutlierLayer()
    model, counts = MODELS[name], COUNTS[name]
    if name != "stories260k_kv":
        return model
    task: Any = model.task
    return replace(model, task=replace(task, calibration_rows=counts.samples, evaluation_rows=counts.evaluation))


def metric_of(model: ZooModel | OutlierLayer) -> Metric:
    """Perplexity for what predicts the next character too."""
    from edgec.compiler.metrics import metric_named

    return metric_named("perplexity") if model.name == "textgenrnn" else model.task.metric


def kept(folder: Path, form: Form | None, counts: Counts) -> Cell | None:
    """A cell of an earlier run with the same options and samples; what failed is tried again."""
    file = _file(folder, form)
    if not file.is_file():
        return None
    read = json.loads(file.read_text(encoding="utf-8"))
    if read.pop("key") != _key(form, counts) or read["failed"]:
        return None
    read["interval"] = None if read["interval"] is None else tuple(read["interval"])
    return Cell(**read)


def float_cell(name: str, folder: Path, counts: Counts) -> Cell:
    """The model as it is, on the same samples."""
    return kept(folder, None, counts) or _keep(folder, None, counts, _answered(name, counts, None).cell)


def cell(name: str, folder: Path, form: Form, counts: Counts) -> Cell:
    """Compile one form and run its bundle, unless an earlier run did; it is kept in `folder`."""
    return kept(folder, form, counts) or _keep(folder, form, counts, _made(name, form, counts))


def _made(name: str, form: Form, counts: Counts) -> Cell:
    from edgec.errors import EdgecError

    try:
        return _compiled(name, form, counts)
    except _NotApplicable as reason:
        return Cell(problem=str(reason))
    except EdgecError as error:
        return Cell(problem=str(error), failed=True)


def _compiled(name: str, form: Form, counts: Counts) -> Cell:
    import edgec
    from edgec.compiler.samples.base import State

    model = model_named(name)
    task = model.task
    feeds = [[dict(step) for step in steps] for steps in task.calibration(counts.samples)]
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        bundle = edgec.compile(
            str(model.path),
            target="x86-64-vnni",
            calibration=feeds if task.carried else [steps[0] for steps in feeds],
            state=State(carried=task.carried, start=task.start),
            output=Path(scratch) / "bundle",
            prove=False,
            search=False,
            threads=1,
            weight_form="packed",
            observers=(_Applicable(),),
            **form.options,
        )
        seconds = time.perf_counter() - started
        return replace(_answered(name, counts, bundle.model).cell, seconds=seconds)


class _NotApplicable(Exception):  # noqa: N818 - no error: a cell of the table says so
    """A model has no place for a method."""


class _Applicable:
    """Observer of passes: stops where the method has nothing to work on."""

    def before(self, each: Pass, model: ir.Model) -> None:
        if each.name == "ActivationAware" and not each.needs(model):
            raise _NotApplicable("no inputs of matrices can be scaled")

    def after(self, each: Pass, model: ir.Model, report: PassReport) -> None:
        from edgec.compiler.remarks import remarks

        if each.name == "RotateHidden" and not report.modified:
            said = [note for note in remarks(model) if "is not rotated" in note]
            raise _NotApplicable("; ".join(said) or "has no hidden state and no heads that can be rotated")
        if each.name == "PackIncoherent" and not report.modified:  # what is left is the nearest of another form
            said = [note for note in remarks(model) if "stored in another form" in note]
            raise _NotApplicable("; ".join(["no matrix takes a codebook", *said]))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answered:
    cell: Cell
    records: np.ndarray
    outputs: np.ndarray


@lru_cache(maxsize=1)
def _float(name: str, counts: Counts) -> _Answered:
    return _answered(name, counts, None)


def _answered(name: str, counts: Counts, path: Path | None) -> _Answered:
    """Run a model file over the first evaluation samples; float itself where none is given."""
    import onnxruntime

    from edgec.compiler.metrics.intervals import metric_intervals
    from edgec.compiler.metrics.metric import stack

    model = model_named(name)
    metric, file = metric_of(model), model.path if path is None else path
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), settings, providers=["CPUExecutionProvider"])
    records, outputs = [], []
    for example in model.task.evaluation(counts.evaluation):
        found = run_joined(session, example.steps, model.task)
        records.append(np.asarray(metric.record(found, np.atleast_1d(example.label)), np.float64))
        outputs.append(np.concatenate([each.reshape(-1) for each in found.values()]).astype(np.float32))
    stacked, joined = stack(records), np.concatenate(outputs)
    exact = None if path is None else _float(name, counts)
    intervals = metric_intervals(metric, None if exact is None else exact.records, stacked, resamples=500)
    data = file.with_name(f"{file.name}.data")
    found_cell = Cell(
        value=metric.aggregate(stacked),
        interval=intervals.value if exact is None else intervals.drop,
        noise_db=None if exact is None else _noise(joined, exact.outputs),
        size=file.stat().st_size + (data.stat().st_size if data.is_file() else 0),
    )
    return _Answered(cell=found_cell, records=stacked, outputs=joined)


def _noise(outputs: np.ndarray, exact: np.ndarray) -> float:
    power = float(np.square(exact, dtype=np.float64).sum())
    return float(10 * np.log10(np.square(outputs - exact, dtype=np.float64).sum() / power))


def _keep(folder: Path, form: Form | None, counts: Counts, made: Cell) -> Cell:
    file = _file(folder, form)
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_suffix(".tmp")
    half.write_text(json.dumps({"key": _key(form, counts)} | asdict(made), indent=1) + "\n", encoding="utf-8")
    half.replace(file)
    return made


def _file(folder: Path, form: Form | None) -> Path:
    name = "float" if form is None else f"{form.bits}-{form.block or 'whole'}-{form.method}"
    return folder / f"{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-')}.json"


def _key(form: Form | None, counts: Counts) -> dict[str, Any]:
    return {"options": {} if form is None else form.options, **asdict(counts)}
