"""Candidates that are compared observe one part of the samples and are judged on the other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgec.compiler.samples import open_samples
from edgec.compiler.searching import apart
from edgec.compiler.searching.workshop import Workshop
from edgec.runtimes.base import TensorInfo
from edgec.targets import find_target
from edgec.targets.policy import Policy

INPUTS = (TensorInfo(name="x", dtype=np.dtype(np.float32), shape=(1, 2)),)


class Builder:
    """Stands for `Candidates`: knows what it observes."""

    def __init__(self, *, source: Any, measure: Any) -> None:
        self.source, self.measure = source, measure

    def build(self, recipe: str) -> Any:
        return SimpleNamespace(model=f"{recipe} by {len(self.measure)}")


class Bench:
    """Scores nothing; knows its samples."""

    def __init__(self, *given: Any, **options: Any) -> None:
        self.samples, self.options = given[2], options

    def score(self, model: str) -> str:
        return f"score of {model}"


def numbers(samples: Any) -> set[int]:
    return {int(sample.feeds["x"][0, 0]) for sample in samples}


def parts(monkeypatch: pytest.MonkeyPatch, count: int) -> tuple[set[int], set[int], Any]:
    """The samples that are observed and those that judge, of `count`, and the trials."""
    monkeypatch.setattr(apart, "open_bench", Bench)
    monkeypatch.setattr(apart, "Candidates", Builder)
    feeds = [{"x": np.full((1, 2), k, np.float32)} for k in range(count)]
    samples = open_samples(feeds, INPUTS, role="calibration")
    everything: Any = Builder(source="model", measure=list(samples))
    shop = Workshop(candidates=everything, target=find_target("x86-64-vnni"), policy=Policy())
    trials: Any = SimpleNamespace(shop=shop, decide=None, base=frozenset({"stem"}))
    found: Any = apart.judged_apart(
        trials, "recipe", runtime=None, calibration=samples, measuring=list, threads=1, seed=0
    )
    return numbers(found.shop.candidates.measure), numbers(found.bench.samples), found


def test_no_sample_is_observed_and_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    observed, judges, found = parts(monkeypatch, 40)
    assert observed | judges == set(range(40))
    assert not observed & judges
    assert len(observed) == len(judges) == 20
    assert found.base == {"stem"}
    assert found.score(frozenset()) == "score of recipe by 20"


def test_of_few_samples_all_are_observed_and_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    observed, judges, _ = parts(monkeypatch, 15)
    assert observed == judges == set(range(15))
