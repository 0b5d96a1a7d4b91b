from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from blocks import COLUMN, Answers, Form, judge, row
from models import MODELS

MODEL = MODELS["cct_cifar10"]
N = 200
BLOCKS = "blocks of 32"


def answers(noise: float, right: float) -> Answers:
    rng = np.random.default_rng(0)
    outputs = rng.standard_normal((N, 4))
    records = np.stack([np.arange(N) < right * N, np.ones(N)], axis=1).astype(np.float64)  # right, of how many
    return Answers(records=records, outputs=outputs + noise * rng.standard_normal((N, 4)), integer=0.5)


def form(noise: float, right: float, there: float | None = 0.01) -> Form:
    """`there` is the noise of the HTP."""
    here = answers(noise, right)
    if there is None:
        return Form(here=here, there=None, size=1_500_000)
    outputs = here.outputs[:20] + there * np.random.default_rng(1).standard_normal((20, 4))
    return Form(here=here, there=replace(here, records=here.records[:20], outputs=outputs), size=1_500_000)


def statuses(column: Form, blocks: Form) -> list[str]:
    found = {COLUMN: column, BLOCKS: blocks}
    return [line.status for line in judge(MODEL, "a16w4", answers(0.0, 1.0), found)]


def test_blocks_are_nearer_to_float_and_not_less_often_right() -> None:
    assert statuses(form(0.5, 0.8), form(0.1, 0.9))[0] == "green"
    assert statuses(form(0.5, 0.8), form(0.1, 0.8))[0] == "green"
    assert statuses(form(0.1, 0.8), form(0.5, 0.9))[0] == "red"
    assert statuses(form(0.5, 0.8), form(0.1, 0.6))[0] == "red"


@pytest.mark.parametrize(("there", "word"), [(0.01, "green"), (0.9, "red"), (None, "unknown")])
def test_the_simulator_adds_less_noise_than_quantization_did(there: float | None, word: str) -> None:
    assert statuses(form(0.5, 0.8), form(0.3, 0.8, there))[1:] == ["green", word]


def test_a_line_says_by_how_much() -> None:
    found = {COLUMN: form(1.0, 0.5), BLOCKS: form(0.1, 1.0)}
    line = next(judge(MODEL, "a8w4", answers(0.0, 1.0), found))
    assert line.text.startswith("a8w4, blocks of 32: +20.00 dB, top1 +0.5000 [+0.4")
    assert line.text.endswith("] against per column")


def test_a_row_sets_the_simulator_beside_the_same_samples_here() -> None:
    cells = row(MODEL, "a8w4", BLOCKS, answers(0.0, 1.0), form(0.1, 0.05))
    assert cells[:4] == ["cct_cifar10", "a8w4", BLOCKS, "0.0500"]
    assert cells[5] == "0.5000 (CPU 0.5000, n = 20)"
    assert cells[7:] == ["50.0%", "1.50"]
