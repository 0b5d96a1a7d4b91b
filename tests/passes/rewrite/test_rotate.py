"""A rotated transformer answers the same, whatever its spelling; what does not turn is left alone, and says why."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_ir.passes.common import CheckerPass
from support import rewrites as support
from support.decoders import feeds_of as decoder_feeds
from support.decoders import tiny_config, tiny_weights
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import assert_same, run
from support.rewrites import rewrites
from support.state import signature, snapshot
from support.transformers import NORMS, Spelling, transformer

from edgec.compiler.load import load_model
from edgec.compiler.sources.decoder import build
from edgec.passes.edit import constant_array, remarks_of
from edgec.passes.rewrite.follow_stream import streams_of
from edgec.passes.rewrite.heads import heads_of
from edgec.passes.rewrite.rotate import RotateHidden
from edgec.passes.rewrite.stream import Stream

POST_NORM = "is where a normalized state is added up, as in post-norm transformers"


def leaves_alone(each: RotateHidden, source: ir.Model, **reasons: str) -> ir.Model:
    return support.leaves_alone(each, source, **{name: f"is not rotated: {why}" for name, why in reasons.items()})


HEAD = """x = Gather(e_rotated, ids)
h = MatMul(x, w_rotated)
t = Tanh(h)
o = MatMul(t, v_rotated)
s = Add(x, o)
"""

SPELLINGS = st.builds(
    lambda heads, size, shared, **rest: Spelling(width=heads * size, heads=heads, shared=shared, **rest),
    heads=st.sampled_from((4, 6)),
    size=st.sampled_from((4, 8)),
    shared=st.sampled_from((1, 2)),
    norm=st.sampled_from(NORMS),
    blocks=st.integers(1, 2),
    bias=st.booleans(),
    gated=st.booleans(),
    tied=st.booleans(),
    positions=st.booleans(),
)


def constants(source: ir.Model) -> dict[str, np.ndarray]:
    arrays = {name: constant_array(value) for name, value in source.graph.initializers.items() if value.uses()}
    return {name: array for name, array in arrays.items() if array is not None and array.dtype == np.float32}


@settings(deadline=None, max_examples=40)
@given(SPELLINGS, st.integers(0, 99))
def test_a_rotated_transformer_answers_the_same(spelling: Spelling, seed: int) -> None:
    source = transformer(spelling)
    promised, feeds = signature(source), feeds_of(source)
    before, old = run(source, feeds), constants(source)
    assert RotateHidden(seed=seed)(source).modified
    assert signature(source) == promised
    CheckerPass()(source.clone())
    assert_same(before, run(source, feeds), tolerance=3e-5)
    assert_same(before, run(source, feeds, optimize=True), tolerance=3e-5)
    kept = [name for name, array in constants(source).items() if array.ndim == 2 and name in old]
    # Queries and keys are written in the axes they were, but read the stream; so no matrix is what it was.
    assert kept == []
    assert not remarks_of(source)
    settled = snapshot(source)
    again = RotateHidden(seed=seed)(source).modified
    assert not again
    same = snapshot(source) == settled
    assert same


@pytest.mark.parametrize("changed", [{"tied": True}, {"qkv_bias": True, "mlp_bias": True}], ids=["tied", "biases"])
def test_decoders_of_fused_operators(changed: dict[str, object]) -> None:
    """The sums are in the norms; values of heads stay: they leave the graph in the cache."""
    config = tiny_config(**changed)
    source = load_model(build(config, tiny_weights(config))).model
    feeds = decoder_feeds(config, np.arange(12))
    before = run(source, feeds)
    norms = [node for node in source.graph if node.op_type in ("RMSNormalization", "SkipSimplifiedLayerNormalization")]
    assert RotateHidden()(source).modified
    assert_same(before, run(source, feeds), tolerance=1e-5)
    assert_same(before, run(source, feeds, optimize=True), tolerance=1e-5)
    gains = [constant_array(node.inputs[1 if node.op_type == "RMSNormalization" else 2]) for node in norms]
    assert all(gain is not None and (gain == 1).all() for gain in gains)


def test_no_channel_stands_out_any_more() -> None:
    """What is added behind the table, and what products read, are even; without, one channel has all."""
    source = transformer(Spelling(width=64, heads=4, norm="rms div"))
    table = source.graph.initializers["c0"]
    array = np.array(constant_array(table))
    array[:, 3] *= 50
    table.const_value = ir.Tensor(array, name="c0")
    RotateHidden()(source)
    turned = constant_array(next(node for node in source.graph if node.op_type == "Gather").inputs[0])
    assert turned is not None
    peaks = [np.abs(each).max(axis=0) for each in (array, turned)]
    assert peaks[0].max() / np.median(peaks[0]) > 30
    assert peaks[1].max() / np.median(peaks[1]) < 2


def test_a_table_that_is_the_head_stays_one_where_no_gain_is_between() -> None:
    source = model(
        """g (int64[2,3] ids) => (float[2,3,11] y) {
            x = Gather(e, ids)
            h = MatMul(x, w)
            t = Tanh(h)
            o = MatMul(t, v)
            s = Add(x, o)
            n = LpNormalization<axis=-1, p=2>(s)
            r = Reshape(n, flat)
            f = Gemm<transB=1>(r, e)
            y = Reshape(f, back)
        }""",
        opset=20,
        e=weights(11, 8),
        w=weights(8, 6, seed=1),
        v=weights(6, 8, seed=2),
        flat=np.array([6, 8]),
        back=np.array([2, 3, 11]),
    )
    rewrites(
        RotateHidden(),
        source,
        HEAD
        + """n = LpNormalization<axis=-1, p=2>(s)
