"""Channels and heads that are left out: the graph is what it would be with the others' inputs masked."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx_ir.passes.common import CheckerPass
from support.graphs import feeds_of, model, weights
from support.numerics import assert_same, run
from support.recipes import measure_on

from edgec.compiler.pipeline import run_passes
from edgec.passes.edit import constant_array, remarks_of
from edgec.passes.observe.statistics import Window
from edgec.passes.prune.channels import PruneChannels
from edgec.passes.prune.costs import coverage
from edgec.passes.prune.eliminate import Eliminator
from edgec.passes.prune.follow import follow
from edgec.passes.prune.groups import groups_of

SEED = 3


def shrunk(source: ir.Model, share: str = "40%", **options: object) -> ir.Model:
    """A clone after the pass, checked: valid, its signature kept, nothing left to do, and that it runs."""
    clone = source.clone()
    each = PruneChannels(share=share, **{"multiple": 1, "budget": "parameters", **options})  # type: ignore[arg-type]
    feeds = [feeds_of(source, seed=seed, sizes={"N": 16}) for seed in range(3)]
    first, second = run_passes(clone, (each, each), measure=measure_on(feeds))
    assert first.modified
    assert not second.modified
    CheckerPass()(clone.clone())
    assert [(v.name, v.shape) for v in clone.graph.outputs] == [(v.name, v.shape) for v in source.graph.outputs]
    return clone


def array(source: ir.Model, name: str) -> np.ndarray:
    found = constant_array(source.graph.initializers[name])
    assert found is not None
    return found


def shapes(source: ir.Model) -> dict[str, tuple[int, ...]]:
    return {name: array(source, name).shape for name in source.graph.initializers}


def rows_kept(small: np.ndarray, whole: np.ndarray) -> list[int]:
    """Which rows of a weight are there still; they did not change."""
    found = [next(k for k, row in enumerate(whole) if np.array_equal(row, each)) for each in small]
    assert found == sorted(set(found))
    return found


def masked(source: ir.Model, name: str, kept: list[int], axis: int = 1) -> ir.Model:
    """The whole model with the entries of a weight along an axis 0 that are not kept."""
    clone = source.clone()
    value = clone.graph.initializers[name]
    whole = array(clone, name).copy()
    gone = [k for k in range(whole.shape[axis]) if k not in kept]
    np.moveaxis(whole, axis, 0)[gone] = 0
    value.const_value = ir.Tensor(whole, name=name)
    return clone


CHAIN = """g (float[N, 3, 8, 8] x) => (float[N, 5] y) {
    a = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x, w1, b1)
    r = Relu (a)
    d = Conv <kernel_shape = [3, 3], group = 8> (r, w2, b2)
    n = BatchNormalization (d, scale, shift, mean, var)
    p = MaxPool <kernel_shape = [2, 2]> (n)
    f = Flatten (p)
    y = Gemm <transB = 1> (f, w3, b3)
}"""
CHAIN_WEIGHTS = {
    "w1": weights(8, 3, 3, 3), "b1": weights(8), "w2": weights(8, 1, 3, 3), "b2": weights(8, seed=1),
    "scale": weights(8, seed=2), "shift": weights(8, seed=3), "mean": weights(8, seed=4),
    "var": np.abs(weights(8, seed=5)) + 0.5, "w3": weights(5, 8 * 25), "b3": weights(5),
}  # fmt: skip


def test_a_chain_is_what_masked_columns_give() -> None:
    source = model(CHAIN, **CHAIN_WEIGHTS)
    small = shrunk(source, by="magnitude")
    kept = rows_kept(array(small, "w1"), CHAIN_WEIGHTS["w1"])
    assert len(kept) == 4
    assert shapes(small)["w2"] == (4, 1, 3, 3)
    assert shapes(small)["var"] == (4,)
    assert shapes(small)["w3"] == (5, 4 * 25)
    columns = [25 * k + tap for k in kept for tap in range(25)]
    feeds = feeds_of(source, seed=SEED)
    assert_same(run(small, feeds), run(masked(source, "w3", columns), feeds))
    depthwise = next(node for node in small.graph if node.name == "d")
    assert depthwise.attributes.get_int("group", 0) == 4


@pytest.mark.parametrize("last", ["y = Gemm (r, w2, b)", "y = MatMul (r, w2)"])
def test_others_make_up_as_least_squares_do(last: str) -> None:
    """Against numpy's least squares on the very rows; a bias takes the means."""
    text = f"g (float[N, 6] x) => (float[N, 4] y) {{ h = MatMul (x, w1)  r = Relu (h)  {last} }}"
    constants = {"w1": weights(6, 10), "w2": weights(10, 4)} | ({"b": weights(4)} if "b" in last else {})
    source = model(text, **constants)
    small = shrunk(source, "35%")
    kept = rows_kept(array(small, "w1").T, constants["w1"].T)
    x = np.concatenate([feeds_of(source, seed=seed, sizes={"N": 16})["x"] for seed in range(3)]).astype(np.float64)
    hidden = np.maximum(x @ constants["w1"], 0)
    means = hidden.mean(axis=0) * ("b" in last)
    H = (hidden - means).T @ (hidden - means)
    H += 0.01 * np.diagonal(H).mean() * np.eye(10)
    S = np.array(kept)
    wanted = np.linalg.solve(H[np.ix_(S, S)], H[S] @ constants["w2"])
    assert np.allclose(array(small, "w2"), wanted, rtol=1e-3, atol=1e-4)
    if "b" in last:
        assert np.allclose(array(small, "b"), constants["b"] + means @ constants["w2"] - means[S] @ wanted, atol=1e-4)


