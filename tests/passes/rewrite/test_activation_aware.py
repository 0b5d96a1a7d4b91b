"""AWQ on graphs: where its factors are folded, that the function stays, and that few-bit weights lose less by it."""

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

from edgec.passes.edit import remarks_of
from edgec.passes.rewrite.activation_aware import ActivationAware
from edgec.passes.rewrite.linear import Linear, linear_of
from edgec.passes.rewrite.rescale import replace_constant
from edgec.passes.weight_only.blocks import BlockForm
from edgec.passes.weight_only.methods import blocks_by
from edgec.passes.weight_only.nearest import nearest

BITS, SIZE = 3, 16
AWQ = ActivationAware(bits=BITS, block_size=SIZE)


def gain(channels: int, *, seed: int = 0) -> np.ndarray:
    """Weights of a norm, two of whose channels are far larger than the rest."""
    found = np.abs(weights(channels, seed=seed)) + 0.5
    found[..., [1, 5]] *= 30
    return found


def samples_of(source: ir.Model) -> list[dict[str, np.ndarray]]:
    return [feeds_of(source, seed=seed) for seed in range(4)]


def rounded(source: ir.Model) -> ir.Model:
    """The model with the weights of its matrix products rounded in blocks."""
    clone = source.clone()
    for node in tuple(clone.graph):
        layer = linear_of(node)
        if isinstance(layer, Linear):
            w = nearest(layer.weight[0, :, :, 0], BlockForm(bits=BITS, size=SIZE)).real
            replace_constant(clone.graph, node, 1, layer.stored(w[None, :, :, None]), "rounded", set())
    return clone


def error(source: ir.Model, exact: list[dict[str, np.ndarray]], feeds: list[dict[str, np.ndarray]]) -> float:
    found = [run(rounded(source), each) for each in feeds]
    return sum(float(np.sum((a[k] - b[k]) ** 2)) for a, b in zip(exact, found, strict=True) for k in a)


def scaled(source: ir.Model, after: str, each: ActivationAware = AWQ, *, gains: float = 0.9) -> ir.Model:
    """The model after the pass, which makes the graph `after`, keeps the function and does nothing twice."""
    promised, feeds = signature(source), samples_of(source)
    before = [run(source, sample) for sample in feeds]
    plain = error(source, before, feeds)
    measure_on(feeds)(source, each.needs(source))
    assert each(source).modified
    assert graph_text(source) == "\n".join(line.strip() for line in after.strip().splitlines())
    assert signature(source) == promised
    for sample, answer in zip(feeds, before, strict=True):
        assert_same(answer, run(source, sample))
    assert error(source, before, feeds) < gains * plain
    settled = snapshot(source)
    assert not each.needs(source)
    again = each(source).modified
    assert not again
    same = snapshot(source) == settled
    assert same
    return source


def test_layers_behind_a_norm_share_their_factors() -> None:
    source = scaled(
        model(
            """g (float[2,9,32] x) => (float[2,9,8] q, float[2,9,8] k) {
                n = LayerNormalization(x, gain, offset)
                q = MatMul(n, wq)
                k = MatMul(n, wk)
            }""",
            gain=gain(32),
            offset=weights(32, seed=4),
            wq=weights(32, 8, seed=1),
            wk=weights(32, 8, seed=2),
        ),
        """n = LayerNormalization(x, gain_scaled, offset_scaled)
           q = MatMul(n, wq_scaled)
           k = MatMul(n, wk_scaled)""",
    )
    ratio = [source.graph.initializers[f"{w}_scaled"].const_value.numpy() for w in ("wq", "wk")]
    s = ratio[0] / weights(32, 8, seed=1)
    np.testing.assert_allclose(s, ratio[1] / weights(32, 8, seed=2), rtol=1e-4)
    assert s[1].mean() > 2 * np.median(s)