r = Reshape(n, flat)
f = Gemm<transB=1>(r, e_rotated)
y = Reshape(f, back)""",
    )


def pre_norm(norm: str, **more: np.ndarray) -> ir.Model:
    return model(
        f"""g (int64[2,3] ids) => (float[2,3,4] y) {{
            x = Gather(e, ids)
            h = MatMul(x, w)
            t = Tanh(h)
            o = MatMul(t, v)
            s = Add(x, o)
            {norm}
        }}""",
        opset=20,
        domains='"com.microsoft": 1',
        e=weights(11, 8),
        w=weights(8, 6, seed=1),
        v=weights(6, 8, seed=2),
        u=weights(8, 4, seed=3),
        b=weights(4, seed=4),
        gain=np.abs(weights(8, seed=5)) + 0.5,
        offset=weights(8, seed=6),
        **more,
    )


def test_an_offset_goes_into_the_bias_behind() -> None:
    rewrites(
        RotateHidden(),
        pre_norm("n = LayerNormalization(s, gain, offset) \n p = MatMul(n, u) \n y = Add(p, b)"),
        HEAD + "n = LayerNormalization(s, gain_one)\np = MatMul(n, u_rotated)\ny = Add(p, b_shifted)",
    )


def test_an_offset_makes_a_bias_where_there_is_none() -> None:
    rewrites(
        RotateHidden(),
        pre_norm("n = LayerNormalization(s, gain, offset) \n p = MatMul(n, u) \n y = Tanh(p)"),
        HEAD
        + """n = LayerNormalization(s, gain_one)
p = MatMul(n, u_rotated)
p_shifted = Add(p, p_shifted_by)
y = Tanh(p_shifted)""",
    )


def test_a_norm_of_onnx_runtime_that_adds_up_first() -> None:
    source = pre_norm(
        "n, none, nor, z = com.microsoft.SkipSimplifiedLayerNormalization<epsilon=0.00001>(s, x, gain)\n"
        "q = MatMul(n, u) \n p = MatMul(z, k) \n y = Add(q, p)",
        k=weights(8, 4, seed=7),
    )
    for name in ("n", "z"):
        value = next(value for node in source.graph for value in node.outputs if value.name == name)
        value.shape, value.type = ir.Shape([2, 3, 8]), ir.TensorType(ir.DataType.FLOAT)
    rewrites(
        RotateHidden(),
        source,
        HEAD
        + """n, none, nor, z = SkipSimplifiedLayerNormalization<epsilon=9.999999747378752e-06>(s, x, gain_one)
