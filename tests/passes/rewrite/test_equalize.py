from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import assert_same, run
from support.state import signature, snapshot

from edgec.passes.edit import constant_array
from edgec.passes.rewrite.equalize import EqualizeChannels, Ranges, equalize, ranges
from edgec.passes.rewrite.trace import trace_channels


def weight_of(source: ir.Model, node: str, index: int = 1) -> np.ndarray:
    found = next(each for each in source.graph if each.outputs[0].name == node)
    array = constant_array(found.inputs[index])
    assert array is not None
    return array


def uneven(*shape: int, axis: int = 0, seed: int = 0, spread: float = 50.0) -> np.ndarray:
    """Weights whose channels along an axis differ by up to `spread`."""
    w = weights(*shape, seed=seed)
    factors = np.geomspace(1.0, spread, shape[axis]).astype(np.float32)
    scaled: np.ndarray = w * factors.reshape([-1 if k == axis else 1 for k in range(w.ndim)])
    return scaled


def equalized(source: ir.Model, *, tolerance: float = 1e-5) -> ir.Model:
    """The model after the pass, which keeps the function, tells the truth and does nothing twice."""
    promised, feeds = signature(source), feeds_of(source)
    before, text = run(source, feeds), graph_text(source)
    assert EqualizeChannels()(source).modified
    assert signature(source) == promised
    assert graph_text(source).count("\n") == text.count("\n")
    assert_same(before, run(source, feeds), tolerance=tolerance)
    settled = snapshot(source)
    again = EqualizeChannels()(source).modified
    assert not again
    same = snapshot(source) == settled
    assert same
    return source


def assert_balanced(source: ir.Model) -> None:
    """Every free channel has the same range on both its sides."""
    channels = trace_channels(source)
    seen = 0
    for label in range(1, channels.count):
        r1 = [np.abs(c.layer.weight).max(axis=(2, 3))[c.rows == label] for c in channels.layers]
        r2 = [np.abs(c.layer.weight).max(axis=(1, 3))[c.columns == label] for c in channels.layers]
        written, read = (max((float(r.max()) for r in side if r.size), default=0.0) for side in (r1, r2))
        if written and read:
            assert abs(written / read - 1.0) < 0.005, f"channel {label}: {written} written, {read} read"
            seen += 1
    assert seen


def test_a_pair_by_equation_11() -> None:
    w1, b1 = uneven(4, 3, 3, 3), weights(4, seed=1)
    w2 = uneven(5, 4, 3, 3, axis=1, seed=2, spread=0.1)
    source = model(
        "g (float[N,3,8,8] x) => (float[N,5,4,4] y) { a = Conv(x, w1, b1) \n r = Relu(a) \n y = Conv(r, w2) }",
        w1=w1,
        b1=b1,
        w2=w2,
    )
    equalized(source)
    for i in range(4):
        r1, r2 = np.abs(w1[i]).max(), np.abs(w2[:, i]).max()
        s = (1 / r2) * np.sqrt(r1 * r2)
        np.testing.assert_allclose(weight_of(source, "a")[i], w1[i] / s, rtol=2e-3)
        np.testing.assert_allclose(weight_of(source, "a", 2)[i], b1[i] / s, rtol=2e-3)
        np.testing.assert_allclose(weight_of(source, "y")[:, i], w2[:, i] * s, rtol=2e-3)
    assert [node.inputs[1].name for node in source.graph if len(node.inputs) > 1] == ["w1_equalized", "w2_equalized"]


def test_a_triple_settles_to_the_cube_root() -> None:
    """Section 4.1 of the paper, three layers with a depthwise one between."""
    w1, w2, w3 = uneven(8, 3, 1, 1), uneven(8, 1, 3, 3, seed=1, spread=0.02), uneven(4, 8, 1, 1, axis=1, seed=2)
    source = model(
        """g (float[N,3,8,8] x) => (float[N,4,6,6] y) {
            a = Conv(x, w1)
            p = Relu(a)
            b = Conv<group=8>(p, w2)
            q = Relu(b)
            y = Conv(q, w3)
        }""",
        w1=w1,
        w2=w2,
        w3=w3,
    )
    equalized(source)
    for i in range(8):
        r = [np.abs(w1[i]).max(), np.abs(w2[i]).max(), np.abs(w3[:, i]).max()]
        root = np.cbrt(np.prod(r))
        after = [weight_of(source, "a")[i], weight_of(source, "b")[i], weight_of(source, "y")[:, i]]
        np.testing.assert_allclose([np.abs(w).max() for w in after], root, rtol=3e-3)