def test_a_convolution_without_a_bias_gets_one_that_keeps_the_means() -> None:
    """Padding included: the mean of every output channel is what it was, to what the damping leaves."""
    text = """g (float[N, 3, 6, 6] x) => (float[N, 4, 6, 6] y) {
        a = Conv <kernel_shape = [1, 1]> (x, w1)
        r = Sigmoid (a)
        y = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (r, w2)
    }"""
    source = model(text, w1=weights(8, 3, 1, 1), w2=weights(4, 8, 3, 3))
    small = shrunk(source, "40%")
    assert array(small, "w1").shape[0] < 8
    feeds = [feeds_of(source, seed=seed, sizes={"N": 16}) for seed in range(3)]
    means = [np.mean([run(form, each)["y"].mean(axis=(0, 2, 3)) for each in feeds], axis=0) for form in (source, small)]
    assert np.allclose(means[0], means[1], atol=0.05)
    assert np.abs(means[0]).max() > 2


def test_taps_beside_an_image_see_it_less_often() -> None:
    window = Window(kernel=(3, 2), strides=(1, 2), dilations=(1, 1), pads=(1, 0, 1, 0), group=1)
    assert np.allclose(coverage(window, (4, 6)).reshape(3, 2), [[0.75, 0.75], [1, 1], [0.75, 0.75]])
    assert coverage(window, (None, None)).tolist() == [1] * 6


def test_the_order_does_not_matter_to_what_is_left() -> None:
    rng = np.random.default_rng(0)
    W, X = rng.standard_normal((1, 5, 12)), rng.standard_normal((12, 40))
    H = (X @ X.T)[None]
    one, other = Eliminator(W, H), Eliminator(W, H)
    for columns in ([3, 4], [7, 8], [0, 1]):
        one.leave_out(np.array(columns))
    other.leave_out(np.array([0, 1, 3, 4, 7, 8]))
    assert np.allclose(one.W, other.W)
    assert not one.W[..., [0, 1, 3, 4, 7, 8]].any()


def test_losses_are_what_leaving_out_costs() -> None:
    rng = np.random.default_rng(1)
    W, X = rng.standard_normal((2, 3, 8)), rng.standard_normal((2, 8, 30))
    H = X @ X.swapaxes(1, 2)
    groups = np.array([[0, 1], [2, 3], [4, 5], [6, 7]])
    one = Eliminator(W, H, percdamp=0.0)
    one.leave_out(groups[1])
    told = one.losses(groups[[0, 2, 3]])
    before = np.einsum("gnk,gkl,gnl->", one.W - W, H, one.W - W)
    one.leave_out(groups[2])
    after = np.einsum("gnk,gkl,gnl->", one.W - W, H, one.W - W)
    assert told[1] == pytest.approx((after - before) / np.einsum("gnk,gkl,gnl->", W, H, W))


