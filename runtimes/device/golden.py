"""The golden inputs of a bundle, run again: state carried from step to step, every answer compared with the golden one.

======= =====================================
exact   every element is equal
sqnr_db 10 log10(Σ x² / Σ (x - y)²), x golden
======= =====================================

Floats have both. So have codes that stand for numbers, int8 and integers that are carried (a cache of keys and values):
one that is a step off is noise there, too. All else is equal or is not, as where a bundle is proved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["replayed", "steps_of"]


def steps_of(file: Path) -> list[dict[str, Any]]:
    """Arrays by name, one dict per step, of an `.npz` whose arrays are called `name@step`."""
    import numpy as np

    with np.load(file, allow_pickle=False) as archive:
        keys = [key.rpartition("@") for key in archive.files]
        steps: list[dict[str, Any]] = [{} for _ in range(1 + max((int(key[2]) for key in keys), default=-1))]
        for (name, _, step), key in zip(keys, archive.files, strict=True):
            steps[int(step)][name] = archive[key]
    return steps


def replayed(
    run: Callable[[dict[str, Any]], Mapping[str, Any]],
    feeds: Sequence[Mapping[str, Any]],
    expected: Sequence[Mapping[str, Any]],
    carried: Mapping[str, str],
) -> list[dict[str, Any]]:
    """How far the answers are from the golden ones: one entry per output, the worst of its steps.

    Args:
        run: Feeds to outputs by name.
        feeds: Golden feeds of every step, carried inputs included; the first step's values of those are the start.
        expected: Golden outputs of every step.
        carried: Output that is fed back, by input.

    Returns:
        `name`, `exact`, `sqnr_db` (None where all is equal, or the distance has no number), `nonfinite`: elements
        that are NaN or infinite.
    """
    state = {name: feeds[0][name] for name in carried}
    codes = set(carried.values())
    found: dict[str, dict[str, Any]] = {}
    for given, wanted in zip(feeds, expected, strict=True):
        answers = run({**given, **state})
        for name, golden in wanted.items():
            one = {"name": name, **_distance(golden, answers[name], carried=name in codes)}
            found[name] = one if name not in found else _worse(found[name], one)
        state = {name: answers[output] for name, output in carried.items()}
    return list(found.values())


def _worse(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    worst = one if _closeness(one) <= _closeness(other) else other
    return {**worst, "nonfinite": one["nonfinite"] + other["nonfinite"]}


def _closeness(one: dict[str, Any]) -> float:
    if one["exact"]:
        return math.inf
    return -math.inf if one["sqnr_db"] is None else float(one["sqnr_db"])


def _distance(golden: Any, answer: Any, *, carried: bool) -> dict[str, Any]:
    import numpy as np

    if golden.shape != np.shape(answer):
        return {"exact": False, "sqnr_db": None, "nonfinite": 0}
    if not (golden.dtype.kind == "f" or golden.dtype == np.int8 or (carried and golden.dtype.kind in "iu")):
        return {"exact": bool(np.array_equal(golden, answer)), "sqnr_db": None, "nonfinite": 0}
    x, y = golden.astype(np.float64).reshape(-1), answer.astype(np.float64).reshape(-1)
    nonfinite = int(np.count_nonzero(~np.isfinite(y)))
    if bool(np.all((x == y) | (np.isnan(x) & np.isnan(y)))):
        return {"exact": True, "sqnr_db": None, "nonfinite": nonfinite}
    both = np.isfinite(x) & np.isfinite(y)
    signal, noise = (float(np.sum(each * each)) for each in (x[both], x[both] - y[both]))
    lost = bool(np.any(np.isfinite(x) & ~np.isfinite(y)))
    decibels = 10 * math.log10(signal / noise) if signal > 0 and noise > 0 and not lost else None
    return {"exact": False, "sqnr_db": decibels, "nonfinite": nonfinite}