RESIDUAL = """g (float[N,3,8,8] x) => (float[N,5] y) {
    a = Conv<pads=[1,1,1,1]>(x, w1)
    p = Relu(a)
    b = Conv<pads=[1,1,1,1]>(p, w2, b2)
    s = Add(b, p)
    q = PRelu(s, slope)
    c = Conv<pads=[1,1,1,1]>(q, w3)
    t = Add(q, c)
    m = MaxPool<kernel_shape=[2,2]>(t)
    g0 = GlobalAveragePool(m)
    f = Flatten(g0)
    y = Gemm(f, w4)
}"""


def residual() -> ir.Model:
    return model(
        RESIDUAL,
        w1=uneven(4, 3, 3, 3),
        w2=uneven(4, 4, 3, 3, seed=1, spread=0.1),
        b2=weights(4, seed=9),
        slope=np.abs(weights(4, 1, 1, seed=8)),
        w3=uneven(4, 4, 3, 3, seed=3),
        w4=uneven(4, 5, seed=4, spread=7.0),
    )


def test_one_factor_for_all_that_meet_in_residual_adds() -> None:
    source = residual()
    before = [np.array(weight_of(source, name)) for name in "abcy"]
    equalized(source)
    assert_balanced(source)
    after = [weight_of(source, name) for name in "abcy"]
    s = before[0][:, 0, 0, 0] / after[0][:, 0, 0, 0]
    np.testing.assert_allclose(after[1], before[1] * s[None, :, None, None] / s[:, None, None, None], rtol=1e-5)
    np.testing.assert_allclose(after[2], before[2] * s[None, :, None, None] / s[:, None, None, None], rtol=1e-5)
    np.testing.assert_allclose(after[3], before[3] * s[:, None], rtol=1e-5)


BETWEEN = {
    "leaky relu": "r = LeakyRelu<alpha=0.1>(a)",
    "one-sided clip": "r = Clip(a, zero)",
    "padding": "r = Pad(a, pads)",
    "mul by a constant": "r = Mul(a, two)",
    "add of a constant": "b = Add(offset, a) \n r = Relu(b)",
    "sub of a constant": "b = Sub(a, offset) \n r = Relu(b)",
    "channel shuffle": "b = Reshape(a, halves) \n c = Transpose<perm=[0,2,1,3,4]>(b) \n r = Reshape(c, whole)",
    "split and concat": "b, c = Split<axis=1>(a) \n d = Relu(b) \n r = Concat<axis=1>(c, d)",
    "slice and concat": "b = Slice(a, zeros, twos, ones) \n c = Slice(a, twos, fours, ones) "
    "\n r = Concat<axis=1>(c, b)",
    "to channels last and back": "b = Transpose<perm=[0,2,3,1]>(a) \n c = Relu(b) \n r = Transpose<perm=[0,3,1,2]>(c)",
    "mean of the window": "r = ReduceMean<axes=[2, 3]>(a)",
    "resize": 'r = Resize<mode="linear">(a, "", scales)',
    "gate": "p = GlobalAveragePool(a) \n h = Conv(p, v) \n g0 = Sigmoid(h) \n r = Mul(a, g0)",
}


@pytest.mark.parametrize("between", BETWEEN.values(), ids=BETWEEN)
def test_carried_by(between: str) -> None:
    source = model(
        "g (float[N,3,8,8] x) => (float[N,5,H,W] y) "
        f"{{ a = Conv<pads=[1,1,1,1]>(x, w1) \n {between} \n y = Conv(r, w2) }}",
        w1=uneven(4, 3, 3, 3),
        w2=weights(5, 4, 1, 1, seed=1),
        v=weights(4, 4, 1, 1, seed=2),
        zero=np.float32(0),
        two=np.full((1, 4, 1, 1), 2, np.float32),
        offset=weights(4, 1, 1, seed=3),
        pads=np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        halves=np.array([-1, 2, 2, 8, 8]),
        whole=np.array([-1, 4, 8, 8]),
        zeros=np.array([0]),
        ones=np.array([1]),
        twos=np.array([2]),
        fours=np.array([4]),
        scales=np.array([1, 1, 2, 2], np.float32),
    )
    equalized(source)
    assert_balanced(source)