def test_a_norm_in_primitives_and_a_gated_unit() -> None:
    """The layers of stories260k: RMS norm, SwiGLU, and the residual stream that nobody touches."""
    scaled(
        model(
            """g (float[2,9,32] x) => (float[2,9,32] y) {
                p = Pow(x, two)
                m = ReduceMean<axes=[-1]>(p)
                e = Add(m, eps)
                r = Sqrt(e)
                i = Reciprocal(r)
                n = Mul(x, i)
                g = Mul(n, gain)
                h = MatMul(g, w1)
                a = Sigmoid(h)
                s = Mul(h, a)
                u = MatMul(g, w3)
                v = Mul(s, u)
                d = MatMul(v, w2)
                y = Add(x, d)
            }""",
            two=np.float32(2),
            eps=np.float32(1e-5),
            gain=gain(32),
            w1=weights(32, 48, seed=1, scale=0.05),
            w3=weights(32, 48, seed=2) * gain(48, seed=5),
            w2=weights(48, 32, seed=3),
        ),
        """p = Pow(x, two)
           m = ReduceMean<axes=(-1,)>(p)
           e = Add(m, eps)
           r = Sqrt(e)
           i = Reciprocal(r)
           n = Mul(x, i)
           g = Mul(n, gain_scaled)
           h = MatMul(g, w1_scaled)
           a = Sigmoid(h)
           s = Mul(h, a)
           u = MatMul(g, w3_scaled)
           v = Mul(s, u)
           d = MatMul(v, w2_scaled)
           y = Add(x, d)""",
    )


def test_a_post_norm_stream_is_restored() -> None:
    scaled(
        model(
            """g (float[2,9,32] x) => (float[2,9,32] y) {
                n = LayerNormalization(x, gain)
                h = MatMul(n, w)
                y = Add(h, n)
            }""",
            gain=gain(32),
            w=weights(32, 32),
        ),
        """n = LayerNormalization(x, gain_scaled)
           n_restored = Mul(n, n_restored_by)
           h = MatMul(n, w_scaled)
           y = Add(h, n_restored)""",
    )


def computed() -> ir.Model:
    """What nothing takes a factor into: a product of two inputs."""
    return model(
        "g (float[2,9,32] x, float[32] c) => (float[2,9,8] y) { k = Mul(x, c) \n y = MatMul(k, w) }",
        w=weights(32, 8),
    )


def test_a_product_in_front_where_nothing_folds() -> None:
    source = computed()
    feeds = samples_of(source)
    for each in feeds:
        each["c"] = gain(32)
    before = [run(source, each) for each in feeds]
    measure_on(feeds)(source, AWQ.needs(source))
    assert AWQ(source).modified
    assert graph_text(source) == "k = Mul(x, c)\nk_scaled = Mul(k, k_scaled_by)\ny = MatMul(k_scaled, w_scaled)"
    for each, answer in zip(feeds, before, strict=True):
        assert_same(answer, run(source, each))


def test_no_product_in_front_unless_wanted_or_worth_it() -> None:
    source = computed()
    assert not ActivationAware(bits=BITS, block_size=SIZE, insert=False).needs(source)
    state = snapshot(source)
    even = [{**each, "c": np.ones(32, np.float32)} for each in samples_of(source)]
    measure_on(even)(source, AWQ.needs(source))
    assert not AWQ(source).modified
    same = snapshot(source) == state
    assert same


NORM = "n = LayerNormalization(x, gain) \n "
REFUSED = {
    "a convolution reads them": NORM + "u = Reshape(n, image) \n c = Conv(u, v) \n y = Reshape(c, back)",
    "weight shared": NORM + "h = MatMul(n, w) \n y = MatMul(h, w)",
    "weight computed": NORM + "c = Neg(w) \n y = MatMul(n, c)",
    "a graph output": "y = LayerNormalization(x, gain) \n n = MatMul(y, w)",
}


@pytest.mark.parametrize("nodes", REFUSED.values(), ids=REFUSED)
def test_left_alone(nodes: str) -> None:
    source = model(
        f"g (float[2,9,32] x) => (float[2,9,32] y{', float[2,9,32] n' if 'y = Layer' in nodes else ''}) {{ {nodes} }}",
        gain=gain(32),
        w=weights(32, 32),
        v=weights(2, 2, 1, 1),
        image=np.array([1, 2, 9, 32]),
        back=np.array([2, 9, 32]),
    )
    state = snapshot(source)
    assert not AWQ.needs(source)
    assert not AWQ(source).modified
    same = snapshot(source) == state
    assert same


def test_weights_that_stay_float_are_not_scaled_for() -> None:
    source = model(
        "g (float[2,9,32] x) => (float[2,9,32] y) { n = LayerNormalization(x, gain) \n y = MatMul(n, w) }",
        gain=gain(32),
        w=weights(32, 32),
    )
    assert AWQ.needs(source)
    assert not ActivationAware(exclude_nodes=("^y$",)).needs(source)
    assert not ActivationAware(exclude_ops=("MatMul",)).needs(source)


def test_layers_too_wide_for_a_gram_matrix_say_so() -> None:
    source = model(
        "g (float[2,9,32] x) => (float[2,9,32] y) { n = LayerNormalization(x, gain) \n y = MatMul(n, w) }",
        gain=gain(32),
        w=weights(32, 32),
    )
    assert not ActivationAware(max_columns=16).needs(source)
    assert remarks_of(source) == {"y": ("reads 32 channels, more than 16: they are not scaled",)}


