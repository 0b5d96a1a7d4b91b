from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import assert_same, run
from support.recipes import measure_on
from support.state import signature, snapshot

from edgec.passes.edit import constant_array
from edgec.passes.rewrite.smooth import SmoothQuant
from edgec.passes.rewrite.smoothing import ALPHAS, Site, product_error, search_alpha, smoothing_factors

CHANNELS = 8


def outliers(*shape: int, seed: int = 0) -> np.ndarray:
    """Weights of a norm, two of whose channels are far larger than the rest."""
    gain = np.abs(weights(*shape, seed=seed)) + 0.5
    gain[..., 1] *= 40
    gain[..., 5] *= 25
    return gain


def constant(source: ir.Model, name: str) -> np.ndarray:
    array = constant_array(source.graph.initializers[name])
    assert array is not None
    return array


def smoothed(source: ir.Model, after: str, each: SmoothQuant | None = None) -> ir.Model:
    """The model after the pass, which makes the graph `after`, keeps the function and does nothing twice."""
    each = each or SmoothQuant(alpha=0.5)
    promised, feeds = signature(source), feeds_of(source)
    before = run(source, feeds)
    measure_on([feeds])(source, each.needs(source))
    assert each(source).modified
    assert graph_text(source) == "\n".join(line.strip() for line in after.strip().splitlines())
    assert signature(source) == promised
    assert_same(before, run(source, feeds))
    settled = snapshot(source)
    again = each(source).modified
    assert not again
    same = snapshot(source) == settled
    assert same
    return source


def test_query_key_and_value_share_the_factors_of_equation_4() -> None:
    wq, wk, wv = (weights(CHANNELS, 4, seed=k) for k in (1, 2, 3))
    gain, offset = outliers(CHANNELS), weights(CHANNELS, seed=4)
    source = model(
        """g (float[2,5,8] x) => (float[2,5,4] q, float[2,5,4] k, float[2,5,4] v) {
            n = LayerNormalization(x, gain, offset)
            q = MatMul(n, wq)
            k = MatMul(n, wk)
            v = MatMul(n, wv)
        }""",
        gain=gain,
        offset=offset,
        wq=wq,
        wk=wk,
        wv=wv,
    )
    source_x = source.clone()
    source_x.graph.outputs.append(next(value for node in source_x.graph for value in node.outputs if value.name == "n"))
    x = run(source_x, feeds_of(source))["n"].reshape(-1, CHANNELS)
    smoothed(
        source,
        """n = LayerNormalization(x, gain_smoothed, offset_smoothed)
           q = MatMul(n, wq_smoothed)
           k = MatMul(n, wk_smoothed)
           v = MatMul(n, wv_smoothed)""",
        SmoothQuant(alpha=0.75),
    )
    for j in range(CHANNELS):
        s = np.abs(x[:, j]).max() ** 0.75 / max(np.abs(w[j]).max() for w in (wq, wk, wv)) ** 0.25
        np.testing.assert_allclose(constant(source, "gain_smoothed")[j], gain[j] / s, rtol=1e-5)
        np.testing.assert_allclose(constant(source, "offset_smoothed")[j], offset[j] / s, rtol=1e-5)
        np.testing.assert_allclose(constant(source, "wk_smoothed")[j], wk[j] * s, rtol=1e-5)


def test_a_norm_in_primitives() -> None:
    smoothed(
        model(
            """g (float[2,5,8] x) => (float[2,5,4] y) {
                m = ReduceMean<axes=[-1]>(x)
                d = Sub(x, m)
                p = Mul(d, d)
                v = ReduceMean<axes=[-1]>(p)
                s = Sqrt(v)
                n = Div(d, s)
                g0 = Mul(gain, n)
                b = Add(g0, offset)
                y = MatMul(b, w)
            }""",
            gain=outliers(CHANNELS),
            offset=weights(CHANNELS, seed=2),
            w=weights(CHANNELS, 4, seed=3),
        ),
        """m = ReduceMean<axes=(-1,)>(x)
           d = Sub(x, m)
           p = Mul(d, d)
           v = ReduceMean<axes=(-1,)>(p)
           s = Sqrt(v)
           n = Div(d, s)
           g0 = Mul(gain_smoothed, n)
           b = Add(g0, offset_smoothed)
           y = MatMul(b, w_smoothed)""",
    )


