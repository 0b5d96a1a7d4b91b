"""The judge of the benchmark, and its acceptance on the shipped example."""

from __future__ import annotations

from pathlib import Path

import pytest
from qat import Found, digits, judge, measured


def statuses(scheme: str, **found: float) -> list[str]:
    given = {"exact": 0.9, "before": 0.5, "after": 0.8, "steps": 0.1, "seconds": 1.0, **found}
    return [line.status for line in judge("m", scheme, Found(**given))]


def test_training_gains_where_more_is_right_than_before_it() -> None:
    assert statuses("a4w4") == ["green", "green"]
    assert statuses("a4w4", after=0.5) == ["red", "green"]
    assert statuses("a4w4", after=0.4) == ["red", "green"]


def test_eight_bits_lose_three_tenths_of_a_point_at_most() -> None:
    assert statuses("a8w8", after=0.897) == ["green", "green"]
    assert statuses("a8w8", after=0.8969) == ["red", "green"]
    assert statuses("a8w8", after=0.95) == ["green", "green"]


def test_a_bundle_is_a_step_from_its_module_at_most() -> None:
    assert statuses("a4w4", steps=1.0) == ["green", "green"]
    assert statuses("a4w4", steps=1.01) == ["green", "red"]


@pytest.mark.torch
@pytest.mark.parametrize(("scheme", "epochs"), [("a4w4", 4), ("a8w8", 1)])
def test_the_digits_learn_few_bits(tmp_path: Path, scheme: str, epochs: int) -> None:
    pytest.importorskip("torch", reason="needs edgec[torch]")
    found = measured(digits(), scheme, epochs, 1, tmp_path)
    assert [line.status for line in judge("digits", scheme, found)] == ["green", "green"], found