RESIDUAL = """g (float[N, 4, 6, 6] x) => (float[N, 3, 6, 6] y) {
    a = Conv <kernel_shape = [1, 1]> (x, stem)
    b = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (a, inner)
    c = Relu (b)
    d = Conv <kernel_shape = [1, 1]> (c, outer)
    s = Add (a, d)
    y = Conv <kernel_shape = [1, 1]> (s, head)
}"""


def test_a_residual_sum_couples_what_it_adds() -> None:
    constants = {
        "stem": weights(8, 4, 1, 1), "inner": weights(6, 8, 3, 3), "outer": weights(8, 6, 1, 1),
        "head": weights(3, 8, 1, 1),
    }  # fmt: skip
    source = model(RESIDUAL, **constants)
    small = shrunk(source, "50%")
    found = shapes(small)
    stem = rows_kept(array(small, "stem"), constants["stem"])
    assert found["outer"][0] == found["inner"][1] == found["head"][1] == len(stem) < 8
    plain = shrunk(source, "50%", by="magnitude")
    stem = rows_kept(array(plain, "stem"), constants["stem"])
    inner = rows_kept(array(plain, "inner"), constants["inner"][:, stem])
    assert np.array_equal(array(plain, "outer"), constants["outer"][stem][:, inner])
    assert np.array_equal(array(plain, "head"), constants["head"][:, stem])
    feeds = feeds_of(source, seed=SEED)
    whole = masked(masked(masked(source, "head", stem), "inner", stem), "outer", inner)
    assert_same(run(plain, feeds), run(whole, feeds))


def test_widths_stay_a_multiple() -> None:
    source = model(CHAIN, **CHAIN_WEIGHTS)
    assert shapes(shrunk(source, "30%", multiple=4))["w1"][0] == 4


MOVED = """g (float[N, 4, 4, 4] x) => (float[N, 2, 4, 4] y) {
    a = Conv <kernel_shape = [1, 1]> (x, w1)
    b = Conv <kernel_shape = [1, 1]> (x, w2)
    j = Concat <axis = 1> (a, b, x)
    p, q = Split <axis = 1> (j, sizes)
    t = Slice (q, starts, ends, axes)
    k = Pad (t, pads)
    u = Mul (p, factor)
    z = Concat <axis = 1> (u, k)
    y = Conv <kernel_shape = [1, 1]> (z, w3)
}"""


def test_concat_split_slice_and_pad_move_labels() -> None:
    """Of 6 + 6 + 4 channels 8 and 8 are split, 2 to 7 sliced of the second, padded by 1 and 2."""
    constants = {
        "w1": weights(6, 4, 1, 1), "w2": weights(6, 4, 1, 1, seed=1), "w3": weights(2, 16, 1, 1),
        "sizes": np.array([8, 8]), "starts": np.array([2]), "ends": np.array([7]), "axes": np.array([1]),
        "pads": np.array([0, 1, 0, 0, 0, 2, 0, 0]), "factor": weights(8, 1, 1),
    }  # fmt: skip
    source = model(MOVED, **constants)
    small = shrunk(source, "30%", by="magnitude", least=0.0)
    a = rows_kept(array(small, "w1"), constants["w1"])
    b = rows_kept(array(small, "w2"), constants["w2"])
    assert len(a) + len(b) < 12
    # Labels of z: a0-a5, b0, b1 | pad, b4, b5, x0-x2, pad, pad. Rows 2 and 3 of b are read by nobody: they stay.
    assert {2, 3} <= set(b)
    first = a + [6 + k for k in b if k < 2]
    assert array(small, "sizes").tolist() == [len(first), 4 + len([k for k in b if k >= 2])]
    assert array(small, "factor").shape == (len(first), 1, 1)
    feeds = feeds_of(source, seed=SEED)
    whole = array(small, "w3")
    assert np.array_equal(run(small, feeds)["y"].shape, run(source, feeds)["y"].shape)
    pads = array(small, "pads").tolist()
    inside = [8 + 1 + (k - 4) for k in b if k >= 4] + [8 + 3 + k for k in range(3)]
    before, behind = [8][: pads[1]], [14, 15][: pads[5]]
    kept = sorted([*first, *before, *inside, *behind])
    assert whole.shape[1] == len(kept)
    assert_same(run(small, feeds), run(masked(source, "w3", kept), feeds))