def test_the_residual_stream_behind_a_norm_is_restored() -> None:
    """A post-norm encoder adds the normalized value to what its layers made of it."""
    smoothed(
        model(
            """g (float[2,5,8] x) => (float[2,5,8] y) {
                n = LayerNormalization(x, gain)
                h = MatMul(n, w)
                t = Tanh(h)
                r = Add(t, n)
                y = LayerNormalization(r, gain)
            }""",
            gain=outliers(CHANNELS),
            w=weights(CHANNELS, CHANNELS),
        ),
        """n = LayerNormalization(x, gain_smoothed)
           n_restored = Mul(n, n_restored_by)
           h = MatMul(n, w_smoothed)
           t = Tanh(h)
           r = Add(t, n_restored)
           y = LayerNormalization(r, gain)""",
    )


def test_a_layer_before_and_the_gate_between() -> None:
    """Gated units: the linear branch takes 1 / s, the gate does not."""
    smoothed(
        model(
            """g (float[2,8] x) => (float[2,3] y) {
                u = Gemm(x, wu, bu)
                h = MatMul(x, wg)
                a = Sigmoid(h)
                p = Mul(u, a)
                y = MatMul(p, w)
            }""",
            wu=outliers(8, 6),
            bu=weights(6),
            wg=weights(8, 6, seed=2),
            w=weights(6, 3, seed=3),
        ),
        """u = Gemm(x, wu_smoothed, bu_smoothed)
           h = MatMul(x, wg)
           a = Sigmoid(h)
           p = Mul(u, a)
           y = MatMul(p, w_smoothed)""",
    )


def test_a_norm_that_reads_the_channels_reads_them_restored() -> None:
    smoothed(
        model(
            """g (float[2,5,8] x) => (float[2,5,4] y, float[2,5,8] z) {
                a = Tanh(x)
                p = Mul(a, gain)
                n = LayerNormalization(p, gain)
                t = Tanh(n)
                z = MatMul(t, v)
                y = MatMul(p, w)
            }""",
            gain=outliers(CHANNELS),
            v=weights(CHANNELS, CHANNELS),
            w=weights(CHANNELS, 4, seed=1),
        ),
        """a = Tanh(x)
           p = Mul(a, gain_smoothed)
           p_restored = Mul(p, p_restored_by)
           n = LayerNormalization(p_restored, gain)
           t = Tanh(n)
           t_smoothed = Mul(t, t_smoothed_by)
           z = MatMul(t_smoothed, v_smoothed)
           y = MatMul(p, w_smoothed)""",
    )


def test_what_a_norm_reads_is_not_scaled_behind_a_layer() -> None:
    """To restore it would cost more than it gains."""
    source = model(
        """g (float[2,5,8] x) => (float[2,5,8] n, float[2,5,4] y) {
            h = MatMul(x, v)
            n = LayerNormalization(h, gain)
            y = MatMul(h, w)
        }""",
        gain=outliers(CHANNELS),
        v=weights(CHANNELS, CHANNELS),
        w=weights(CHANNELS, 4, seed=1),
    )
    assert not SmoothQuant(alpha=0.5).needs(source)


def test_the_unit_behind_the_gate_takes_the_factors() -> None:
    """SwiGLU as exporters write it: the gate, which nothing can scale, comes first."""
    smoothed(
        model(
            """g (float[2,5,8] x) => (float[2,5,3] y) {
                h = MatMul(x, wg)
                a = Sigmoid(h)
                b = Mul(h, a)
                u = MatMul(x, wu)
                p = Mul(b, u)
                y = MatMul(p, w)
            }""",
            wu=outliers(8, 6),
            wg=weights(8, 6, seed=2),
            w=weights(6, 3, seed=3),
        ),
        """h = MatMul(x, wg)
           a = Sigmoid(h)
           b = Mul(h, a)
           u = MatMul(x, wu_smoothed)
           p = Mul(b, u)
           y = MatMul(p, w_smoothed)""",
    )


