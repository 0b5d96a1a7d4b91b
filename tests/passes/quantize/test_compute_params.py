from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, model, weights
from support.recipes import measure_on

from edgec.errors import ModelError, SamplesError
from edgec.passes.observe.statistics import Counts, Extremes, Need, Range, set_observation
from edgec.passes.quantize.compute_params import ComputeParams
from edgec.passes.quantize.decide import DecideQuantization
from edgec.passes.quantize.decision import params_of, set_source
from edgec.passes.quantize.params import from_range
from edgec.passes.spec import QuantSpec, Shared
from edgec.targets.cpu.rules import cpu_rules

A8 = QuantSpec(dtype="uint8", symmetric=False)
W = weights(4, 4, 3, 3)


def decided(text: str, **constants: np.ndarray) -> ir.Model:
    source = model(text, **{"w": W, **constants})
    DecideQuantization(rules=cpu_rules(reduce_range=False))(source)
    return source


def values(source: ir.Model) -> dict[str, ir.Value]:
    found = {str(value.name): value for value in source.graph.inputs}
    return found | {str(value.name): value for node in source.graph for value in node.outputs}


TWO = """g (float[N,4,8,8] x) => (float[N,4,4,4] y) {
    a = Conv<pads=[1,1,1,1]>(x, w)
    r = Relu(a)
    p = MaxPool<kernel_shape=[3,3]>(r)
    y = Conv(p, w)
}"""


def test_it_needs_the_range_of_what_is_given_and_of_nothing_else() -> None:
    needs = ComputeParams().needs(decided(TWO))
    assert needs == (
        Need(value="x", statistic=Extremes()),
        Need(value="r", statistic=Extremes(floor=0.0)),
        Need(value="y", statistic=Extremes()),
    )


@pytest.mark.parametrize("method", ["percentile", "entropy", "mse", "sqnr", "auto"])
def test_methods_need_counts_beside_the_extremes(method: str) -> None:
    needs = ComputeParams(method=method).needs(decided(TWO))
    # What leaves the model is covered by its extremes, unless a way to take ranges is named.
    assert [need.value for need in needs] == ["x", "x", "r", "r", "y", "y"][: 5 if method == "auto" else 6]
    assert needs[2:4] == (
        Need(value="r", statistic=Extremes(floor=0.0)),
        Need(value="r", statistic=Counts(elements=4096)),
    )


def test_a_moving_average_needs_the_mean_of_each_sample_s_extremes() -> None:
    source = decided(TWO)
    compute = ComputeParams(method="moving-average")
    assert compute.needs(source)[0] == Need(value="x", statistic=Extremes(averaged=True))
    samples = [{"x": np.full((1, 4, 8, 8), each, np.float32)} for each in (1.0, 2.0, 6.0)]
    measure_on(samples)(source, compute.needs(source))
    compute(source)
    assert params_of(values(source)["x"]).scale == from_range(A8, np.float32(0), np.float32(3)).scale


def test_counts_decide_the_range() -> None:
    """One element of 2,000 lies far off: min-max covers it, a percentile of 99 does not."""
    x = np.random.default_rng(0).uniform(-1, 1, (8, 4, 8, 8)).astype(np.float32)
    x[0, 0, 0, 0] = 9.0
    for method, low, high in (("minmax", -1, 9), ("percentile", -1, 1)):
        compute = ComputeParams(method=method, percentile=99.0)
        clone = decided("g (float[N,4,8,8] x) => (float[N,4,6,6] y) { y = Conv(x, w) }")
        measure_on([{"x": x}])(clone, compute.needs(clone))
        compute(clone)
        assert params_of(values(clone)["x"]).scale == pytest.approx((high - low) / 255, rel=0.02)


@pytest.mark.parametrize("method", ["mse", "sqnr"])
def test_what_only_a_leaky_relu_reads_has_less_range_below_0(method: str) -> None:
    """Conv copies x: what its output loses below 0 is shrunk by the slope, unless somebody else reads it, too."""
    x = np.random.default_rng(0).standard_normal((8, 4, 8, 8)).astype(np.float32)
    copy = np.eye(4, dtype=np.float32)[:, :, None, None]
    low = {}
    for others, y in (("", "z = Conv(r, w)"), ("b = Conv(a, w)", "z = Add(r, b)")):
        read = f"a = Conv(x, w) \n r = LeakyRelu <alpha = 0.01> (a) \n {others} \n {y}"
        clone = decided(f"g (float[N,4,8,8] x) => (float[N,4,8,8] z) {{ {read} }}", w=copy)
        compute = ComputeParams(method=method)
        measure_on([{"x": x}])(clone, compute.needs(clone))
        compute(clone)
        params = params_of(values(clone)["a"])
        low[others] = float(params.scale) * int(params.zero_point)
    assert low[""] < 0.8 * low["b = Conv(a, w)"]


LEAVING = {
    "itself": "g (float[1,4,8,8] x) => (float[1,4,6,6] y) { y = Conv(x, w) }",
    "moved": """g (float[1,4,8,8] x) => (float[1,6,4,6] z) {
        y = Conv(x, w)
        z = Transpose<perm = [0, 2, 1, 3]>(y)
    }""",
    "in part": """g (float[1,4,8,8] x) => (float[1,2,6,6] z) {
        y = Conv(x, w)
        z = Slice(y, start, end, axis)
    }""",
    "read on": """g (float[1,4,8,8] x) => (float[1,4,4,4] z) {
        y = Conv(x, w)
        z = Conv(y, w)
    }""",
}