def test_groups_of_a_convolution_lose_the_same() -> None:
    text = """g (float[N, 4, 4, 4] x) => (float[N, 2, 4, 4] y) {
        a = Conv <kernel_shape = [1, 1]> (x, w1)
        b = Conv <kernel_shape = [1, 1], group = 2> (a, w2)
        y = Conv <kernel_shape = [1, 1]> (b, w3)
    }"""
    source = model(text, w1=weights(8, 4, 1, 1), w2=weights(12, 4, 1, 1), w3=weights(2, 12, 1, 1))
    found = shapes(shrunk(source, "50%"))
    assert found["w1"][0] == 2 * found["w2"][1] < 8
    assert found["w2"][0] % 2 == 0
    assert found["w3"][1] == found["w2"][0] < 12


def test_a_channel_shuffle_hands_them_on() -> None:
    text = """g (float[N, 4, 4, 4] x) => (float[N, 2, 4, 4] y) {
        a = Conv <kernel_shape = [1, 1]> (x, w1)
        r = Reshape (a, apart)
        t = Transpose <perm = [0, 2, 1, 3, 4]> (r)
        s = Reshape (t, together)
        y = Conv <kernel_shape = [1, 1]> (s, w2)
    }"""
    constants = {
        "w1": weights(8, 4, 1, 1), "w2": weights(2, 8, 1, 1), "apart": np.array([0, 2, 4, 4, 4]),
        "together": np.array([0, 8, 4, 4]),
    }  # fmt: skip
    source = model(text, **constants)
    small = shrunk(source, "50%", by="magnitude")
    kept = rows_kept(array(small, "w1"), constants["w1"])
    half = len(kept) // 2
    assert [k + 4 for k in kept[:half]] == kept[half:]
    assert array(small, "apart").tolist() == [0, 2, half, 4, 4]
    assert array(small, "together").tolist() == [0, 2 * half, 4, 4]
    feeds = feeds_of(source, seed=SEED)
    columns = [2 * k + group for k in kept[:half] for group in range(2)]
    assert_same(run(small, feeds), run(masked(source, "w2", columns), feeds))


ATTENTION = """g (float[N, 5, 16] x) => (float[N, 5, 16] y) {
    q = MatMul (x, wq)   k = MatMul (x, wk)   v = MatMul (x, wv)
    qb = Add (q, bq)
    qh = Reshape (qb, heads)    qt = Transpose <perm = [0, 2, 1, 3]> (qh)
    kh = Reshape (k, groups)   kt = Transpose <perm = [0, 2, 3, 1]> (kh)
    vh = Reshape (v, groups)   vt = Transpose <perm = [0, 2, 1, 3]> (vh)
    ku = Unsqueeze (kt, two)  ke = Expand (ku, spread_k)  kr = Reshape (ke, all_k)
    vu = Unsqueeze (vt, two)  ve = Expand (vu, spread_v)  vr = Reshape (ve, all_v)
    s = MatMul (qt, kr)
    p = Softmax <axis = -1> (s)
    o = MatMul (p, vr)
    ot = Transpose <perm = [0, 2, 1, 3]> (o)
    oc = Reshape (ot, back)
    y = MatMul (oc, wo)
}"""


def attention() -> tuple[ir.Model, dict[str, np.ndarray]]:
    """Six heads of 4, three of keys and values."""
    constants = {
        "wq": weights(16, 24), "wk": weights(16, 12), "wv": weights(16, 12, seed=1), "wo": weights(24, 16),
        "bq": weights(24), "heads": np.array([0, 0, 6, 4]), "groups": np.array([0, 0, 3, 4]), "two": np.array([2]),
        "spread_k": np.array([1, 1, 2, 1, 1]), "spread_v": np.array([1, 1, 2, 1, 1]),
        "all_k": np.array([0, 6, 4, 5]), "all_v": np.array([0, 6, 5, 4]), "back": np.array([0, 0, 24]),
    }  # fmt: skip
    return model(ATTENTION, **constants), constants


