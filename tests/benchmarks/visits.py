"""Latency of several sessions in turns, so that a slow moment of the machine hits all of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnxruntime as ort

__all__ = ["latency"]

VISIT_SECONDS = 0.015


def latency(
    sessions: Mapping[str, ort.InferenceSession], feed: Mapping[str, np.ndarray], rounds: int, *, settle: float
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


def _time(session: ort.InferenceSession, feed: Mapping[str, np.ndarray], runs: int) -> np.ndarray:
    taken = np.empty(runs)
    for i in range(runs):
        started = time.perf_counter()
        session.run(None, feed)
        taken[i] = time.perf_counter() - started
    return taken
