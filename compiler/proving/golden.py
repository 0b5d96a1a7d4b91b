"""Replay the golden sample of a bundle and compare every step with the golden outputs."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from ...runtimes.base import Feeds, Session
from ...runtimes.compare import compare
from ..samples import replay
from ..samples.base import Sample, State
from .evaluate import nonfinite
from .proof import GoldenProof

__all__ = ["GOLDEN_SQNR_DB", "golden_limit", "is_order", "replay_golden"]

# Golden outputs of the same model on another processor differ by single quantization steps (45-60 dB); a wrong
# kernel, or a saturating one, is far below (17 dB: U8S8 on AVX2 without reduce_range, ResNet18, 2026-11).
GOLDEN_SQNR_DB = 40.0
# Kernels of another library round every layer otherwise, and deep networks carry that on (XNNPACK, MobileNetV2: 30 dB
# where quantization itself costs 25). Such a bundle says what quantization costs it, and its target how much nearer
# than that its kernels come (`TargetSpec.golden_margin_db`).


def replay_golden(
    session: Session,
    feeds: Sequence[Feeds],
    expected: Sequence[Mapping[str, np.ndarray]],
    state: State,
    noise_db: float | None = None,
    margin_db: float = 3.0,
) -> GoldenProof:
    """Run the golden sample, carrying state from step to step as the device will.

    Args:
        session: The bundle.
        feeds: Golden feeds of every step, carried inputs included.
        expected: Golden outputs of every step.
        state: Outputs fed back as inputs; the start is that of the golden feeds.
        noise_db: SQNR of the golden outputs against float's, where the bundle says it.
        margin_db: How much nearer than that the answers must be.
    """
    limit = golden_limit(noise_db, margin_db)
    carried, codes = set(state.carried), set(state.carried.values())
    steps = tuple({name: array for name, array in step.items() if name not in carried} for step in feeds)
    start = {name: feeds[0][name] for name in carried if name in feeds[0]}
    sample = Sample(id="golden", steps=steps)
    replayed = replay(session.run, sample, session.inputs, State(carried=state.carried, start=start))
    worst, exact, agrees, bad = math.inf, True, True, 0
    for (_, answer), wanted in zip(replayed, expected, strict=True):
        bad += sum(nonfinite(array) for array in answer.values())
        try:
            comparisons = compare(_numbers(wanted, codes), _numbers(answer, codes))
            floats = {name for name, array in wanted.items() if array.dtype.kind == "f"}
        except ValueError:  # an output is missing or has another shape
            exact = agrees = False
            continue
        for name, comparison in comparisons.items():
            exact &= comparison.exact
            agrees &= comparison.agrees(limit) or (noise_db is not None and is_order(name, floats))
            worst = min(worst, math.inf if comparison.sqnr_db is None else comparison.sqnr_db)
    return GoldenProof(
        exact=exact,
        sqnr_db=worst if math.isfinite(worst) else None,
        nonfinite=bad,
        steps=len(steps),
        agrees=agrees,
    )


def _numbers(outputs: Mapping[str, np.ndarray], codes: Collection[str]) -> dict[str, np.ndarray]:
    """Outputs with codes as numbers: a cache or an embedding in int8 that is a step off is noise, as in float."""
    return {
        name: array.astype(np.float32)
        if array.dtype == np.int8 or (name in codes and array.dtype.kind in "iu")
        else array
        for name, array in outputs.items()
    }


def golden_limit(noise_db: float | None, margin_db: float) -> float:
    """The SQNR in dB that answers must have to be the same model's, by what `replay_golden` takes."""
    return GOLDEN_SQNR_DB if noise_db is None else min(GOLDEN_SQNR_DB, noise_db + margin_db)


def is_order(name: str, floats: Collection[str]) -> bool:
    """Whether an output says of which classes the scores beside it are (`--postprocess logits:topk=5`).

    Kernels that round otherwise put scores that are nearly equal in another order: the scores themselves are judged.

    Args:
        name: The output.
        floats: Names of the outputs that hold floats.
    """
    return name.endswith("_indices") and name.removesuffix("_indices") in floats