CEILINGS = {
    "relu6": ("r = Clip(a, low, high)", ["Relu", "Min"]),
    "no floor": ('r = Clip(a, "", high)', ["Min"]),
    "relu6 through a pool": (
        "b = Clip(a, low, high) \n r = MaxPool<kernel_shape=[2,2]>(b)",
        ["Relu", "Min", "MaxPool"],
    ),
    "a Min already": ("b = Relu(a) \n r = Min(b, six)", ["Relu", "Min"]),
    "a Max": ("r = Max(below, a)", ["Max"]),
}


@pytest.mark.parametrize(("between", "ops"), CEILINGS.values(), ids=CEILINGS)
def test_bounds_become_one_per_channel(between: str, ops: list[str]) -> None:
    """Clip(x, 0, 6) / s = Min(Relu(x / s), 6 / s): channels go far beyond their bounds here, and stay the same."""
    source = model(
        f"g (float[N,3,8,8] x) => (float[N,5,H,W] y) {{ a = Conv(x, w1) \n {between} \n y = Conv(r, w2) }}",
        w1=uneven(4, 3, 3, 3),
        w2=weights(5, 4, 1, 1, seed=1),
        low=np.float32(0),
        high=np.float32(6),
        six=np.full(1, 6, np.float32),
        below=np.full((4, 1, 1), -0.5, np.float32),
    )
    feeds = feeds_of(source)
    promised, before, w1 = signature(source), run(source, feeds), np.array(weight_of(source, "a"))
    assert EqualizeChannels()(source).modified
    assert_balanced(source)
    assert [node.op_type for node in source.graph] == ["Conv", *ops, "Conv"]
    assert signature(source) == promised
    assert_same(before, run(source, feeds))
    s = w1[:, 0, 0, 0] / weight_of(source, "a")[:, 0, 0, 0]
    bound = next(
        constant_array(v) for n in source.graph if n.op_type in ("Min", "Max") for v in n.inputs if v.is_initializer()
    )
    np.testing.assert_allclose(bound.reshape(-1), (-0.5 if "Max" in ops else 6.0) / s, rtol=1e-5)
    assert not EqualizeChannels()(source).modified


def test_every_pixel_of_a_channel_flattened_into_a_gemm() -> None:
    source = model(
        """g (float[N,3,4,4] x) => (float[N,5] y) {
            a = Conv(x, w1)
            r = Relu(a)
            f = Flatten(r)
            y = Gemm<transB=1>(f, w2)
        }""",
        w1=uneven(4, 3, 3, 3),
        w2=weights(5, 16, seed=1),
    )
    before = np.array(weight_of(source, "y"))
    equalized(source)
    assert_balanced(source)
    ratio = (weight_of(source, "y") / before).reshape(5, 4, 4)
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:1, :, :1], ratio.shape), rtol=1e-5)


def test_transposed_and_grouped_convolutions() -> None:
    source = model(
        """g (float[N,4,8,8] x) => (float[N,5] y) {
            a = ConvTranspose<group=2>(x, w1, b1)
            p = Relu(a)
            b = Conv<group=3>(p, w2)
            q = Relu(b)
            c = ConvTranspose(q, w3)
            m = ReduceMean<axes=[2, 3], keepdims=0>(c)
            y = MatMul(m, w4)
        }""",
        w1=uneven(4, 3, 3, 3, axis=1),
        b1=weights(6, seed=5),
        w2=uneven(9, 2, 3, 3, seed=1),
        w3=uneven(9, 4, 1, 1, seed=2, spread=0.1),
        w4=uneven(4, 5, seed=3),
    )
    equalized(source)
    assert_balanced(source)


