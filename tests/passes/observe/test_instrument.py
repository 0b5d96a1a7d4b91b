"""Ranges measured in the graph are those numpy finds in the values themselves."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import run
from support.recipes import observe

from edgec.passes.observe.instrument import Totals, fold, instrument, read_probes
from edgec.passes.observe.statistics import (
    Extremes,
    Need,
    Range,
    forget_observations,
    observation_of,
    set_observation,
)
from edgec.passes.spec import PerAxis, PerBlock

SAMPLES = 5


def values(source: ir.Model, names: list[str], feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Inner values of a model, as its own outputs."""
    clone = source.clone()
    inner = {value.name: value for node in clone.graph for value in node.outputs}
    inner |= {value.name: value for value in clone.graph.inputs}
    clone.graph.outputs.clear()
    for name in names:
        identity = ir.node("Identity", [inner[name]], name=f"{name}_out")
        identity.outputs[0].name = f"{name}_out"
        identity.outputs[0].type = inner[name].type
        clone.graph.append(identity)
        clone.graph.outputs.append(identity.outputs[0])
    return {name.removesuffix("_out"): array for name, array in run(clone, feeds).items()}


def check(source: ir.Model, needs: list[Need], samples: list[dict[str, np.ndarray]]) -> dict[str, Range]:
    """Compare every range with numpy's; returns them."""
    seen = [values(source, [need.value for need in needs], feeds) for feeds in samples]
    found = observe(source, needs, samples, optimize=False)
    assert list(found) == needs
    for need in needs:
        arrays = [each[need.value].astype(np.float32) for each in seen]
        asked = need.statistic
        if isinstance(asked.granularity, PerAxis):
            rank = arrays[0].ndim
            others = tuple(k for k in range(rank) if k != asked.granularity.axis % rank)
        else:
            others = None
        low, high = (np.stack([part(a, axis=others) for a in arrays]) for part in (np.min, np.max))
        got = found[need]
        assert got.low.dtype == got.high.dtype == np.float32
        assert np.array_equal(got.high, high.max(axis=0))
        expected = low.min(axis=0) if asked.floor is None else np.full_like(got.high, asked.floor)
        assert np.array_equal(got.low, expected)
    return {need.value: observed for need, observed in found.items()}


def convnet() -> ir.Model:
    return model(
        """g (float[N,3,8,8] x) => (float[N,5] y) {
            a = Conv<pads=[1,1,1,1]>(x, w, b)
            r = Relu(a)
            p = GlobalAveragePool(r)
            f = Flatten(p)
            y = Gemm(f, v)
        }""",
        w=weights(4, 3, 3, 3),
        b=weights(4),
        v=weights(4, 5),
    )


@pytest.mark.parametrize("name", ["x", "a", "r", "p", "f", "y"])
def test_per_tensor(name: str) -> None:
    source = convnet()
    samples = [feeds_of(source, seed=seed) for seed in range(SAMPLES)]
    found = check(source, [Need(value=name, statistic=Extremes())], samples)
    assert found[name].high.shape == ()


@pytest.mark.parametrize("axis", [1, -3])
@pytest.mark.parametrize("opset", [13, 17, 18, 21])
def test_per_channel(axis: int, opset: int) -> None:
    source = model("g (float[N,3,8,8] x) => (float[N,4,6,6] a) { a = Conv(x, w) }", opset=opset, w=weights(4, 3, 3, 3))
    samples = [feeds_of(source, seed=seed) for seed in range(SAMPLES)]
    needs = [Need(value=name, statistic=Extremes(granularity=PerAxis(axis=axis))) for name in ("x", "a")]
    found = check(source, needs, samples)
    assert (found["x"].low.shape, found["a"].high.shape) == ((3,), (4,))


def test_all_at_once_in_the_order_asked() -> None:
    source = convnet()
    samples = [feeds_of(source, seed=seed) for seed in range(SAMPLES)]
    check(source, [Need(value=name, statistic=Extremes()) for name in ("r", "x", "y", "f", "a", "p")], samples)


@pytest.mark.parametrize("shape", ["N,7", "N,4,5", "N,4,6,6", "N,2,3,4,5"])
@pytest.mark.parametrize("shift", [-9.0, 9.0])
def test_ranges_that_do_not_hold_zero(shape: str, shift: float) -> None:
    """All maxima negative, or all minima positive: pooling must not start from 0."""
    source = model(f"g (float[{shape}] x) => (float[{shape}] y) {{ y = Add(x, k) }}", k=np.float32(shift))
    samples = [feeds_of(source, seed=seed) for seed in range(SAMPLES)]
    found = check(source, [Need(value="y", statistic=Extremes())], samples)
    assert np.sign(found["y"].low) == np.sign(found["y"].high) == np.sign(shift)


def test_a_known_floor_is_not_measured() -> None:
    source = convnet()
    clone = source.clone()
    (probe,) = instrument(clone, [Need(value="r", statistic=Extremes(floor=0.0))])
    assert probe.ends[0].low is None
    assert [node.op_type for node in clone.graph if node.op_type.startswith("Reduce")] == ["ReduceMax"]
    samples = [feeds_of(source, seed=seed) for seed in range(SAMPLES)]
    found = check(source, [Need(value="r", statistic=Extremes(floor=0.0))], samples)
    assert found["r"].low == 0.0


