"""Batches: which neighbours share one, and that stacking keeps every row."""

from __future__ import annotations

import numpy as np
import pytest

from edgec.compiler.samples import Samples, State, batches, can_batch, open_samples, stack
from edgec.runtimes.base import TensorInfo


def tensor(name: str, *shape: int | str | None, dtype: str = "float32") -> TensorInfo:
    return TensorInfo(name=name, dtype=np.dtype(dtype), shape=shape)


def lengths(*sizes: int) -> Samples:
    data = [{"x": np.full((1, size), i, np.float32)} for i, size in enumerate(sizes)]
    return open_samples(data, [tensor("x", "N", "T")], role="calibration")


@pytest.mark.parametrize(
    ("sizes", "size", "expected"),
    [
        ((2,) * 7, 3, [3, 3, 1]),
        ((2,) * 6, 3, [3, 3]),
        ((2, 2, 3, 3, 3, 2), 8, [2, 3, 1]),
        ((2, 2), 1, [1, 1]),
    ],
)
def test_neighbours_of_one_shape(sizes, size, expected) -> None:
    groups = list(batches(lengths(*sizes), size))
    assert [len(group) for group in groups] == expected
    rows = np.concatenate([stack(group)["x"][:, 0] for group in groups])
    assert rows.tolist() == list(range(len(sizes)))


def test_rank_zero_feeds_are_shared_or_kept_apart() -> None:
    inputs = [tensor("x", "N", 2), tensor("rate", dtype="int64")]
    data = [{"x": np.full((1, 2), i, np.float32), "rate": np.array(rate)} for i, rate in enumerate([8, 8, 16])]
    first, second = batches(open_samples(data, inputs, role="calibration"), 4)
    assert (len(first), len(second)) == (2, 1)
    assert stack(first)["x"].shape == (2, 2)
    assert stack(first)["rate"].shape == ()
    assert stack(first)["rate"] == 8


def test_sequences_are_alone() -> None:
    inputs = [tensor("x", 1, 2), tensor("h", 1, 2)]
    step = {"x": np.zeros((1, 2), np.float32)}
    samples = open_samples([step, [step, step], step], inputs, role="calibration", state=State(carried={"h": "y"}))
    assert [len(group) for group in batches(samples, 8)] == [1, 1, 1]


def test_what_can_be_batched() -> None:
    assert can_batch([tensor("x", "N", 2), tensor("y", "N"), tensor("rate")])
    assert can_batch([tensor("x", None, 2)])
    assert not can_batch([tensor("x", 1, 2)])
    assert not can_batch([tensor("x", "N", 2), tensor("y", 1, 2)])
    assert not can_batch([tensor("x", "N", 2), tensor("y", "M", 2)])
    assert not can_batch([tensor("rate")])
    assert not can_batch([tensor("x", "N", 2)], State(carried={"x": "y"}))
