"""A graph observed in segments shows what it shows as a whole; however it is cut, it computes the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.awkward import AWKWARD, build
from support.graphs import feeds_of, model, weights
from support.numerics import run
from support.small_graphs import small_graphs

from edgec.compiler.load import load_model
from edgec.compiler.observe import observe
from edgec.compiler.observing import segments
from edgec.compiler.observing.cut import cut
from edgec.compiler.observing.spill import Crossing, spill
from edgec.compiler.progress import Quiet
from edgec.compiler.samples import open_samples
from edgec.compiler.signature import inputs_of
from edgec.passes.observe.statistics import Extremes, Need, Range, observation_of


def run_in_segments(source: ir.Model, feeds: dict[str, np.ndarray], limit: int) -> dict[str, np.ndarray]:
    """Graph outputs that later segments read, from one run of every segment."""
    known = dict(feeds)
    for segment in cut(source, limit):
        if segment.writes:
            known |= run(segment.model, {name: known[name] for name in segment.reads})
    return known


def computed(source: ir.Model, feeds: dict[str, np.ndarray], names: list[str]) -> dict[str, np.ndarray]:
    """Values of the whole model."""
    clone = source.clone()
    values = {value.name: value for node in clone.graph for value in node.outputs}
    clone.graph.outputs.clear()
    clone.graph.outputs.extend(values[name] for name in names)
    return run(clone, feeds)


def check(source: ir.Model, limit: int) -> None:
    feeds = feeds_of(source)
    parts = list(cut(source, limit))
    assert [each.start for each in parts] == [0, *(each.stop for each in parts[:-1])]
    assert parts[-1].stop == len(source.graph)
    assert sum(len(each.model.graph) for each in parts) == len(source.graph)
    crossing = [name for each in parts for name in each.writes]
    known = run_in_segments(source, feeds, limit)
    for name, whole in computed(source, feeds, crossing).items() if crossing else ():
        # ONNX Runtime computes half precision in float between casts, and a cut is one more cast.
        np.testing.assert_allclose(known[name], whole, rtol=2e-2 if whole.dtype == np.float16 else 0.0)


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_graphs_cut_at_every_weight(name: str) -> None:
    check(load_model(build(name), already_quantized="accept").model, 1)


@settings(derandomize=True, deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(small_graphs(), st.sampled_from([1, 300, 2000]))
def test_any_small_graph(source: ir.Model, limit: int) -> None:
    check(source, limit)


def deep() -> ir.Model:
    text = """g (float[N,8] x, float[N,8] z) => (float[N,8] y) {
        a = MatMul(x, w0)
        b = Relu(a)
        c = MatMul(b, w1)
        d = Add(c, z)
        e = MatMul(d, w2)
        f = Add(e, b)
        y = MatMul(f, w0)
    }"""
    return model(text, w0=weights(8, 8), w1=weights(8, 8, seed=1), w2=weights(8, 8, seed=2))


def test_a_segment_reads_what_crosses_and_holds_its_weights_alone() -> None:
    parts = list(cut(deep(), 256))
    assert [(each.start, each.stop) for each in parts] == [(0, 2), (2, 4), (4, 6), (6, 7)]
    assert [set(each.reads) for each in parts] == [{"x"}, {"b", "z"}, {"d", "b"}, {"f"}]
    assert [each.writes for each in parts] == [("b",), ("d",), ("f",), ()]
    assert [each.keeps for each in parts] == [(), ("b",), (), ()]
    assert [list(each.model.graph.initializers) for each in parts] == [["w0"], ["w1"], ["w2"], ["w0"]]


def test_observed_in_segments_as_observed_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "_SEGMENT_BYTES", 256)
    source = deep()
    feeds = [feeds_of(source, seed=seed) for seed in range(5)]
    samples = open_samples(feeds, inputs_of(source), role="calibration")
    needs = [Need(value=name, statistic=Extremes()) for name in ("z", "b", "d", "x", "y", "f")]
    whole = observe(source.clone(), needs, samples, threads=1, progress=Quiet())
    found = segments.observe_in_segments(source, needs, samples, threads=1, progress=Quiet())
    assert set(found) == set(needs)
    for need in needs:
        ours, theirs = found[need], whole[need]
        assert isinstance(ours, Range)
        assert isinstance(theirs, Range)
        np.testing.assert_array_equal([ours.low, ours.high], [theirs.low, theirs.high])
    values = {value.name: value for node in source.graph for value in node.outputs}
    assert observation_of(values["f"], Extremes()) is found[needs[5]]


def test_spilled_steps_keep_their_order(tmp_path: Path) -> None:
    source = deep()
    first, second, *_ = cut(source, 256)
    steps = [feeds_of(source, seed=seed) for seed in range(3)]
    samples = open_samples([steps], inputs_of(source), role="calibration")
    spill(
        Crossing(samples=samples, folder=None, reads=first.reads),
        lambda feeds: run(first.model, dict(feeds)),
        keeps=first.keeps,
        folder=tmp_path,
    )
    (sample,) = Crossing(samples=samples, folder=tmp_path, reads=second.reads)
    for step, feeds in zip(sample.steps, steps, strict=True):
        np.testing.assert_array_equal(step["b"], computed(source, feeds, ["b"])["b"])
        np.testing.assert_array_equal(step["z"], feeds["z"])
