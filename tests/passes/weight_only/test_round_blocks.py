"""The passes that choose codes: which Gram matrices they go by, what is shared, what is left to the nearest."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, model, weights
from support.numerics import run
from support.recipes import measure_on

from edgec.compiler.pipeline import run_passes
from edgec.passes.edit import remarks_of
from edgec.passes.weight_only.blocks import BlockForm
from edgec.passes.weight_only.decide_storage import DecideStorage
from edgec.passes.weight_only.gptq_blocks import gptq_blocks
from edgec.passes.weight_only.methods import METHODS
from edgec.passes.weight_only.nearest import nearest
from edgec.passes.weight_only.round_blocks import RoundBlocks
from edgec.passes.weight_only.round_in_turn import RoundInTurn
from edgec.passes.weight_only.storage import blocks_of

FORM = BlockForm(bits=3, size=16)
MATMUL = "g (float[N, 5, 48] x) => (float[N, 5, 24] y) { y = MatMul (x, w) }"


def samples(source: ir.Model, count: int = 6) -> list[dict[str, np.ndarray]]:
    """Feeds whose elements depend on their neighbours."""
    feeds = [feeds_of(source, seed=seed, sizes={"N": 8}) for seed in range(count)]
    return [
        {name: x if x.dtype == np.int64 else np.cumsum(x, axis=-1, dtype=np.float32) for name, x in each.items()}
        for each in feeds
    ]


def rounded(source: ir.Model, *passes: object) -> dict[str, object]:
    """Blocks by weight, after the driver ran these passes behind `DecideStorage`."""
    feeds = samples(source)
    decide = DecideStorage(bits=3, block_size=16, minimum=1)
    run_passes(source, (decide, *passes), measure=measure_on(feeds))
    return {name: blocks_of(value) for name, value in source.graph.initializers.items()}


def gram(rows: np.ndarray) -> np.ndarray:
    rows = rows.reshape(-1, rows.shape[-1]).astype(np.float64)
    return rows.T @ rows


def test_a_matrix_is_rounded_under_the_gram_matrix_of_its_inputs() -> None:
    source, w = model(MATMUL, w=weights(48, 24)), weights(48, 24)
    H = sum(gram(each["x"]) for each in samples(source))
    found = rounded(source, RoundBlocks(method="gptq"))["w"]
    wanted = gptq_blocks(w.T, H, FORM)
    assert np.mean(found.codes == wanted.codes) > 0.98  # the graph sums in float32
    assert not np.array_equal(found.codes, nearest(w.T, FORM).codes)


def test_a_filter_is_rounded_group_by_group() -> None:
    text = "g (float[N, 8, 4, 4] x) => (y) { y = Conv <group = 2, kernel_shape = [1, 1]> (x, w) }"
    source, w = model(text, w=weights(6, 4, 1, 1)), weights(6, 4, 1, 1).reshape(6, 4)
    pixels = np.concatenate([each["x"].transpose(0, 2, 3, 1).reshape(-1, 8) for each in samples(source)])
    found = rounded(source, RoundBlocks(method="gptq"))["w"]
    wanted = [gptq_blocks(w[3 * g : 3 * g + 3], gram(pixels[:, 4 * g : 4 * g + 4]), FORM).codes for g in (0, 1)]
    assert np.mean(found.codes == np.concatenate(wanted)) > 0.9


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("nearest", "hqq")])
def test_its_output_loses_less_than_with_the_nearest(method: str) -> None:
    source, w = model(MATMUL, w=weights(48, 24)), weights(48, 24)
    X = np.concatenate([each["x"].reshape(-1, 48) for each in samples(source)])
    found = rounded(source, RoundBlocks(method=method))["w"]
    near = nearest(w.T, FORM)
    assert np.square(X @ (found.real.T - w)).sum() < np.square(X @ (near.real.T - w)).sum()


def test_a_weight_with_several_readers_is_rounded_under_the_sum_of_them() -> None:
    text = """g (float[N, 24] x, float[N, 24] u) => (y, z) {
        y = MatMul (x, w)
        z = Gemm (u, w)
    }"""
    source, w = model(text, w=weights(24, 24)), weights(24, 24)
    H = sum(gram(each["x"]) + gram(each["u"]) for each in samples(source))
    found = rounded(source, RoundBlocks(method="gptq"))["w"]
    assert np.mean(found.codes == gptq_blocks(w.T, H, FORM).codes) > 0.98


def test_recurrent_weights_go_by_what_the_cells_read_and_what_they_wrote() -> None:
    text = "g (float[6, N, 20] x) => (y, h) { y, h = LSTM <hidden_size = 16> (x, w, r) }"
    source = model(text, w=weights(1, 64, 20), r=weights(1, 64, 16))
    states = [run(source, each)["y"] for each in samples(source)]
    inputs = sum(gram(each["x"]) for each in samples(source))
    found = rounded(source, RoundBlocks(method="gptq"))
    assert np.mean(found["w"].codes == gptq_blocks(weights(1, 64, 20)[0], inputs, FORM).codes) > 0.95
    hidden = sum(gram(each) for each in states)
    assert np.mean(found["r"].codes == gptq_blocks(weights(1, 64, 16)[0], hidden, FORM).codes) > 0.95


def test_tables_and_what_cannot_be_observed_are_rounded_to_the_nearest() -> None:
    text = """g (float[N, 24] x, bool c, int64[N] i) => (y, e, v) {
        y = If (c) < then_branch = a () => (t) { t = MatMul (x, inner) }, else_branch = b () => (n) { n = Neg (x) } >
        e = Gather (table, i)
        v = Gemm <transA = 1> (x, turned)
    }"""
    source = model(text, inner=weights(24, 24), table=weights(30, 20), turned=weights(4, 24))
    feeds = [each | {"c": np.array(True)} for each in samples(source)]
    for each in feeds:
        each["x"] = each["x"][:4]
        each["i"] = each["i"][:4]
    decide = DecideStorage(bits=3, block_size=16, minimum=1)
    run_passes(source, (decide, RoundBlocks(method="gptq")), measure=measure_on(feeds))
    for name in ("inner", "turned"):
        np.testing.assert_array_equal(
            blocks_of(source.graph.initializers[name]).codes,
            nearest(source.graph.initializers[name].const_value.numpy().T, FORM).codes,
        )
    assert remarks_of(source) == {
        "t": ("is inside a body, whose values are not observed: its weight is rounded to the nearest",),
        "v": ("reads its input transposed: its weight is rounded to the nearest",),
    }


def test_matrices_that_are_too_wide_are_rounded_to_the_nearest() -> None:
    source = model(MATMUL, w=weights(48, 24))
    DecideStorage(bits=3, block_size=16, minimum=1)(source)
    each = RoundBlocks(method="gptq", max_columns=47)
    assert not each.needs(source)
    assert each(source).modified
    reason = "multiplies 48 columns, more than 47: its weight is rounded to the nearest"
    assert remarks_of(source) == {"y": (reason,)}


DEEP = """g (float[N, 32] x) => (float[N, 32] z) {
    q = MatMul (x, wq)
    k = MatMul (x, wk)
    m = Mul (q, k)
    r = Relu (m)
    y = MatMul (r, wy)
    z = MatMul (y, wz)
}"""


def test_in_turn_each_layer_sees_what_rounded_ones_give() -> None:
    constants = {name: weights(32, 32, seed=k) for k, name in enumerate(("wq", "wk", "wy", "wz"))}
    source = model(DEEP, **constants)
    observed: list[set[str]] = []
    feeds = samples(source)
    measure = measure_on(feeds)

    def watched(current: ir.Model, needs: object) -> None:
        observed.append({need.value for need in needs})
        measure(current, needs)

    each = RoundInTurn(method="gptq")
    run_passes(source, (DecideStorage(bits=3, block_size=16, minimum=1), each), measure=watched)
    assert observed == [{"x"}, {"r"}, {"y"}], "queries and keys together, then one layer after the other"
    assert not each.needs(source)
    assert not each(source).modified
    # The last layer, under what the three before it give with the numbers their codes stand for.
    real = {name: blocks_of(source.graph.initializers[name]).real.T for name in constants}
    H = sum(
        gram(np.maximum((f["x"] @ real["wq"]) * (f["x"] @ real["wk"]), 0) @ real["wy"]) for f in feeds
    )  # fmt: skip
    found = blocks_of(source.graph.initializers["wz"])
    assert np.mean(found.codes == gptq_blocks(constants["wz"].T, H, FORM).codes) > 0.95
    np.testing.assert_array_equal(source.graph.initializers["wz"].const_value.numpy(), real["wz"])


def test_a_tied_table_takes_the_codes_of_the_head() -> None:
    text = "g (int64[N] i) => (y) { e = Gather (t, i) y = Gemm <transB = 1> (e, t) }"
    source = model(text, t=weights(40, 32))
    feeds = [feeds_of(source, seed=seed, sizes={"N": 50}) for seed in range(3)]
    run_passes(
        source, (DecideStorage(bits=3, block_size=16, minimum=1), RoundInTurn(), RoundBlocks(method="gptq")),
        measure=measure_on(feeds),
    )  # fmt: skip
    H = sum(gram(weights(40, 32)[each["i"]]) for each in feeds)
    found = blocks_of(source.graph.initializers["t"])
    assert np.mean(found.codes == gptq_blocks(weights(40, 32), H, FORM).codes) > 0.95


@pytest.mark.parametrize("each", [RoundBlocks, RoundInTurn])
def test_a_method_must_be_one_of_ours(each: type) -> None:
    methods = "nearest, hqq, weighted, clipped, gptq, gptq-in-order, adaround"
    if each is RoundInTurn:
        methods = methods.removeprefix("nearest, hqq, ")
    with pytest.raises(ValueError, match=f"^method: 'best' is not one of {methods}$"):
        each(method="best")


@pytest.mark.parametrize("method", ["nearest", "gptq"])
def test_a_weight_on_its_grid_is_kept_and_told(method: str) -> None:
    w = nearest(weights(48, 24).T, FORM).real.T
    source = model(MATMUL, w=w)
    found = rounded(source, RoundBlocks(method=method))["w"]
    np.testing.assert_array_equal(found.real.T, w)
    told = "its weight lies on a grid of its form already and is kept, not rounded by gptq"
    assert remarks_of(source) == ({"y": (told,)} if method == "gptq" else {})