def test_heads_that_share_values_share_their_factors() -> None:
    """Two heads of values for four of queries: each of its channels is read twice."""
    source = smoothed(
        model(
            """g (float[2,5,8] x, float[2,4,5,5] p) => (float[2,5,3] y) {
                v = MatMul(x, wv)
                h = Reshape(v, split)
                e = Unsqueeze(h, three)
                r = Expand(e, twice)
                f = Reshape(r, heads)
                t = Transpose<perm=[0,2,1,3]>(f)
                a = MatMul(p, t)
                b = Transpose<perm=[0,2,1,3]>(a)
                c = Reshape(b, flat)
                y = MatMul(c, w)
            }""",
            wv=outliers(8, 6),
            w=weights(12, 3, seed=3),
            split=np.array([2, 5, 2, 3]),
            three=np.array([3]),
            twice=np.array([1, 1, 1, 2, 1]),
            heads=np.array([2, 5, 4, 3]),
            flat=np.array([2, 5, 12]),
        ),
        """v = MatMul(x, wv_smoothed)
           h = Reshape(v, split)
           e = Unsqueeze(h, three)
           r = Expand(e, twice)
           f = Reshape(r, heads)
           t = Transpose<perm=(0,2,1,3)>(f)
           a = MatMul(p, t)
           b = Transpose<perm=(0,2,1,3)>(a)
           c = Reshape(b, flat)
           y = MatMul(c, w_smoothed)""",
    )
    ratio = constant(source, "w_smoothed") / weights(12, 3, seed=3)
    np.testing.assert_allclose(ratio[:3], ratio[3:6], rtol=1e-5)
    np.testing.assert_allclose(ratio[6:9], ratio[9:], rtol=1e-5)


@pytest.mark.parametrize("op", ["SimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization"])
def test_norms_of_onnx_runtime(op: str) -> None:
    """The sum that a skip normalization hands on is not scaled."""
    skip = op.startswith("Skip")
    outputs, inputs = ("n, none, nor, s", "x, z, gain") if skip else ("n", "x, gain")
    source = model(
        f"""g (float[2,5,8] x, float[2,5,8] z) => (float[2,5,4] y, float[2,5,8] o) {{
            {outputs} = {"com.microsoft." if skip else ""}{op}<epsilon=0.00001>({inputs})
            y = MatMul(n, w)
            o = Neg({"s" if skip else "z"})
        }}""",
        domains='"com.microsoft": 1',
        infer=False,
        gain=outliers(CHANNELS),
        w=weights(CHANNELS, 4),
    )
    for node in source.graph:
        for value in node.outputs[:1]:
            value.shape, value.type = value.shape or ir.Shape([2, 5, 8]), ir.TensorType(ir.DataType.FLOAT)
    before = graph_text(source)
    smoothed(source, before.replace("gain", "gain_smoothed").replace(", w)", ", w_smoothed)"))


def test_a_convolution_behind_a_convolution() -> None:
    smoothed(
        model(
            "g (float[N,3,6,6] x) => (float[N,5,2,2] y) { a = Conv(x, w1, b1) \n r = Relu(a) \n y = Conv(r, w2) }",
            w1=weights(4, 3, 3, 3) * np.array([1, 30, 1, 2], np.float32).reshape(4, 1, 1, 1),
            b1=weights(4),
            w2=weights(5, 4, 3, 3),
        ),
        """a = Conv(x, w1_smoothed, b1_smoothed)
           r = Relu(a)
           y = Conv(r, w2_smoothed)""",
    )


GELU = """g (float[2,5,8] x) => (float[2,5,4] y) {
    h = MatMul(x, w1)
    d = Div(h, root)
    e = Erf(d)
    f = Add(e, one)
    p = Mul(h, f)
    g0 = Mul(p, half)
    y = MatMul(g0, w2)
}"""


def gelu() -> ir.Model:
    return model(
        GELU,
        w1=outliers(8, 6),
        w2=weights(6, 4, seed=1),
        root=np.float32(np.sqrt(2)),
        one=np.float32(1),
        half=np.float32(0.5),
    )


def test_a_product_in_front_where_nothing_folds() -> None:
    smoothed(
        gelu(),
        """h = MatMul(x, w1)
           d = Div(h, root)
           e = Erf(d)
           f = Add(e, one)
           p = Mul(h, f)
           g0 = Mul(p, half)
           g0_smoothed = Mul(g0, g0_smoothed_by)
           y = MatMul(g0_smoothed, w2_smoothed)""",
    )


def test_no_product_in_front_unless_wanted() -> None:
    source = gelu()
    each = SmoothQuant(alpha=0.5, insert=False)
    assert not each.needs(source)
    assert not each(source).modified


