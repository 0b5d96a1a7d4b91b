"""Job: float and every int8 form of one model over the same evaluation samples, in one process."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from feeds import run_joined
from models import MODELS
from paired import decibel, energies, paired_difference, ratio
from process import Record, job_main
from sessions import last_feed, open_session
from tasks.base import Example, Task
from visits import latency

if TYPE_CHECKING:
    import onnxruntime as ort

    from edgec.compiler.metrics import Metric

FLOAT = "float"
SETTLE_SECONDS = 0.06  # ONNX Runtime's idle threads spin for 35-50 ms (1.31.1) and would take a core from the next form
RESAMPLES = 500


def measure(name: str, forms: dict[str, str], rounds: int, samples: int | None) -> Record:
    """Metric, SQNR and latency of every form.

    Args:
        name: Zoo model.
        forms: Path of each form's model; `float` is one of them.
        rounds: Turns of the latency measurement.
        samples: Evaluation samples; None for all.

    Returns:
        By form: `metric` (value, interval), `drop` against float (in the metric's unit, positive is worse; relative;
        interval), `versus` (paired differences of a metric that is a mean), `sqnr_db`, `latency` by thread count.
    """
    model = MODELS[name]
    one, unloadable = _opened(forms)
    forms = {form: path for form, path in forms.items() if form in one}
    records, sqnr, pooled = _answers(model.task, one, samples)
    feed = last_feed(model)
    seconds = {"1": latency(one, feed, rounds, settle=0.0)}
    if model.classic:
        two = {form: open_session(path, 2) for form, path in forms.items()}
        seconds["2"] = latency(two, feed, rounds, settle=SETTLE_SECONDS)
    metric = model.task.metric
    by_form: Record = {
        form: {
            **_judged_by(metric, records[FLOAT], records[form]),
            "versus": _versus(records, form) if model.classic else {},
            "sqnr_db": float(sqnr[form].mean()),
            "sqnr_pooled_db": pooled[form],
            "sqnr_versus": {
                other: dataclasses.asdict(paired_difference(sqnr[form], sqnr[other]))
                for other in forms
                if FLOAT not in (form, other) and other != form
            },
            "latency": {
                threads: {
                    "p50_ms": float(np.median(taken[form])) * 1e3,
                    "minimum_ms": float(taken[form].min()) * 1e3,
                    "ratio": {other: ratio(taken[form], taken[other]) for other in forms if other != form},
                }
                for threads, taken in seconds.items()
            },
        }
        for form in forms
    }
    return by_form | {"unloadable": unloadable}


def _opened(forms: dict[str, str]) -> tuple[dict[str, ort.InferenceSession], dict[str, str]]:
    """Sessions of one thread, and why others cannot be opened: a tool may write a model that does not load."""
    sessions, reasons = {}, {}
    for form, path in forms.items():
        try:
            sessions[form] = open_session(path, 1)
        except Exception as error:  # ONNX Runtime's exceptions have no common base but this
            reasons[form] = f"does not load: {error}"
    return sessions, reasons


def _judged_by(metric: Metric, reference: list[np.ndarray], records: list[np.ndarray]) -> Record:
    from edgec.compiler.metrics.intervals import metric_intervals
    from edgec.compiler.metrics.metric import stack

    mine, theirs = stack(records), stack(reference)
    value, against = float(metric.aggregate(mine)), float(metric.aggregate(theirs))
    found = metric_intervals(metric, theirs, mine, resamples=RESAMPLES)
    drop = metric.drop(against, value)
    return {
        "metric": {
            "name": metric.name,
            "unit": metric.unit,
            "estimate": value,
            "interval": found.value,
            "n": len(records),
        },
        "drop": {"estimate": drop, "relative": drop / abs(against), "interval": found.drop},
    }


def _versus(records: dict[str, list[np.ndarray]], form: str) -> dict[str, Any]:
    """Paired differences of hits: classifiers only, whose record is (hits, positions) of one position."""
    hits = {name: np.array([record[0] for record in each]) for name, each in records.items()}
    return {other: dataclasses.asdict(paired_difference(hits[form], hits[other])) for other in records if other != form}


def _answers(
    task: Task, sessions: dict[str, ort.InferenceSession], samples: int | None
) -> tuple[dict[str, list[np.ndarray]], dict[str, np.ndarray], dict[str, float]]:
    """Metric records and SQNR per sample, and SQNR over all samples at once, of every form; dB are means over outputs.

    The mean of per-sample dB is lifted by samples whose Softmax has saturated; the SQNR over all samples is not.
    """
    metric = task.metric
    records: dict[str, list[np.ndarray]] = {form: [] for form in sessions}
    energy: dict[str, list[np.ndarray]] = {form: [] for form in sessions}
    for batch in _batches(task.evaluation(samples), task.batch):
        answers = {form: _run(session, batch, task) for form, session in sessions.items()}
        for form, of_form in answers.items():
            for example, reference, outputs in zip(batch, answers[FLOAT], of_form, strict=True):
                records[form].append(metric.record(outputs, example.label))
                energy[form].append(np.array([energies(reference[o][None], outputs[o][None]) for o in outputs]))
    all_energy = {form: np.concatenate(each, axis=2) for form, each in energy.items()}  # (outputs, 2, samples)
    return (
        records,
        {form: decibel(e[:, 0], e[:, 1]).mean(axis=0) for form, e in all_energy.items()},
        {form: float(decibel(*e.sum(axis=2).T).mean()) for form, e in all_energy.items()},
    )


def _run(session: ort.InferenceSession, batch: list[Example], task: Task) -> list[dict[str, np.ndarray]]:
    """Outputs of each example; several are run as one batch."""
    if len(batch) == 1:
        return [run_joined(session, batch[0].steps, task)]
    feed = {name: np.concatenate([example.steps[0][name] for example in batch]) for name in batch[0].steps[0]}
    joined = run_joined(session, (feed,), task)
    return [{name: array[i : i + 1] for name, array in joined.items()} for i in range(len(batch))]


def _batches(examples: Iterable[Example], size: int) -> Iterator[list[Example]]:
    iterator = iter(examples)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


if __name__ == "__main__":
    job_main(measure)