q = MatMul(n, u_rotated)
p = MatMul(z, k_rotated)
y = Add(q, p)""",
    )


REFUSED = {
    "graph output": ("y = Identity(s)", "s", ""),
    "nonlinearity": (
        "r = Relu(s) \n y = MatMul(r, u)",
        "r",
        "reads the hidden state by Relu, which does not turn with it",
    ),
    "gain read by others": (
        "n = LayerNormalization(s, gain) \n r = Relu(n) \n y = MatMul(r, u)",
        "r",
        "reads the normalized state by Relu: only products with constants may",
    ),
    "channels moved": (
        "r = Transpose<perm=[0,2,1]>(s) \n q = Transpose<perm=[0,2,1]>(r) \n y = MatMul(q, u)",
        "r",
        "moves the channels of the hidden state by Transpose",
    ),
    "gain in the stream": (
        "r = Mul(s, gain) \n z = Add(r, x) \n y = MatMul(z, u)",
        "z",
        POST_NORM,
    ),
    "squares read": (
        "r = Mul(s, s) \n y = MatMul(r, u)",
        "y",
        "reads squares of the hidden state by MatMul",
    ),
}


@pytest.mark.parametrize(("nodes", "node", "reason"), REFUSED.values(), ids=REFUSED)
def test_streams_left_alone(nodes: str, node: str, reason: str) -> None:
    source = pre_norm(nodes.replace("y = Identity(s)", "y = MatMul(s, u)"), c=weights(8, 8, seed=9))
    if not reason:
        source.graph.outputs.append(next(value for each in source.graph for value in each.outputs if value.name == "s"))
        reason = "hands the hidden state out as 's'"
    leaves_alone(RotateHidden(), source, **{node: reason})


def test_a_post_norm_stream_is_left_alone() -> None:
    """From either side of its norm."""
    nodes = "n = LayerNormalization(s, gain) \n a = MatMul(n, c) \n z = Add(n, a) \n y = MatMul(z, u)"
    leaves_alone(RotateHidden(), pre_norm(nodes, c=weights(8, 8, seed=9)), z=POST_NORM, n=POST_NORM)


def test_a_stream_that_comes_from_outside() -> None:
    leaves_alone(
        RotateHidden(),
        model(
            "g (float[2,3,8] x) => (float[2,3,4] y) { h = MatMul(x, w) \n s = Add(x, h) \n y = MatMul(s, u) }",
            w=weights(8, 8),
            u=weights(8, 4),
        ),
        h="reads 'x', which enters the hidden state from outside",
    )


def test_a_width_without_a_matrix() -> None:
    source = model(
        """g (int64[2,3] ids) => (float[2,3,4] y) {
            x = Gather(e, ids)
            h = MatMul(x, w)
            s = Add(x, h)
            y = MatMul(s, u)
        }""",
        e=weights(11, 9),
        w=weights(9, 9),
        u=weights(9, 4),
    )
    state = snapshot(source)
    assert not RotateHidden()(source).modified
    same = snapshot(source) == state
    assert same
    assert set(remarks_of(source).values()) == {
        ("is not rotated: belongs to a hidden state that has 9 channels, for which no Hadamard matrix is known here",)
    }


def attention(v: str = "", *, outputs: str = "", packed: bool = False) -> ir.Model:
    """One attention over values alone, two heads of 4 channels, with a bias on them."""
    write = "w3 = MatMul(x, wp) \n q0, v0 = Split<axis=-1>(w3, sizes)" if packed else "v0 = MatMul(x, wv)"
    return model(
        f"""g (float[2,5,8] x, float[2,2,5,5] p) => (float[2,5,3] y{outputs}) {{
            {write}
            v1 = Add(v0, bv)
            {v or "v2 = Identity(v1)"}
            v3 = Reshape(v2, split)
            v4 = Transpose<perm=[0,2,1,3]>(v3)
            a = MatMul(p, v4)
            b = Transpose<perm=[0,2,1,3]>(a)
            c = Reshape(b, flat)
            y = MatMul(c, wo)
        }}""",
        **({"wp": weights(8, 12), "sizes": np.array([4, 8])} if packed else {"wv": weights(8, 8)}),
        bv=weights(8, seed=1),
        wo=weights(8, 3, seed=2),
        split=np.array([2, 5, 2, 4]),
        flat=np.array([2, 5, 8]),
    )


@pytest.mark.parametrize("packed", [False, True])
def test_the_values_of_heads(packed: bool) -> None:
    source = attention(packed=packed)
    feeds = feeds_of(source)
    before = run(source, feeds)
    text = graph_text(source)
    name = "wp" if packed else "wv"
    assert RotateHidden()(source).modified
    assert graph_text(source) == text.replace(name, f"{name}_rotated").replace("bv", "bv_rotated").replace(
        "wo", "wo_rotated"
    )
    assert_same(before, run(source, feeds))
    if packed:
        new, old = constant_array(source.graph.initializers["wp_rotated"]), weights(8, 12)
        assert new is not None
        np.testing.assert_allclose(new[:, :4], old[:, :4])
        assert np.abs(new[:, 4:] - old[:, 4:]).max() > 0.1


def test_each_head_has_a_rotation_of_its_own() -> None:
    source = attention()
    RotateHidden()(source)
    old, new = weights(8, 8).astype(np.float64), constant_array(source.graph.initializers["wv_rotated"])
    turned = np.linalg.lstsq(old, new, rcond=None)[0]
    np.testing.assert_allclose(turned[:4, 4:], 0, atol=1e-6)
    np.testing.assert_allclose(turned[4:, :4], 0, atol=1e-6)
    np.testing.assert_allclose(np.abs(turned[:4, :4]), 0.5, atol=1e-6)
    assert np.abs(turned[:4, :4] - turned[4:, 4:]).max() > 0.5


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (attention("v2 = Relu(v1)"), "writes heads that Relu 'v2' reads"),
        (attention(outputs=", float[2,2,5,4] v4"), "writes heads that leave the graph in 'v4'"),
        (attention("v2 = Mul(v1, bv)"), "writes heads that Mul 'v2' reads"),
    ],
    ids=["nonlinearity", "graph output", "gain"],
)
def test_heads_left_alone(source: ir.Model, reason: str) -> None:
    found = list(heads_of(source))
    assert found == []
    state = snapshot(source)
    assert not RotateHidden()(source).modified
    same = snapshot(source) == state
    assert same
    assert remarks_of(source).get("v0", (f"is not rotated: {reason}",)) == (f"is not rotated: {reason}",)


def test_parts_can_be_left_out() -> None:
    source = transformer(Spelling())
    assert not RotateHidden(stream=False, heads=False)(source.clone()).modified
    text = {name: graph_text(source.clone()) for name in ("before",)}["before"]
    only = source.clone()
    assert RotateHidden(stream=False)(only).modified
    assert graph_text(only).count("_rotated") == 4  # v and o of two blocks
    assert text.count("_rotated") == 0


def test_one_stream_for_all_blocks() -> None:
    found = [each for _, each in streams_of(transformer(Spelling(blocks=3)))]
    assert len(found) == 1
    assert isinstance(found[0], Stream)
    assert found[0].width == 16
    assert not found[0].keeps_mean
    # Table and head, and in every block q, k, v, o, gate, up and down.
    assert len(found[0].constants) == 2 + 3 * 7
