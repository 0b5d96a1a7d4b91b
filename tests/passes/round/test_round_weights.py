from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, model, weights
from support.numerics import run
from support.recipes import compiled, measure_on

from edgec.passes.edit import why_skipped
from edgec.passes.observe.statistics import Gram, Products, set_observation
from edgec.passes.quantize.compute_params import ComputeParams
from edgec.passes.quantize.decide import DecideQuantization
from edgec.passes.quantize.decision import rounded_of
from edgec.passes.quantize.insert_qdq import InsertQdq
from edgec.passes.quantize.params import dequantize
from edgec.passes.round.gptq import gptq
from edgec.passes.round.grid import Grid
from edgec.passes.round.round_weights import RoundWeights
from edgec.passes.spec import Granularity, PerBlock, PerTensor
from edgec.targets.cpu.rules import cpu_rules


def rules(granularity: Granularity | None = None) -> tuple:
    """The CPU's, with 4-bit weights, where rounding counts; per channel unless said otherwise."""
    return tuple(
        rule
        if rule.weights is None or rule.role != "compute"
        else replace(
            rule,
            weights=replace(rule.weights, dtype="int4", granularity=granularity or rule.weights.granularity),
        )
        for rule in cpu_rules(reduce_range=False)
    )


def samples_of(source: ir.Model, count: int = 4) -> list[dict[str, np.ndarray]]:
    """Feeds whose elements depend on their neighbours, as real ones do."""
    feeds = [feeds_of(source, seed=seed) for seed in range(count)]
    return [{name: np.cumsum(x, axis=-1, dtype=np.float32) + 1 for name, x in each.items()} for each in feeds]


def rounded(
    text: str, *, granularity: Granularity | None = None, options: RoundWeights, **constants: np.ndarray
) -> ir.Model:
    source = model(text, **constants)
    measure = measure_on(samples_of(source))
    DecideQuantization(rules=rules(granularity))(source)
    measure(source, ComputeParams().needs(source))
    ComputeParams()(source)
    if needs := options.needs(source):
        measure(source, needs)
    changed = options(source).modified
    assert changed == any(rounded_of(node) for node in source.graph)
    assert not options(source).modified
    assert not changed or not options.needs(source)
    return source


def node(source: ir.Model, output: str) -> ir.Node:
    return next(each for each in source.graph if each.outputs[0].name == output)


def patches(x: np.ndarray, group: int, kernel: int, stride: int, pad: int) -> np.ndarray:
    """Rows a square Conv multiplies with, one window after the other: (group, rows, channels / group * kernel²)."""
    x = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    size = (x.shape[2] - kernel) // stride + 1
    rows = [
        x[n, :, stride * i : stride * i + kernel, stride * j : stride * j + kernel].reshape(group, -1)
        for n in range(len(x))
        for i in range(size)
        for j in range(size)
    ]
    return np.stack(rows, axis=1)


