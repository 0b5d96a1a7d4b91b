"""Samples survive the way between processes, in both forms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from feeds import read_samples, write_samples
from tasks.base import Steps, Task, every


@dataclass(frozen=True, kw_only=True)
class Given(Task):
    samples: tuple[Steps, ...] = ()

    def calibration(self, n: int) -> Iterator[Steps]:
        yield from self.samples[:n]


ALIKE = tuple(({"x": np.full((1, 2, 3), i, np.float32)},) for i in range(4))
APART = tuple(
    tuple({"x": np.full((1, length), step), "rate": np.array(7)} for step in range(steps))
    for length, steps in ((3, 1), (5, 12))
)


@pytest.mark.parametrize(("samples", "uniform"), [(ALIKE, True), (ALIKE, False), (APART, False)])
def test_samples_come_back_as_they_were(samples: tuple[Steps, ...], uniform: bool, tmp_path: Path) -> None:
    file = tmp_path / "samples.npz"
    assert write_samples(Given(samples=samples, uniform=uniform), 9, file) == len(samples)
    back = read_samples(file)
    assert [len(steps) for steps in back] == [len(steps) for steps in samples]
    for steps, expected in zip(back, samples, strict=True):
        for step, want in zip(steps, expected, strict=True):
            assert list(step) == list(want)
            for name, array in want.items():
                assert step[name].dtype == array.dtype
                np.testing.assert_array_equal(step[name], array)


def test_samples_of_one_shape_are_one_array_by_the_inputs_name(tmp_path: Path) -> None:
    write_samples(Given(samples=ALIKE), 3, tmp_path / "samples.npz")
    with np.load(tmp_path / "samples.npz") as archive:
        assert {name: archive[name].shape for name in archive.files} == {"x": (3, 2, 3)}


def test_every_spreads_and_never_repeats() -> None:
    assert every(3, 9) == [0, 4, 8]
    assert every(9, 3) == [0, 1, 2]