def test_values_of_an_attention() -> None:
    """Probabilities weigh rows; a column of the values reaches the output projection by itself."""
    source = model(
        """g (float[2,6,8] x) => (float[2,6,5] y) {
            q = MatMul(x, wq)
            k = MatMul(x, wk)
            v = MatMul(x, wv)
            kt = Transpose<perm=[0,2,1]>(k)
            e = MatMul(q, kt)
            p = Softmax<axis=-1>(e)
            v4 = Reshape(v, heads)
            vh = Transpose<perm=[0,2,1,3]>(v4)
            p4 = Unsqueeze(p, one)
            z = MatMul(p4, vh)
            zt = Transpose<perm=[0,2,1,3]>(z)
            o = Reshape(zt, merged)
            y = MatMul(o, wo)
        }""",
        wq=weights(8, 8),
        wk=weights(8, 8, seed=1),
        wv=uneven(8, 8, axis=1, seed=2),
        wo=weights(8, 5, seed=3),
        heads=np.array([2, 6, 2, 4]),
        merged=np.array([2, 6, 8]),
        one=np.array([1]),
    )
    equalized(source)
    r1, r2 = np.abs(weight_of(source, "v")).max(axis=0), np.abs(weight_of(source, "y")).max(axis=1)
    np.testing.assert_allclose(r1, r2, rtol=5e-3)
    assert next(each for each in source.graph if each.name == "q").inputs[1].name == "wq"


def pair(between: str, *, inputs: str = "", outputs: str = "", **constants: np.ndarray) -> ir.Model:
    return model(
        f"g (float[N,3,8,8] x{inputs}) => (float[N,4,8,8] y{outputs}) "
        f"{{ a = Conv<pads=[1,1,1,1]>(x, w1) \n {between} \n y = Conv(r, w2) }}",
        **({"w1": uneven(4, 3, 3, 3), "w2": weights(4, 4, 1, 1, seed=1)} | constants),
    )