@pytest.mark.parametrize("case", LEAVING)
def test_what_the_model_answers_is_not_clipped(case: str) -> None:
    """One element in 10,000 lies far off: `auto` clips it within the model, and never at its end."""
    cut = {name: np.array([k], np.int64) for name, k in (("start", 0), ("end", 2), ("axis", 1))}
    source = decided(LEAVING[case], **(cut if case == "in part" else {}))
    x = np.random.default_rng(0).uniform(-1, 1, (100, 1, 4, 8, 8)).astype(np.float32)
    x[0, 0, :, 3, 3] = 40.0 * np.sign(W[0, :, 1, 1])
    compute = ComputeParams(method="auto")
    measure_on([{"x": each} for each in x])(source, compute.needs(source))
    compute(source)
    found, everything = params_of(values(source)["y"]), ComputeParams()
    reference = decided(LEAVING[case], **(cut if case == "in part" else {}))
    measure_on([{"x": each} for each in x])(reference, everything.needs(reference))
    everything(reference)
    widest = params_of(values(reference)["y"]).scale
    assert (found.scale == widest) == (case != "read on")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"method": "best"},
            "method: 'best' is not one of minmax, moving-average, percentile, entropy, mse, sqnr, auto",
        ),
        ({"percentile": 50.0}, "percentile: 50 is not above 50 and at most 100"),
    ],
)
def test_options_that_mean_nothing(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the whole string follows
        ComputeParams(**options)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("node", "floor"),
    [
        ("Relu(t)", 0.0),
        ("Softmax(t)", 0.0),
        ("Exp(t)", 0.0),
        ("Clip(t, zero, six)", 0.0),
        ("Clip(t, six)", 0.0),
        ("Clip(t, minus)", None),
        ('Clip(t, "", six)', None),
        ("Tanh(t)", None),
    ],
)
def test_a_lower_bound_known_from_the_producer_is_not_measured(node: str, floor: float | None) -> None:
    bounds = {"zero": [0.0], "six": 6.0, "minus": -1.0}
    source = model(
        f"g (float[N,4,8,8] x) => (float[N,4,6,6] y) {{ t = Tanh(x) \n s = {node} \n y = Conv(s, w) }}",
        infer=False,
        w=W,
        **{name: np.array(bound, np.float32) for name, bound in bounds.items()},
    )
    DecideQuantization(rules=cpu_rules(reduce_range=False))(source)
    needs = {need.value: need.statistic.floor for need in ComputeParams().needs(source)}
    assert needs["s"] == floor


def test_ranges_become_params_and_movers_share_the_object() -> None:
    source = decided(TWO)
    found = values(source)
    asked = {need.value: need.statistic for need in ComputeParams().needs(source)}
    for name, (low, high) in {"x": (-1.0, 3.0), "r": (0.0, 5.0), "y": (-2.0, 2.0)}.items():
        set_observation(found[name], asked[name], Range(low=np.float32(low), high=np.float32(high)))
    assert ComputeParams()(source).modified
    for name, (low, high) in {"x": (-1, 3), "r": (0, 5), "y": (-2, 2)}.items():
        expected = from_range(A8, np.float32(low), np.float32(high))
        assert params_of(found[name]).scale == expected.scale
        assert params_of(found[name]).zero_point == expected.zero_point
    assert params_of(found["p"]) is params_of(found["r"])
    assert not ComputeParams()(source).modified


def test_a_fixed_range_is_not_measured() -> None:
    source = decided(
        """g (float[N,4,8,8] x) => (float[N,4,6,6] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            s = Sigmoid(a)
            y = Conv(s, w)
        }"""
    )
    needs = ComputeParams().needs(source)
    assert [need.value for need in needs] == ["x", "a", "y"]
    measure_on([feeds_of(source)])(source, needs)
    ComputeParams()(source)
    params = params_of(values(source)["s"])
    assert (float(params.scale), int(params.zero_point)) == (1 / 256, 0)


@pytest.mark.parametrize(("low", "high"), [(-np.inf, 1.0), (0.0, np.inf), (np.nan, 1.0)])
def test_an_infinite_range_is_an_error(low: float, high: float) -> None:
    source = decided("g (float[N,4,8,8] x) => (float[N,4,6,6] y) { y = Conv(x, w) }")
    found = values(source)
    set_observation(found["x"], Extremes(), Range(low=np.float32(low), high=np.float32(high)))
    set_observation(found["y"], Extremes(), Range(low=np.float32(0), high=np.float32(1)))
    with pytest.raises(SamplesError) as raised:
        ComputeParams()(source)
    assert str(raised.value) == (
        f"value 'x': reaches {np.float32(low)} … {np.float32(high)} on the calibration samples. "
        "No scale covers an infinite range. "
        "Check the calibration samples and the float model for NaN and overflow."
    )


def test_values_that_share_in_a_circle_are_an_error() -> None:
    source = decided(TWO)
    found = values(source)
    measure_on([feeds_of(source)])(source, ComputeParams().needs(source))
    set_source(found["r"], Shared(with_="p"))
    with pytest.raises(ModelError) as raised:
        ComputeParams()(source)
    assert str(raised.value).startswith("value 'r': shares its params with 'r', which has none of its own.")