@pytest.mark.parametrize("by", ["magnitude", "reconstruction"])
def test_heads_go_with_the_keys_they_share(by: str) -> None:
    source, constants = attention()
    small = shrunk(source, "30%", heads=True, by=by)
    keys = rows_kept(array(small, "wk").T, constants["wk"].T)
    assert len(keys) == 8
    assert [k // 4 for k in keys[::4]] == sorted({k // 4 for k in keys})
    queries = rows_kept(array(small, "wq").T, constants["wq"].T)
    assert {k // 8 for k in queries} == {k // 4 for k in keys}
    assert array(small, "bq").shape == (16,)
    assert array(small, "heads").tolist() == [0, 0, 4, 4]
    assert array(small, "all_v").tolist() == [0, 4, 5, 4]
    assert array(small, "back").tolist() == [0, 0, 16]
    feeds = feeds_of(source, seed=SEED)
    if by == "magnitude":
        assert_same(run(small, feeds), run(masked(source, "wo", queries, axis=0), feeds))
    else:
        lost = np.zeros(2)
        for each in (feeds_of(source, seed=seed, sizes={"N": 16}) for seed in range(3)):  # as it was measured
            forms = run(small, each)["y"], run(masked(source, "wo", queries, axis=0), each)["y"]
            lost += [np.square(form - run(source, each)["y"]).sum() for form in forms]
        assert lost[0] < 0.99 * lost[1]


def test_channels_are_no_heads_and_heads_no_channels() -> None:
    source, _ = attention()
    clone = source.clone()
    feeds = [feeds_of(source, seed=0)]
    (report,) = run_passes(clone, (PruneChannels(share="30%"),), measure=measure_on(feeds))
    assert not report.modified
    plain = model(CHAIN, **CHAIN_WEIGHTS)
    feeds = [feeds_of(plain, seed=0)]
    (report,) = run_passes(plain, (PruneChannels(share="30%", heads=True),), measure=measure_on(feeds))
    assert not report.modified


def test_what_stays_says_why() -> None:
    text = """g (float[N, 4, 4, 4] x) => (float[N, 6, 4, 4] y, float[N, 8, 4, 4] out, float[N, 8, 4, 4] z) {
        a = Conv <kernel_shape = [1, 1]> (x, w1)
        l = LRN <size = 3> (a)
        y = Conv <kernel_shape = [1, 1]> (l, w2)
        b = Conv <kernel_shape = [1, 1]> (x, w3)
        out = Relu (b)
        c = Conv <kernel_shape = [1, 1]> (x, w4)
        s = Softmax <axis = 1> (c)
        z = Conv <kernel_shape = [1, 1]> (s, w5)
    }"""
    source = model(
        text, w1=weights(8, 4, 1, 1), w2=weights(6, 8, 1, 1), w3=weights(8, 4, 1, 1, seed=1),
        w4=weights(8, 4, 1, 1, seed=2), w5=weights(8, 8, 1, 1),
    )  # fmt: skip
    assert not PruneChannels(share="30%", by="magnitude")(source).modified
    assert remarks_of(source) == {
        "a": ("keeps its channels: LRN 'l' reads them all at once",),
        "y": ("keeps its channels: 'y' is an output of the graph",),
        "b": ("keeps its channels: 'out' is an output of the graph",),
        "c": ("keeps its channels: Softmax 's' normalizes along them",),
        "z": ("keeps its channels: 'z' is an output of the graph",),
    }


def test_what_is_excluded_by_name() -> None:
    source = model(CHAIN, **CHAIN_WEIGHTS)
    assert not PruneChannels(share="30%", by="magnitude", exclude_nodes=("^a$",))(source).modified
    assert remarks_of(source)["a"] == ("keeps its channels: it is excluded by name",)


def test_shapes_put_together_at_run_time() -> None:
    """A Reshape whose shape is a Concat of sizes: the constant among them shrinks."""
    text = """g (float[N, 4, 4, 4] x) => (float[N, 2] y) {
        a = Conv <kernel_shape = [1, 1]> (x, w1)
        size = Shape <start = 0, end = 1> (a)
        to = Concat <axis = 0> (size, channels, rest)
        r = Reshape (a, to)
        m = ReduceMean <axes = [2], keepdims = 0> (r)
        y = Gemm <transB = 1> (m, w2)
    }"""
    constants = {"w1": weights(8, 4, 1, 1), "w2": weights(2, 8), "channels": np.array([8]), "rest": np.array([16])}
    source = model(text, **constants)
    small = shrunk(source, "50%", by="magnitude")
    assert array(small, "channels").tolist() == [array(small, "w1").shape[0]]
    feeds = feeds_of(source, seed=SEED)
    kept = rows_kept(array(small, "w1"), constants["w1"])
    assert_same(run(small, feeds), run(masked(source, "w2", kept), feeds))


def test_a_size_that_two_read_is_copied_for_one() -> None:
    text = """g (float[N, 4] x, float[N, 8] u) => (float[N, 2] y, float[N, 2, 4] z) {
        a = MatMul (x, w1)
        r = Reshape (a, to)
        f = Reshape (r, flat)
        y = MatMul (f, w2)
        z = Reshape (u, to)
    }"""
    constants = {"w1": weights(4, 8), "w2": weights(8, 2), "to": np.array([0, 2, 4]), "flat": np.array([0, 8])}
    source = model(text, **constants)
    small = shrunk(source, "30%", by="magnitude", heads=True)
    assert array(small, "to").tolist() == [0, 2, 4]
    feeds = feeds_of(source, seed=SEED)
    assert np.array_equal(run(small, feeds)["z"], run(source, feeds)["z"])


def test_families_are_widths() -> None:
    groups = groups_of(follow(model(CHAIN, **CHAIN_WEIGHTS)))
    assert [len(family.roots) for family in groups.families] == [8]
    assert groups.held == {"y": "'y' is an output of the graph"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"share": "120%"}, "'120%' is not a share above 0% and below 100%"),
        ({"share": "10%", "budget": "time"}, "budget: 'time' is not one of macs, parameters"),
        ({"share": "10%", "by": "taylor"}, "by: 'taylor' is not one of reconstruction, magnitude"),
        ({"share": "10%", "multiple": 0}, "multiple: 0 is not positive"),
    ],
)
def test_options_that_are_none(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=r"^") as caught:
        PruneChannels(**options)  # type: ignore[arg-type]
    assert str(caught.value) == said


