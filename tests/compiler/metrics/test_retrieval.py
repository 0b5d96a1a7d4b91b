from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.compiler.metrics import metric_named
from edgec.errors import SamplesError


def by_hand(first: np.ndarray, second: np.ndarray, asked: np.ndarray, k: int) -> float:
    hits = []
    for i in np.flatnonzero(asked):
        cosines = [float(first[i] @ other / np.sqrt((first[i] @ first[i]) * (other @ other))) for other in second]
        hits.append(i in np.argsort(-np.array(cosines), kind="stable")[:k])
    return float(np.mean(hits))


@settings(deadline=None)
@given(st.integers(3, 30), st.integers(1, 5), st.integers(0, 999))
def test_it_is_what_a_search_finds(count: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.standard_normal((count, 6)).astype(np.float32)
    second = (first + rng.standard_normal(first.shape)).astype(np.float32)
    asked = rng.random(count) < 0.7
    asked[0] = True
    metric = metric_named(f"recall,k={k}")
    assert metric.name == f"recall@{k}"
    records = np.stack(
        [
            metric.record({"e": np.stack([a, b])}, np.array(float(is_asked)))
            for a, b, is_asked in zip(first, second, asked, strict=True)
        ]
    )
    assert metric.aggregate(records) == pytest.approx(by_hand(first, second, asked, k))


def test_samples_count_by_their_weight() -> None:
    metric = metric_named("recall,k=1")
    pairs = [([1, 0], [1, 0]), ([0, 1], [1, 0.1]), ([1, 1], [0, 1])]
    records = np.stack([metric.record({"e": np.array(pair, float)}, np.array(1)) for pair in pairs])
    assert metric.weighted is not None
    weights = np.array([[1, 1, 1], [2, 0, 1], [1, 3, 0]])
    repeated = [metric.aggregate(np.repeat(records, row, axis=0)) for row in weights]
    np.testing.assert_allclose(metric.weighted(records, weights), repeated)


def test_a_sample_is_a_pair() -> None:
    with pytest.raises(SamplesError) as caught:
        metric_named("recall").record({"e": np.zeros((3, 4))}, np.array(1))
    assert str(caught.value) == (
        "label: has shape () beside an output of shape (3, 4); recall needs two embeddings and one label per sample. "
        "Give labels of that shape, another metric, or name the output it looks at."
    )
