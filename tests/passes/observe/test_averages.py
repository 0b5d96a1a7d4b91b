"""The mean over samples of each one's extremes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import model
from support.recipes import observe

from edgec.passes.observe.averages import AveragesProbe
from edgec.passes.observe.statistics import Extremes, Need
from edgec.passes.spec import PerAxis


@given(st.permutations([(-1.0, 2.0), (-3.0, 4.0), (-8.0, 0.0), (0.0, 0.0)]))
def test_samples_count_alike_in_any_order(extremes: list[tuple[float, float]]) -> None:
    need = Need(value="x", statistic=Extremes(averaged=True))
    source = model("g (float[N,3] x) => (float[N,3] y) { y = Relu(x) }")
    clone = source.clone()
    probe = AveragesProbe.add(clone, clone.graph.inputs[0], need, need.statistic, "p")
    total = None
    for low, high in extremes:
        seen = probe.seen({"p_min": np.float32(low), "p_max": np.float32(high)})
        total = seen if total is None else probe.merge(total, seen)
    (found,) = probe.read(total)
    assert (float(found.low), float(found.high)) == (-3.0, 1.5)
    assert found.low.dtype == found.high.dtype == np.float32


def test_in_the_graph_per_index() -> None:
    source = model("g (float[N,3] x) => (float[N,3] y) { y = Relu(x) }")
    samples = [{"x": np.array([[-1, 0, 1]], np.float32)}, {"x": np.array([[-3, 2, 5]], np.float32)}]
    need = Need(value="x", statistic=Extremes(granularity=PerAxis(axis=1), averaged=True))
    found = observe(source, [need], samples)[need]
    assert (found.low.tolist(), found.high.tolist()) == ([-2, 1, 3], [-2, 1, 3])