@pytest.mark.parametrize("axis", [None, 1])
def test_what_one_run_showed_does_not_hold_on_to_its_arrays(axis: int | None) -> None:
    """They belong to the runtime, and keep the memory of its whole session."""
    granularity = {} if axis is None else {"granularity": PerAxis(axis=axis)}
    clone = model("g (float[N, 3, 4] x) => (float[N, 3, 4] y) { y = Tanh(x) }")
    (probe,) = instrument(clone, [Need(value="y", statistic=Extremes(**granularity))])
    outputs = {str(each.name): np.ones(() if axis is None else 3, np.float32) for each in clone.graph.outputs}
    seen = probe.seen(outputs)
    assert not any(np.shares_memory(end, array) for end in (seen.low, seen.high) for array in outputs.values())
    assert seen.low.base is None
    assert seen.high.base is None


def test_the_graph_it_makes() -> None:
    clone = convnet()
    per_channel = Extremes(granularity=PerAxis(axis=1))
    instrument(clone, [Need(value="a", statistic=Extremes()), Need(value="f", statistic=per_channel)])
    text = """
a = Conv<pads=(1,1,1,1)>(x, w, b)
r = Relu(a)
p = GlobalAveragePool(r)
f = Flatten(p)
y = Gemm(f, v)
edgec_observe_1_max = ReduceMax<axes=(0,), keepdims=0>(f)
edgec_observe_1_min = ReduceMin<axes=(0,), keepdims=0>(f)
edgec_observe_0_max_pool = GlobalMaxPool(a)
edgec_observe_0_max = ReduceMax<keepdims=0>(edgec_observe_0_max_pool)
edgec_observe_0_min = ReduceMin<keepdims=0>(a)
"""
    assert graph_text(clone) == text.strip()
    assert [output.name for output in clone.graph.outputs] == [
        "edgec_observe_1_max",
        "edgec_observe_1_min",
        "edgec_observe_0_max",
        "edgec_observe_0_min",
    ]


def test_optimized_kernels_find_the_same_up_to_rounding() -> None:
    """As the driver runs it: GlobalMaxPool reads the blocked layout that Conv writes."""
    source = convnet()
    needs = [Need(value=name, statistic=Extremes()) for name in ("x", "a", "r", "p", "y")]
    samples = [feeds_of(source, seed=seed) for seed in range(SAMPLES)]
    plain, fast = (observe(source, needs, samples, optimize=optimize) for optimize in (False, True))
    for need, found in plain.items():
        assert fast[need].low == pytest.approx(found.low, rel=1e-5)
        assert fast[need].high == pytest.approx(found.high, rel=1e-5)


def test_half_values_are_measured_in_float() -> None:
    source = model("g (float16[N,4,6,6] x) => (float16[N,4,6,6] y) { y = Relu(x) }")
    samples = [feeds_of(source, seed=seed) for seed in range(SAMPLES)]
    check(source, [Need(value=name, statistic=Extremes()) for name in ("x", "y")], samples)


def test_a_constant_and_an_input_with_a_default() -> None:
    source = model("g (float[4] x, float[4] k) => (float[4] y) { y = Add(x, k) }", k=weights(4))
    need = Need(value="k", statistic=Extremes())
    assert observe(source, [need], [feeds_of(source)])[need].high == weights(4).max()


def test_a_value_of_unknown_rank() -> None:
    source = model("g (float[N,4,6,6] x) => (float y) { a = Relu(x) \n y = ReduceMax<keepdims=0>(a) }", infer=False)
    need = Need(value="a", statistic=Extremes())
    samples = [feeds_of(source, seed=seed) for seed in range(SAMPLES)]
    assert observe(source, [need], samples)[need].high == max(feeds["x"].max() for feeds in samples)
    with pytest.raises(ValueError, match=r"^value 'a': a range per index needs its rank, which is unknown$"):
        instrument(source.clone(), [Need(value="a", statistic=Extremes(granularity=PerAxis(axis=1)))])
    with pytest.raises(ValueError, match=r"^value 'a': activations have no range per block$"):
        instrument(source.clone(), [Need(value="a", statistic=Extremes(granularity=PerBlock(axis=0, size=32)))])


def test_folded_outputs_are_those_of_all_runs() -> None:
    source = convnet()
    clone = source.clone()
    per_channel = Extremes(granularity=PerAxis(axis=1), floor=0.0)
    needs = [Need(value="a", statistic=Extremes()), Need(value="r", statistic=per_channel)]
    probes = instrument(clone, needs)
    totals: Totals = {}
    merged: dict[Need, Range] = {}
    for seed in range(SAMPLES):
        outputs = run(clone, feeds_of(source, seed=seed))
        fold(totals, probes, outputs)
        for need, found in read_probes(probes, {probe.needs[0]: probe.seen(outputs) for probe in probes}).items():
            merged[need] = merged[need].merge(found) if need in merged else found
    for need, found in read_probes(probes, totals).items():
        assert np.array_equal(found.low, merged[need].low)
        assert np.array_equal(found.high, merged[need].high)


def test_observations_are_kept_on_values_by_statistic() -> None:
    value = convnet().graph.inputs[0]
    assert observation_of(value, Extremes()) is None
    seen = Range(low=np.float32(-1), high=np.float32(2))
    set_observation(value, Extremes(), seen)
    assert observation_of(value, Extremes()) is seen
    assert observation_of(value, Extremes(floor=0.0)) is None
    forget_observations(value)
    assert observation_of(value, Extremes()) is None
