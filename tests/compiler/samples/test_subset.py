"""Parts of samples: drawn, split and compared; digests that say what was used."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgec.compiler.samples import Sample, Samples, State, open_samples, overlap, sample_digest, split
from edgec.errors import OptionError, SamplesError
from edgec.runtimes.base import TensorInfo

X = TensorInfo(name="x", dtype=np.dtype(np.float32), shape=("N", 2))


def opened(*values: float, labels: bool = False, **options: object) -> Samples:
    items = [({"x": np.full((1, 2), v, np.float32)}, v if labels else None) for v in values]
    return open_samples(items, [X], role="calibration", **options)


def values(samples: Samples) -> list[float]:
    return [float(sample.feeds["x"][0, 0]) for sample in samples]


class Foreign:
    """Somebody else's `Samples`."""

    origin = "elsewhere"
    state = State()

    def __init__(self, *numbers: float) -> None:
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Sample]:
        for n in self.numbers:
            yield Sample(id=f"elsewhere/{n}", steps=({"x": np.full((1, 2), n, np.float32)},))

    def digest(self) -> str:
        return ""


def test_a_limit_is_drawn_in_order_by_the_seed() -> None:
    drawn = values(opened(*range(100), limit=10, seed=0))
    assert drawn == sorted(drawn)
    assert len(set(drawn)) == 10
    assert drawn == values(opened(*range(100), limit=10, seed=0))
    assert drawn != values(opened(*range(100), limit=10, seed=1))
    assert drawn != list(range(10))


def test_more_than_there_is(caplog) -> None:
    with caplog.at_level(logging.WARNING):
        samples = opened(1, 2, limit=5)
    assert values(samples) == [1, 2]
    assert caplog.messages == ["list: 5 samples were asked for, there are 2: all are used"]
    with pytest.raises(OptionError) as error:
        opened(1, 2, limit=0)
    assert str(error.value) == "--samples: 0 is not a positive number. Give at least 1."


def test_split_is_complete_disjoint_and_repeatable() -> None:
    samples = opened(*range(11), labels=True)
    kept, held = split(samples, held_out=0.3, seed=5)
    assert (len(kept), len(held)) == (8, 3)
    assert sorted(values(kept) + values(held)) == list(range(11))
    assert values(held) == sorted(values(held))
    assert [s.label.item() for s in held] == values(held)
    again = split(samples, held_out=0.3, seed=5)
    assert values(again[1]) == values(held)
    assert values(split(samples, held_out=0.3, seed=6)[1]) != values(held)
    assert kept.origin == "list (8 of 11, seed 5)"
    assert held.origin == "list (the other 3 of 11, seed 5)"
    assert overlap(kept, held) == 0
    parts = split(kept, held_out=0.5, seed=0)
    assert sorted(values(parts[0]) + values(parts[1])) == values(kept)


def test_each_part_of_a_split_has_a_sample() -> None:
    for share in (0.001, 0.999):
        assert {len(part) for part in split(opened(1, 2), held_out=share, seed=0)} == {1}


def test_what_cannot_be_split() -> None:
    with pytest.raises(SamplesError) as error:
        split(opened(1), held_out=0.5, seed=0)
    assert str(error.value) == (
        "list: holds one sample, which cannot be split into calibration and evaluation. "
        "Give more samples, or separate evaluation samples."
    )
    with pytest.raises(OptionError) as option:
        split(opened(1, 2), held_out=1.0, seed=0)
    assert str(option.value) == "held_out: 1.0 does not lie between 0 and 1. Give a share such as 0.5."


def test_overlap_counts_samples_of_the_second_found_in_the_first() -> None:
    assert overlap(opened(1, 2, 3), opened(3, 4, 3)) == 2
    assert overlap(opened(1, 2, 3), opened(2, labels=True)) == 1  # a label makes no other sample of it
    assert overlap(opened(1), opened(2)) == 0
    assert overlap(Foreign(1, 2), opened(2, 3)) == 1


def test_samples_of_somebody_else() -> None:
    foreign = Foreign(1, 2, 3, 4)
    samples = open_samples(foreign, [X], role="calibration", limit=2)
    assert len(values(samples)) == 2
    assert samples.origin == "elsewhere"
    assert [len(part) for part in split(foreign, held_out=0.5, seed=0)] == [2, 2]
    with pytest.raises(SamplesError) as error:
        list(open_samples(Foreign(1, np.nan), [X], role="calibration"))
    assert str(error.value) == (
        "elsewhere/nan, input 'x': 2 of 2 values are not finite: NaN at [0, 0] comes first. "
        "Remove or mend the sample; NaN and Inf cannot be calibrated or scored."
    )


def test_samples_opened_again_keep_what_was_hashed() -> None:
    samples = opened(1, 2, 3)
    again = open_samples(samples, [X], role="evaluation", limit=2)
    assert len(again) == 2
    assert set(values(again)) < {1, 2, 3}
    assert open_samples(samples, [X], role="evaluation") is samples


def test_samples_that_shrink_between_passes() -> None:
    class Shrinking(Foreign):
        def __iter__(self) -> Iterator[Sample]:
            return iter(list(super().__iter__())[:2])

    samples = open_samples(Shrinking(1, 2, 3, 4), [X], role="calibration", limit=3)
    with pytest.raises(SamplesError) as error:
        list(samples)
    assert str(error.value).endswith("of 3 samples chosen. Give the same samples in every pass.")


def test_digest_says_what_was_read(tmp_path: Path) -> None:
    digest = opened(1, 2).digest()
    assert len(digest) == 64
    assert digest == opened(1, 2).digest()
    different = [opened(2, 1), opened(1), opened(1, 3), opened(1, 2, 2), opened(1, 2, labels=True)]
    assert len({digest, *(samples.digest() for samples in different)}) == 6
    np.savez(tmp_path / "x.npz", x=np.array([[1, 1], [2, 2]], np.float32))
    assert open_samples(tmp_path / "x.npz", [X], role="calibration").digest() == digest
    kept, held = split(opened(1, 2, 3, 4), held_out=0.5, seed=0)
    assert kept.digest() == opened(*values(kept)).digest()
    assert held.digest() == opened(*values(held)).digest()


def test_digest_of_a_sample() -> None:
    a, b = np.zeros((1, 2), np.float32), np.ones((1, 2), np.float32)

    def digest(*steps: dict[str, np.ndarray]) -> bytes:
        return sample_digest(Sample(id="", steps=steps)).feeds

    assert digest({"a": a, "b": b}) == digest({"b": b, "a": a})
    texts = [np.array(["a", "bc"], object), np.array(["ab", "c"], object)]
    different = [
        digest({"a": a, "b": b}),
        digest({"a": b, "b": a}),
        digest({"a": a}, {"b": b}),
        digest({"a": a.reshape(2, 1), "b": b}),
        digest({"a": a.view(np.int32), "b": b}),
        *(digest({"a": text}) for text in texts),
        digest({"a": a.T, "b": b}),
    ]
    assert len(set(different)) == 7  # the last is the fourth, whatever its memory order
