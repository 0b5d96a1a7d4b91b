"""Observation: exact ranges, one pass, batches only where the graph keeps its promise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir
import pytest

from edgec.compiler.observe import lay_out, observe
from edgec.compiler.progress import Quiet
from edgec.compiler.samples import open_samples
from edgec.compiler.signature import inputs_of
from edgec.passes.observe.statistics import Counts, Extremes, Means, Need, Products, Statistic, observation_of
from edgec.passes.spec import PerAxis

TEXT = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[N, 3, 4, 4] x) => (float[N, 3, 4, 4] y) {
  t = Tanh(x)
  y = Neg(t)
}
"""


def loaded(text: str) -> ir.Model:
    from edgec.compiler.load import load_model

    return load_model(ir.from_onnx_text(text)).model


def test_ranges_are_those_of_all_samples() -> None:
    model = loaded(TEXT)
    x = np.random.default_rng(0).normal(size=(37, 3, 4, 4)).astype(np.float32) * 3
    samples = open_samples([{"x": each[None]} for each in x], inputs_of(model), role="calibration")
    needs = [
        Need(value="x", statistic=Extremes()),
        Need(value="t", statistic=Extremes(granularity=PerAxis(axis=1))),
        Need(value="y", statistic=Extremes(floor=-2.0)),
    ]
    seen = observe(model, needs, samples, threads=1, progress=Quiet())
    found = {need.value: observed for need, observed in seen.items()}
    np.testing.assert_array_equal([found["x"].low, found["x"].high], [x.min(), x.max()])
    t = np.tanh(x)
    np.testing.assert_allclose(found["t"].high, t.max((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(found["t"].low, t.min((0, 2, 3)), rtol=1e-6)
    assert found["y"].low == -2.0
    np.testing.assert_allclose(found["y"].high, -t.min(), rtol=1e-6)
    values = {value.name: value for node in model.graph for value in node.outputs}
    assert observation_of(values["t"], needs[1].statistic) is seen[needs[1]]
    assert [node.op_type for node in model.graph] == ["Tanh", "Neg"]


def test_samples_are_read_once_and_one_at_a_time() -> None:
    model = loaded(TEXT)
    alive, largest, read = 0, 0, 0

    class Counted(np.ndarray):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def feeds() -> Iterator[dict[str, np.ndarray]]:
        nonlocal alive, largest, read
        for _ in range(300):
            alive += 1
            read += 1
            largest = max(largest, alive)
            yield {"x": np.ones((1, 3, 4, 4), np.float32).view(Counted)}

    samples = open_samples(feeds, inputs_of(model), role="calibration")
    needs = [Need(value="t", statistic=Extremes())]
    size = lay_out(model, needs, 1).batch
    assert size > 1
    observe(model, needs, samples, threads=1, progress=Quiet())
    assert largest <= 4 * size
    assert read in (300, 600)  # a callable has no length: counting for the progress bar costs one more pass


def test_a_graph_that_breaks_its_promise_is_run_one_by_one() -> None:
    text = """
    <ir_version: 8, opset_import: ["" : 17]>
    g (float[N, 4] x) => (float[M, 2] y) <int64[2] shape = {1, -1}, float[1] two = {2.0}> {
      row = Reshape(x, shape)
      m = ReduceMean<axes = [1], keepdims = 1>(row)
      y = Mul(m, two)
    }
    """
    model = loaded(text)
    x = np.arange(32, dtype=np.float32).reshape(8, 4)
    samples = open_samples([{"x": each[None]} for each in x], inputs_of(model), role="calibration")
    need = Need(value="y", statistic=Extremes())
    found = observe(model, [need], samples, threads=1, progress=Quiet())[need]
    means = 2 * x.mean(1)
    np.testing.assert_allclose([found.low, found.high], [means.min(), means.max()])


@pytest.mark.parametrize(("first", "expected"), [("N", 64), ("1", 1)])
def test_a_fixed_batch_is_one(first: str, expected: int) -> None:
    model = loaded(TEXT.replace("float[N, 3", f"float[{first}, 3"))
    assert lay_out(model, [Need(value="t", statistic=Extremes())], 1).batch == expected


def test_a_batch_is_as_large_as_what_it_shows_allows() -> None:
    """8 MiB of elements to be counted, 4 bytes each."""
    model = loaded(TEXT.replace("3, 4, 4", "1, 64, 64"))
    chosen = [Need(value=name, statistic=Counts(elements=1 << 14)) for name in ("x", "t", "y")]
    assert lay_out(model, chosen, 1).batch == 64  # the value has fewer elements than may be chosen: 16 KiB each
    many = [Need(value=name, statistic=Counts(elements=each)) for name in ("t", "y") for each in range(64, 2048)]
    assert lay_out(model, many, 1).batch == 1
    some = [Need(value="t", statistic=Counts(elements=elements)) for elements in range(600, 800)]
    assert lay_out(model, some, 1).batch == (8 << 20) // (4 * sum(range(600, 800))) == 14


def test_cores_share_samples_while_activations_are_small() -> None:
    small, large = loaded(TEXT), loaded(TEXT.replace("3, 4, 4", "3, 2048, 2048"))
    need = [Need(value="t", statistic=Extremes())]
    assert (lay_out(small, need, 4).workers, lay_out(small, need, 4).threads) == (4, 1)
    assert (lay_out(large, need, 4).workers, lay_out(large, need, 4).threads) == (1, 4)


def test_a_statistic_of_each_sample_apart_is_not_batched() -> None:
    model = loaded(TEXT)
    x = np.stack([np.full((3, 4, 4), each, np.float32) for each in (1.0, 2.0, 6.0)])
    samples = open_samples([{"x": each[None]} for each in x], inputs_of(model), role="calibration")
    need = Need(value="x", statistic=Extremes(averaged=True))
    assert lay_out(model, [need], 1).batch == 1
    assert observe(model, [need], samples, threads=1, progress=Quiet())[need].high == 3.0


@pytest.mark.parametrize("statistic", [Means(axis=1), Products(), Counts(), Counts(elements=2)])
def test_no_statistic_is_taken_of_batches_that_show_something_else(statistic: Statistic) -> None:
    """The mean over the whole batch is another than that of each sample."""
    text = """
    <ir_version: 8, opset_import: ["" : 17]>
    g (float[N, 4] x) => (float[N, 4] y) {
      m = ReduceMean<keepdims = 1>(x)
      y = Mul(x, m)
    }
    """
    model = loaded(text)
    x = np.arange(32, dtype=np.float32).reshape(8, 1, 4)
    samples = open_samples([{"x": each} for each in x], inputs_of(model), role="calibration")
    need = Need(value="y", statistic=statistic)
    found = observe(model, [need], samples, threads=1, progress=Quiet())[need]
    fixed = loaded(text.replace("N, 4", "1, 4"))
    apart = observe(fixed, [need], samples, threads=1, progress=Quiet())[need]
    for name in found.__slots__:
        np.testing.assert_array_equal(getattr(found, name), getattr(apart, name))