def test_the_product_stands_before_the_reshape_of_a_gemm() -> None:
    smoothed(
        model(
            """g (float[2,5,8] x) => (float[10,4] y) {
                h = Tanh(x)
                r = Reshape(h, rows)
                y = Gemm(r, w)
            }""",
            rows=np.array([10, 8]),
            w=outliers(4, 8).T.copy(),
        ),
        """h = Tanh(x)
           h_smoothed = Mul(h, h_smoothed_by)
           r = Reshape(h_smoothed, rows)
           y = Gemm(r, w_smoothed)""",
    )


REFUSED = {
    "graph output": "n = LayerNormalization(x, gain) \n y = MatMul(n, w)",
    "weight shared": "n = LayerNormalization(x, gain) \n h = MatMul(n, w) \n y = MatMul(n, w)",
    "read by an Add between layers": "h = MatMul(x, v) \n r = Relu(h) \n n = Add(r, r) \n y = MatMul(r, w)",
    "graph input": "n = Neg(x) \n y = MatMul(x, w)",
    "gain of one number": "n = Mul(x, one) \n t = Softmax(n) \n y = MatMul(t, w)",
}


@pytest.mark.parametrize("nodes", REFUSED.values(), ids=REFUSED)
def test_left_alone(nodes: str) -> None:
    source = model(
        f"g (float[2,5,8] x) => (float[2,5,8] y, float[2,5,8] n) {{ {nodes} }}",
        gain=outliers(8),
        w=weights(8, 8),
        v=weights(8, 8, seed=1),
        one=np.float32(1),
    )
    state = snapshot(source)
    each = SmoothQuant(alpha=0.5)
    assert not each.needs(source)
    assert not each(source).modified
    same = snapshot(source) == state
    assert same


def test_without_observations_nothing_is_done() -> None:
    source = gelu()
    state = snapshot(source)
    assert not SmoothQuant(alpha=0.5)(source).modified
    same = snapshot(source) == state
    assert same


def site(x: np.ndarray, w: np.ndarray) -> Site:
    """A site of samples x (rows, K) and a weight w (K, N)."""
    k = x.shape[1]
    return Site(
        labels=np.arange(1, k + 1),
        low=np.minimum(x.min(axis=0), 0).astype(np.float64),
        high=np.maximum(x.max(axis=0), 0).astype(np.float64),
        weights=((w.T[None, :, :, None], np.arange(k)[None]),),
    )


def lost(x: np.ndarray, w: np.ndarray, s: np.ndarray) -> float:
    """What rounding both operands really costs, per row: u8 with one range, s8 per column."""
    a, b = x / s, w * s[:, None]
    step = (max(a.max(), 0.0) - min(a.min(), 0.0)) / 255
    columns = np.abs(b).max(axis=0) / 127
    product = (np.round(a / step) * step) @ (np.round(b / columns) * columns)
    return float(np.mean(np.sum((product - x @ w) ** 2, axis=1)))


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2000, 24)) * 10.0 ** rng.uniform(-1, 1, 24)
    return x, rng.standard_normal((24, 16)) * 10.0 ** rng.uniform(-0.3, 0.3, (24, 1))


BITS = {"activation_bits": 8, "weight_bits": 8, "per_channel": True}


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from(ALPHAS))
def test_the_predicted_error_is_the_real_one(seed: int, alpha: float) -> None:
    x, w = drawn(seed)
    here = site(x, w)
    s = smoothing_factors(here, alpha)
    assert 0.5 < product_error(here, s, **BITS) / lost(x, w, s) < 2.0


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_the_alpha_found_is_near_the_best(seed: int) -> None:
    x, w = drawn(seed)
    here = site(x, w)
    found = search_alpha(here, **BITS)
    assert found in ALPHAS
    costs = {alpha: lost(x, w, smoothing_factors(here, alpha)) for alpha in ALPHAS}
    assert costs[found] < 1.25 * min(costs.values())
    assert costs[found] < lost(x, w, np.ones(24))


def test_even_channels_are_left_alone() -> None:
    rng = np.random.default_rng(0)
    assert search_alpha(site(rng.uniform(-1, 1, (500, 24)), rng.uniform(-1, 1, (24, 400))), **BITS) is None


def test_dead_channels_bring_no_infinity() -> None:
    x, w = drawn(0)
    x[:, 3], w[7] = 0, 0
    s = smoothing_factors(site(x, w), 0.5)
    assert np.isfinite(s).all()
    assert (s > 0).all()
    np.testing.assert_array_equal(smoothing_factors(site(np.zeros((5, 24)), w), 0.5), np.ones(24))