_TOLD = (
    "g (float[1,3,9,9] x) => (float[1,5,7,7] y{outputs}) {{ a = Conv(x, w)  b = Relu(a)  {more}  y = Conv({last}, v) }}"
)


@pytest.mark.parametrize(
    ("more", "last", "outputs", "stays"),
    [
        ("z = Shape(b)", "b", ", int64[4] z", True),
        ("z = Size(b)", "b", ", int64 z", True),
        ("s = Shape(b)  i = Gather(s, one)  f = Cast <to = 1> (i)  c = Div(b, f)", "c", "", True),
        ("s = Shape <start: int = 1, end: int = 2> (b)  f = Cast <to = 1> (s)  c = Mul(b, f)", "c", "", True),
        ("s = Shape(b)  i = Slice(s, two, three)  f = Cast <to = 1> (i)  c = Div(b, f)", "c", "", False),
        ("s = Shape(b)  i = Gather(s, minus)  f = Cast <to = 1> (i)  c = Div(b, f)", "c", "", False),
        ("s = Shape <start: int = 2> (b)  f = Cast <to = 1> (s)  p = ReduceProd(f)  c = Div(b, p)", "c", "", False),
        ("s = Shape(b)  c = Reshape(b, s)", "c", "", None),
    ],
)  # fmt: skip
def test_who_computes_with_the_number_of_channels_keeps_it(
    more: str, last: str, outputs: str, stays: bool | None
) -> None:
    """Channels of zeros go for nothing, unless somebody counts them."""
    rng = np.random.default_rng(SEED)
    w, v = (rng.standard_normal(shape).astype(np.float32) for shape in ((8, 3, 3, 3), (5, 8, 1, 1)))
    w[[1, 3, 4]], v[:, [1, 3, 4]] = 0, 0
    text = _TOLD.format(outputs=outputs, more=more, last=last)
    numbers = {"one": np.array(1), "two": np.array([2]), "three": np.array([3]), "minus": np.array(-1)}
    found = model(text, opset=18, w=w, v=v, **{name: each for name, each in numbers.items() if f", {name}" in text})
    feeds = feeds_of(found)
    before = run(found, feeds)

    modified = PruneChannels(share="37%", by="magnitude", multiple=1)(found).modified

    if stays is not None:
        assert modified is not stays
    assert_same(before, run(found, feeds), tolerance=1e-5)