REFUSED = {
    "clamp on both sides": (
        pair("r = Clip(a, low, high)", low=np.float32(-1), high=np.float32(6)),
        {"r": "Clip does not scale channel by channel"},
    ),
    "clamp whose bound is computed": (
        pair("h = Tanh(high) \n r = Clip(a, low, h)", low=np.float32(0), high=np.float32(6)),
        {"r": "Clip does not scale channel by channel"},
    ),
    "sigmoid": (pair("r = Sigmoid(a)"), {"r": "Sigmoid does not scale channel by channel"}),
    "graph output used inside": (pair("r = Relu(a)", outputs=", float[N,4,8,8] a"), {}),
    "another reader": (
        pair("r = Relu(a) \n t = Tanh(a)", outputs=", float[N,4,8,8] t"),
        {"t": "Tanh does not scale channel by channel"},
    ),
    "tied weights": (
        pair("b = Relu(a) \n c = Conv(b, w2) \n r = Relu(c)"),
        {"c": "its weight is shared with another node"},
    ),
    "weight the caller may replace": (
        pair("r = Relu(a)", inputs=", float[4,4,1,1] w2"),
        {"y": "its weight or bias is a graph input, which the caller may replace"},
    ),
    "weight computed at run time": (
        pair("t = Tanh(w2) \n b = Conv(a, t) \n r = Tanh(b)"),
        {
            "b": "its weight or bias is computed at run time",
        },
    ),
    "constant over the channels' places": (
        pair("r = Pad(a, pads)", pads=np.array([0, 1, 0, 0, 0, -1, 0, 0])),
        {"r": "Pad does not scale channel by channel"},
    ),
    "pad with a number": (
        pair("r = Pad(a, pads, fill)", pads=np.zeros(8, np.int64), fill=np.float32(1)),
        {"r": "Pad does not scale channel by channel"},
    ),
    "windows over channels": (
        pair("b = Transpose<perm=[0,2,1,3]>(a) \n c = MaxPool<kernel_shape=[3,3], pads=[1,1,1,1]>(b) "
             "\n r = Transpose<perm=[0,2,1,3]>(c)"),
        {"c": "MaxPool does not scale channel by channel"},
    ),
    "product of two": (pair("b = Mul(a, a) \n r = Relu(b)"), {}),
    "other names, same operator": (
        model(
            "g (float[N,3,8,8] x) => (float[N,4,8,8] y) "
            "{ a = Conv(x, w1) \n r = com.microsoft.Relu(a) \n y = Conv(r, w2) }",
            domains='"com.microsoft": 1',
            infer=False,
            w1=uneven(4, 3, 1, 1),
            w2=weights(4, 4, 1, 1, seed=1),
        ),
        {"r": "Relu does not scale channel by channel"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_left_alone(case: tuple[ir.Model, dict[str, str]]) -> None:
    source, reasons = case
    state = snapshot(source)
    assert trace_channels(source).refused == reasons
    assert not EqualizeChannels()(source).modified
    same = snapshot(source) == state
    assert same


def test_what_the_body_of_an_if_reads_is_pinned() -> None:
    source = model(
        """g (float[1,3,8,8] x, bool c) => (float[1,4,8,8] y, float[1,4,8,8] z) {
            a = Conv<pads=[1,1,1,1]>(x, w1)
            y = Conv(a, w2)
            z = If (c) <
                then_branch = t () => (float[1,4,8,8] tz) { tz = Relu(a) },
                else_branch = e () => (float[1,4,8,8] ez) { ez = Neg(a) }
            >
        }""",
        w1=uneven(4, 3, 3, 3),
        w2=weights(4, 4, 1, 1, seed=1),
    )
    assert not EqualizeChannels()(source).modified


def test_dead_channels_stay_as_they_are() -> None:
    """Weight decay leaves 1e-30 behind batch norm: raised to the others' size, its bias would drown them."""
    w1 = uneven(4, 3, 3, 3)
    w1[1] *= 1e-30
    w1[2] = 0
    source = model(
        "g (float[N,3,8,8] x) => (float[N,5,4,4] y) { a = Conv(x, w1, b1) \n r = Relu(a) \n y = Conv(r, w2) }",
        w1=w1,
        b1=np.ones(4, np.float32),
        w2=weights(5, 4, 3, 3, seed=2),
    )
    equalized(source)
    np.testing.assert_array_equal(weight_of(source, "a", 2)[1:3], 1.0)
    assert weight_of(source, "a", 2)[0] != 1.0


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_factors_balance_any_graph_of_layers(data: st.DataObject) -> None:
    """Layers between random spaces of channels, residual loops among them; all have weights of every size."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    spaces = data.draw(st.integers(1, 4))
    size = data.draw(st.integers(1, 5))
    label = [np.zeros((1, 3), np.int64)] + [1 + size * k + np.arange(size)[None] for k in range(spaces)]
    ends = [(k, k + 1) for k in range(spaces)] + [(spaces, 0)]
    ends += data.draw(st.lists(st.tuples(st.integers(0, spaces), st.integers(0, spaces)), max_size=3))

    def drawn(rows: int, columns: int) -> np.ndarray:
        spread = 10.0 ** rng.uniform(-1, 1, (1, rows, 1))
        w: np.ndarray = np.abs(rng.standard_normal((1, rows, columns))) * spread + 1e-2
        return w

    layers = [
        Ranges(w=drawn(label[out].size, label[into].size), rows=label[out], columns=label[into]) for into, out in ends
    ]
    s, sweeps = equalize(layers, 1 + size * spaces, sweeps=5000)
    assert sweeps < 5000
    r1, r2, alive = ranges(layers, s)
    assert s[0] == 1.0
    assert alive[1:].all()
    np.testing.assert_allclose(r1[1:], r2[1:], rtol=3e-3)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from(("Relu", "LeakyRelu", "Identity")), st.booleans())
def test_any_uneven_chain_keeps_its_function(seed: int, activation: str, depthwise: bool) -> None:
    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> np.ndarray:
        spread = 10.0 ** rng.uniform(-2, 2, (shape[0], *[1] * (len(shape) - 1)))
        return (rng.standard_normal(shape) * spread).astype(np.float32)

    middle, w2 = ("<group=6>", drawn(6, 1, 3, 3)) if depthwise else ("", drawn(6, 6, 3, 3))
    source = model(
        f"""g (float[N,3,7,7] x) => (float[N,4,3,3] y) {{
            a = Conv(x, w1, b1)
            p = {activation}(a)
            b = Conv{middle}(p, w2, b2)
            q = {activation}(b)
            y = Conv(q, w3)
        }}""",
        w1=drawn(6, 3, 3, 3),
        b1=drawn(6),
        w2=w2,
        b2=drawn(6),
        w3=drawn(4, 6, 1, 1),
    )
    feeds = feeds_of(source)
    before = run(source, feeds)
    EqualizeChannels()(source)
    assert_balanced(source)
    assert_same(before, run(source, feeds), tolerance=64 * float(np.finfo(np.float32).eps))
