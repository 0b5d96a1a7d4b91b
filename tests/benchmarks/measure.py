"""Job: float and every int8 form of one model over the same evaluation samples, in one process."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from models import MODELS, Sample, ZooModel
from paired import bootstrap_mean, decibel, energies, paired_difference, ratio
from process import Record, job_main

if TYPE_CHECKING:
    import onnxruntime as ort

BATCH = 25
FLOAT = "float"
SETTLE_SECONDS = 0.06  # ONNX Runtime's idle threads spin for 35-50 ms (1.31.1) and would take a core from the next form
VISIT_SECONDS = 0.015


def measure(name: str, forms: dict[str, str], rounds: int, samples: int | None) -> Record:
    """Accuracy, SQNR and latency of every form.

    Args:
        name: Zoo model.
        forms: Path of each form's model; `float` is one of them.
        rounds: Turns of the latency measurement.
        samples: Evaluation samples; None for all.

    Returns:
        By form: `metric` with its interval, `versus` (paired differences), `sqnr_db`, `latency` by thread count.
    """
    model = MODELS[name]
    two = {form: _open(path, 2) for form, path in forms.items()}
    hits, sqnr, pooled = _accuracy(model, two, samples)
    one = {form: _open(path, 1) for form, path in forms.items()}
    feed = next(iter(model.calibration(1)))
    seconds = {
        "1": _latency(one, {model.input: feed}, rounds, settle=0.0),
        "2": _latency(two, {model.input: feed}, rounds, settle=SETTLE_SECONDS),
    }
    return {
        form: {
            "metric": _as_dict(bootstrap_mean(hits[form])),
            "versus": {other: _as_dict(paired_difference(hits[form], hits[other])) for other in forms if other != form},
            "sqnr_db": float(sqnr[form].mean()),
            "sqnr_pooled_db": pooled[form],
            "sqnr_versus": {
                other: _as_dict(paired_difference(sqnr[form], sqnr[other]))
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


def _accuracy(
    model: ZooModel, sessions: dict[str, ort.InferenceSession], samples: int | None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, float]]:
    """Hits and SQNR per sample, and SQNR over all samples at once, of every form; dB are means over the outputs.

    The mean of per-sample dB is lifted by samples whose Softmax has saturated; the SQNR over all samples is not.
    """
    hits: dict[str, list[np.ndarray]] = {form: [] for form in sessions}
    energy: dict[str, list[np.ndarray]] = {form: [] for form in sessions}
    for batch in _batches(model.evaluation(samples)):
        feed = {model.input: np.concatenate([sample.feed for sample in batch])}
        labels = np.array([sample.label for sample in batch])
        outputs = {form: session.run(None, feed) for form, session in sessions.items()}
        for form, values in outputs.items():
            hits[form].append(model.correct(values[0], labels))
            of_outputs = [energies(r, v) for r, v in zip(outputs[FLOAT], values, strict=True)]
            energy[form].append(np.array(of_outputs))
    all_hits = {form: np.concatenate(records) for form, records in hits.items()}
    all_energy = {form: np.concatenate(records, axis=2) for form, records in energy.items()}  # (outputs, 2, samples)
    return (
        all_hits,
        {form: decibel(e[:, 0], e[:, 1]).mean(axis=0) for form, e in all_energy.items()},
        {form: float(decibel(*e.sum(axis=2).T).mean()) for form, e in all_energy.items()},
    )


def _latency(
    sessions: dict[str, ort.InferenceSession], feed: dict[str, np.ndarray], rounds: int, *, settle: float
) -> dict[str, np.ndarray]:
    """Seconds of a run, (rounds,) by form.

    In every round each form has one visit, the order moving on by one from round to round; a visit is `settle`
    seconds of rest, one run that does not count, then the median of the runs that fit into `VISIT_SECONDS`
    (3 at least).
    """
    names = list(sessions)
    taken: dict[str, list[float]] = {form: [] for form in names}
    runs = {form: max(3, round(VISIT_SECONDS / _time(sessions[form], feed, 5).min())) for form in names}
    for turn in range(rounds):
        start = turn % len(names)
        for form in names[start:] + names[:start]:
            time.sleep(settle)
            sessions[form].run(None, feed)
            taken[form].append(float(np.median(_time(sessions[form], feed, runs[form]))))
    return {form: np.array(seconds) for form, seconds in taken.items()}


def _time(session: ort.InferenceSession, feed: dict[str, np.ndarray], runs: int) -> np.ndarray:
    taken = np.empty(runs)
    for i in range(runs):
        started = time.perf_counter()
        session.run(None, feed)
        taken[i] = time.perf_counter() - started
    return taken


def _open(path: str, threads: int) -> ort.InferenceSession:
    """A session with default options, apart from the thread count and the log level."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _batches(samples: Iterable[Sample]) -> Iterator[list[Sample]]:
    iterator = iter(samples)
    while batch := list(itertools.islice(iterator, BATCH)):
        yield batch


def _as_dict(interval: object) -> dict[str, float]:
    import dataclasses

    return dataclasses.asdict(interval)  # type: ignore[call-overload,no-any-return]


if __name__ == "__main__":
    job_main(measure)
