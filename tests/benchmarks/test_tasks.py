"""Tasks read what their models were trained on, and their float metrics are those of the zoo's own table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from feeds import run_joined
from models import MODELS
from sessions import open_session
from tasks.audio import _chunks, _spectra, _wave
from tasks.classify import Classify, _turned
from tasks.detect import BINS, _boxes
from tasks.text import _token_by_token

from edgec.compiler.metrics.metric import stack


def test_a_clip_comes_back_from_its_spectra() -> None:
    clip = np.random.default_rng(0).integers(-9000, 9000, 3000).astype(np.int16)
    steps = _spectra(clip)
    assert steps[0]["mix"].shape == (1, 257, 1, 2)
    back = _wave(np.concatenate([step["mix"] for step in steps]).astype(np.float64), len(clip))
    np.testing.assert_allclose(back, clip / 32768, atol=1e-6)


def test_chunks_carry_the_end_of_the_one_before() -> None:
    clip = np.arange(1, 1025).astype(np.int16)
    first, second = _chunks(clip)
    assert first["input"].shape == (1, 576)
    assert not first["input"][0, :64].any()
    np.testing.assert_array_equal(second["input"][0, :64], first["input"][0, -64:])
    np.testing.assert_array_equal(second["input"][0, 64:] * 32768, np.arange(513, 1025))


def test_distances_become_boxes_around_the_cells_centre() -> None:
    sides = np.full((4, 4 * BINS), -100.0)
    sides[:, [1, BINS + 2, 2 * BINS + 3, 3 * BINS]] = 100.0  # 1, 2, 3 and 0 strides from the centre
    boxes = _boxes(sides, size=16, stride=8)
    np.testing.assert_allclose(boxes[3], [12 - 8, 12 - 16, 12 + 24, 12])


def test_a_second_turn_of_the_samples_differs_from_the_first() -> None:
    raw = np.arange(24).reshape(2, 4, 3)
    assert _turned(raw, 0) is raw
    np.testing.assert_array_equal(_turned(raw, 1), raw[:, ::-1])
    np.testing.assert_array_equal(_turned(raw, 2), np.roll(raw, 1, axis=1))
    np.testing.assert_array_equal(_turned(np.arange(3), 1), [2, 1, 0])


class Few:
    """Two samples, (2, 3, 1) each."""

    def count(self, split: str) -> int:
        return 2

    def read(self, split: str, chosen: list[int]) -> Iterator[tuple[np.ndarray, int]]:
        for i in chosen:
            yield np.arange(6).reshape(2, 3, 1) + 10 * i, i


@pytest.mark.parametrize(
    ("mirrored", "n", "labels"),
    [
        (False, 5, [1, 2]), (True, 5, [1, 2, 1, 2]), (True, 3, [1, 2, 1]), (True, 1, [1]),
        (False, None, [1, 2]), (True, None, [1, 2]),
    ],
)  # fmt: skip
def test_mirror_images_follow_where_they_are_asked_for(mirrored: bool, n: int | None, labels: list[int]) -> None:
    task = Classify(input="x", data=Few(), preprocess=lambda x: x, first_class=1, mirrored=mirrored)
    found = list(task.evaluation(n))
    assert [int(each.label) for each in found] == labels
    for each in found[2:]:
        plain = found[int(each.label) - 1].steps[0]["x"]
        np.testing.assert_array_equal(each.steps[0]["x"], plain[:, :, ::-1])


def test_tokens_come_one_by_one_with_their_place() -> None:
    steps = _token_by_token(np.array([4, 9]))
    assert [(step["token"].tolist(), step["pos"].tolist()) for step in steps] == [([[4]], [0]), ([[9]], [1])]


@pytest.mark.zoo
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lprnet", 0.9075),
        ("imdn_rtc_x2", 32.4305),
        ("espnetv2_05_voc", 0.3160),
        ("stories260k_kv", 3.8178),
        ("ultraface_rfb320", 1.0),
        ("crepe_tiny", 0.9286),
    ],
)
@pytest.mark.slow
def test_float_metrics_are_those_of_the_zoo(zoo: Path, name: str, value: float) -> None:
    model = MODELS[name]
    assert model.path.is_relative_to(zoo)
    session = open_session(model.path, 1)
    records = [
        model.task.metric.record(run_joined(session, example.steps, model.task), example.label)
        for example in model.task.evaluation()
    ]
    assert model.task.metric.aggregate(stack(records)) == pytest.approx(value, abs=6e-5)