@pytest.mark.parametrize(("group", "stride", "pad"), [(1, 1, 1), (2, 2, 0), (1, 2, 1)])
def test_a_conv_is_rounded_under_the_gram_matrix_of_its_patches(group: int, stride: int, pad: int) -> None:
    attributes = f"group = {group}, strides = [{stride}, {stride}], pads = [{pad}, {pad}, {pad}, {pad}]"
    w = weights(16, 8 // group, 3, 3)
    text = f"g (float[2,8,7,7] x) => (float[N,C,H,W] y) {{ y = Conv<{attributes}>(x, w) }}"
    source = rounded(text, options=RoundWeights(), w=w)
    found = rounded_of(node(source, "y"))
    assert found is not None
    rows = np.concatenate([patches(feeds["x"], group, 3, stride, pad) for feeds in samples_of(source)], axis=1)
    h = np.einsum("grk,grl->gkl", rows.astype(np.float64), rows)
    scale = found.params.scale.reshape(group, -1, 1)
    expected = gptq(w.reshape(group, 16 // group, -1), h, Grid(scale=scale, low=-7, high=7))
    assert found.codes.dtype.name == "int4"
    assert np.mean(found.codes.astype(int).reshape(expected.shape) == expected) > 0.98  # the graph sums in float32


@pytest.mark.parametrize("method", ["gptq", "adaround"])
@pytest.mark.parametrize(
    ("call", "shape", "weight"),
    [
        ("Conv<pads = [1, 1, 1, 1]>(x, w)", "N,8,7,7", (8, 8, 3, 3)),
        ('Conv<auto_pad = "SAME_LOWER", strides = [2, 2]>(x, w)', "N,8,7,7", (8, 8, 2, 2)),
        ('Conv<auto_pad = "VALID", group = 8>(c, w)', "N,8,7,7", (8, 1, 3, 3)),
        ("Conv<dilations = [2]>(x, w)", "N,8,9", (8, 8, 3)),
        ("Gemm(x, w)", "N,24", (24, 8)),
        ("Gemm<transB = 1>(x, w)", "N,24", (8, 24)),
        ("MatMul(x, w)", "N,5,24", (24, 8)),
    ],
)
def test_the_output_loses_less_than_with_the_nearest(
    call: str, shape: str, weight: tuple[int, ...], method: str
) -> None:
    """Real kernels on the samples it was rounded for, activations float: only weights are rounded."""
    text = f"g (float[{shape}] x) => (y) {{ y = {call} }}"
    constants = {"w": weights(*weight)}
    if "(c," in call:  # depthwise runs in integers between others that do
        text = f"g (float[{shape}] x) => (y, z) {{ c = Conv(x, v) y = {call} z = Conv(y, v) }}"
        constants["v"] = weights(8, 8, 1, 1)
    source = rounded(text, options=RoundWeights(method=method), **constants)
    found = rounded_of(node(source, "y"))
    assert found is not None
    assert found.codes.shape == weight
    nearest = np.clip(np.rint(constants["w"] / found.params.scale.reshape(spread(found, weight))), -7, 7)
    plain = constants | {"w": dequantize(nearest, found.params)}
    ours = constants | {"w": dequantize(found.codes, found.params)}
    lost = dict.fromkeys(("plain", "ours"), 0.0)
    for feeds in samples_of(source):
        exact = run(model(text, **constants), feeds)["y"]
        for name, each in (("plain", plain), ("ours", ours)):
            lost[name] += float(np.square(run(model(text, **each), feeds)["y"] - exact).sum())
    assert lost["ours"] < 0.9 * lost["plain"]


def spread(found: object, weight: tuple[int, ...]) -> tuple[int, ...]:
    axis = found.params.spec.granularity.axis
    return tuple(-1 if k == axis else 1 for k in range(len(weight)))


def test_blocks_have_steps_of_their_own() -> None:
    w = weights(24, 8) * np.repeat([1, 4, 2], 8).astype(np.float32)[:, None]
    text = "g (float[N,24] x) => (float[N,8] y) { y = MatMul(x, w) }"
    source = rounded(text, granularity=PerBlock(axis=0, size=8), options=RoundWeights(), w=w)
    found = rounded_of(node(source, "y"))
    assert found is not None
    assert found.params.scale.shape == (3, 8)
    x = np.concatenate([feeds["x"] for feeds in samples_of(source)]).astype(np.float64)
    expected = gptq(w.T, x.T @ x, Grid(scale=np.repeat(found.params.scale, 8, axis=0).T, low=-7, high=7)).T
    assert np.array_equal(found.codes.astype(int), expected)


def test_what_it_chose_is_what_is_stored() -> None:
    source = rounded("g (float[N,24] x) => (float[N,8] y) { y = Gemm(x, w) }", options=RoundWeights(), w=weights(24, 8))
    found = rounded_of(node(source, "y"))
    assert found is not None
    InsertQdq()(source)
    stored = source.graph.initializers["w_quantized"].const_value.numpy()
    assert np.array_equal(stored.astype(np.int8), found.codes.astype(np.int8))
    assert np.array_equal(source.graph.initializers["w_scale"].const_value.numpy(), found.params.scale)


TWICE = "g (float[N,8] x) => (float[N,8] y) { a = Gemm(x, w) y = Gemm(a, w) }"


def test_readers_of_one_weight_share_its_integers_under_the_sum_of_their_gram_matrices() -> None:
    source = rounded(TWICE, options=RoundWeights(), w=weights(8, 8))
    first, second = (rounded_of(node(source, name)) for name in "ay")
    assert first is not None
    assert first is second
    feeds = samples_of(source)
    a = [
        run(model(TWICE.replace("=> (float[N,8] y)", "=> (float[N,8] a)"), w=weights(8, 8)), each)["a"]
        for each in feeds
    ]
    rows = np.concatenate([each["x"] for each in feeds] + a).astype(np.float64)
    expected = gptq(weights(8, 8).T, rows.T @ rows, Grid(scale=first.params.scale[:, None], low=-7, high=7)).T
    assert np.array_equal(first.codes.astype(int), expected)
    InsertQdq()(source)
    assert [name for name in source.graph.initializers if name.endswith("_quantized")] == ["w_quantized"]


@pytest.mark.parametrize(
    ("text", "constants", "reasons"),
    [
        (
            "g (float[N,8] x) => (float[N,8] y) { a = Gemm(x, w) y = Gemm<transB = 1>(a, w) }",
            {"w": weights(8, 8)},
            dict.fromkeys("ay", "shares its weight with a node that multiplies it in another form"),
        ),
        (
            "g (float[2,4,8] x) => (float[2,4,8] y) { y = MatMul(x, w) }",
            {"w": weights(2, 8, 8)},
            {"y": "multiplies with several matrices"},
        ),
        (
            "g (float[N,40] x) => (float[N,8] y) { y = Gemm(x, w) }",
            {"w": weights(40, 8)},
            {"y": "multiplies 40 columns, more than 30: its weight is rounded to the nearest"},
        ),
        (
            'g (float[N,4,H,7] x) => (float[N,8,H,W] y) { y = Conv<auto_pad = "SAME_UPPER">(x, w) }',
            {"w": weights(8, 4, 2, 2)},
            {"y": "pads by SAME_UPPER an input of unknown size"},
        ),
    ],
)
def test_it_leaves_alone_what_it_must_and_says_why(
    text: str, constants: dict[str, np.ndarray], reasons: dict[str, str]
) -> None:
    source = rounded(text, granularity=PerTensor(), options=RoundWeights(max_columns=30), **constants)
    assert all(rounded_of(each) is None for each in source.graph)
    assert {name: why_skipped(node(source, name)) for name in reasons} == reasons


def test_constants_that_are_added_are_not_its_business() -> None:
    text = "g (float[N,8] x) => (float[N,8] y) { a = Gemm(x, w) b = Add(a, c) y = Gemm(b, w) }"
    source = rounded(text, options=RoundWeights(), w=weights(8, 8), c=weights(8))
    assert rounded_of(node(source, "b")) is None
    assert why_skipped(node(source, "b")) is None


def test_values_that_are_not_finite() -> None:
    source = model("g (float[N,8] x) => (float[N,8] y) { y = Gemm(x, w) }", w=weights(8, 8))
    DecideQuantization(rules=rules())(source)
    measure_on(samples_of(source))(source, ComputeParams().needs(source))
    ComputeParams()(source)
    set_observation(source.graph.inputs[0], Products(), Gram(matrix=np.full((1, 8, 8), np.inf), rows=4))
    assert not RoundWeights()(source).modified
    reason = why_skipped(node(source, "y"))
    assert reason == "reads values that are not finite: its weight is rounded to the nearest"


def test_an_unknown_method() -> None:
    with pytest.raises(ValueError, match=r"^method: 'gtpq' is not one of gptq, adaround$"):
        RoundWeights(method="gtpq")


@pytest.mark.parametrize("rounding", ["gptq", "adaround"])
def test_two_compiles_give_the_same_bytes(rounding: str) -> None:
    source = model(
        "g (float[N,8,6,6] x) => (float[N,8,4,4] y) { y = Conv(x, w, b) }", w=weights(8, 8, 3, 3), b=weights(8)
    )
    samples = samples_of(source)
    first, second = (
        ir.serde.serialize_model(compiled(source, "a8w8", samples, rounding=rounding)).SerializeToString(
            deterministic=True
        )
        for _ in range(2)
    )
    plain = ir.serde.serialize_model(compiled(source, "a8w8", samples)).SerializeToString(deterministic=True)
    assert first == second
    assert first != plain