def test_values_that_are_not_finite_are_left_alone() -> None:
    source = model(
        "g (float[2,9,32] x) => (float[2,9,32] y) { n = Mul(x, gain) \n y = MatMul(n, w) }",
        gain=gain(32),
        w=weights(32, 32),
    )
    measure_on([{"x": np.full((2, 9, 32), np.inf, np.float32)}])(source, AWQ.needs(source))
    assert not AWQ(source).modified


def test_without_observations_nothing_is_done() -> None:
    source = computed()
    state = snapshot(source)
    assert not AWQ(source).modified
    same = snapshot(source) == state
    assert same


def test_a_method_too_slow_to_search_with() -> None:
    with pytest.raises(ValueError, match=r"^method: 'gptq' is not one of nearest, hqq, weighted, clipped$"):
        ActivationAware(method="gptq")


@pytest.mark.parametrize("method", ["weighted", "clipped"])
def test_the_search_rounds_as_the_recipe_will(method: str) -> None:
    """What is measured is that of the inputs divided by s."""
    source = model(
        "g (float[2,9,32] x) => (float[2,9,8] y) { n = Mul(x, gain) \n y = MatMul(n, w) }",
        gain=gain(32),
        w=weights(32, 8),
    )
    awq, feeds = ActivationAware(bits=BITS, block_size=SIZE, method=method), samples_of(source)
    before = [run(source, each) for each in feeds]
    measure_on(feeds)(source, awq.needs(source))
    assert awq(source).modified
    for sample, answer in zip(feeds, before, strict=True):
        assert_same(answer, run(source, sample))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.sampled_from((2, 3, 4)), st.sampled_from(("nearest", "clipped", "gptq")))
def test_what_ships_loses_no_more_than_without(seed: int, bits: int, rounding: str) -> None:
    """On the samples it was chosen by, rounded as it will be; and, but for GPTQ, no more than the nearest."""
    source = model(
        "g (float[2,9,32] x) => (float[2,9,24] y) { n = Mul(x, gain) \n y = MatMul(n, w) }",
        gain=gain(32, seed=seed),
        w=weights(32, 24, seed=seed + 1),
    )
    feeds = [feeds_of(source, seed=seed + k) for k in range(3)]
    before = [run(source, each) for each in feeds]
    form = BlockForm(bits=bits, size=16)
    plain = lost_by(source, rounding, form, feeds, before)
    near = lost_by(source, "nearest", form, feeds, before)
    method = "weighted" if rounding == "gptq" else rounding
    awq = ActivationAware(bits=bits, block_size=16, method=method, rounding=rounding)
    measure_on(feeds)(source, awq.needs(source))
    awq(source)
    found = lost_by(source, rounding, form, feeds, before)
    assert found <= plain * 1.001
    assert rounding == "gptq" or found <= near * 1.001


def lost_by(
    source: ir.Model,
    method: str,
    form: BlockForm,
    feeds: list[dict[str, np.ndarray]],
    exact: list[dict[str, np.ndarray]],
) -> float:
    """The squared error of the answers with the weights of `y` rounded by a method, under the inputs it really has."""
    clone = source.clone()
    node = next(each for each in clone.graph if each.op_type == "MatMul")
    layer = linear_of(node)
    assert isinstance(layer, Linear)
    scale = next(value for value in clone.graph.initializers.values() if str(value.name).startswith("gain"))
    assert scale.const_value is not None
    x = np.concatenate([(each["x"] * scale.const_value.numpy()).reshape(-1, 32) for each in feeds]).astype(np.float64)
    w = blocks_by(method, np.ascontiguousarray(layer.weight[0, :, :, 0]), (x.T @ x)[None], form).real
    replace_constant(clone.graph, node, 1, layer.stored(w[None, :, :, None]), "rounded", set())
    found = [run(clone, each) for each in feeds]
    return sum(float(np.square(a["y"] - b["y"]).sum()) for a, b in zip(exact, found, strict=True))


def test_a_rounding_that_nobody_knows() -> None:
    with pytest.raises(
        ValueError,
        match=r"^rounding: 'best' is not one of nearest, hqq, weighted, clipped, gptq, gptq-in-order, adaround$",
    ):
        ActivationAware(rounding="best")


def test_a_form_that_nobody_stores() -> None:
    with pytest.raises(ValueError, match=r"^bits: 5 is not one of 2, 3, 4, 8$"):
        ActivationAware(bits=5)
