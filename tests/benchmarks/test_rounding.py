from __future__ import annotations

import numpy as np
from rounding import Answers, judge

N = 200


def form(noise: float, right: float) -> Answers:
    rng = np.random.default_rng(0)
    outputs = rng.standard_normal(N * 4)
    scores = (np.arange(N) < right * N).astype(np.float64)
    return Answers(scores=scores, outputs=outputs + noise * rng.standard_normal(N * 4))


def statuses(**found: Answers) -> dict[str, str]:
    return {line.name: line.status for line in judge("m", form(0.0, 1.0), found)}


def test_better_is_nearer_to_float_and_not_less_often_right() -> None:
    assert statuses(nearest=form(0.5, 0.8), gptq=form(0.1, 0.9)) == {"gptq": "green"}
    assert statuses(nearest=form(0.5, 0.8), gptq=form(0.1, 0.8)) == {"gptq": "green"}
    assert statuses(nearest=form(0.1, 0.8), gptq=form(0.5, 0.9)) == {"gptq": "red"}
    assert statuses(nearest=form(0.5, 0.8), gptq=form(0.1, 0.6)) == {"gptq": "red"}


def test_a_line_says_by_how_much() -> None:
    found = {"plain": form(1.0, 0.5), "fast": form(0.1, 1.0)}
    (line,) = judge("m", form(0.0, 1.0), found)
    assert line.text.startswith("top1 +50.00 pt [")
    assert line.text.endswith("and +20.00 dB against plain")
