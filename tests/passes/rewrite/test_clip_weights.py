from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import feeds_of, model, weights
from support.numerics import run
from support.recipes import compiled, measure_on, recipe

from edgec.passes.edit import constant_array
from edgec.passes.quantize.compute_params import ComputeParams
from edgec.passes.quantize.decide import DecideQuantization
from edgec.passes.quantize.decision import clipped_of
from edgec.passes.rewrite.clip_weights import ClipWeights
from edgec.passes.rewrite.clipping import FACTORS, best_factors


def loss(w: np.ndarray, x: np.ndarray, step: float, top: int) -> float:
    """What a neuron's output loses over samples x (rows, K) when w (K,) is rounded to a step and saturates at top."""
    rounded = np.array([min(max(round(each / step), -top), top) * step for each in w])
    return float(np.sum((x @ rounded - x @ w) ** 2))


def test_factors_against_a_search_by_hand() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 6)) * [1, 2, 0.1, 1, 3, 1]
    w = rng.standard_normal((4, 6))
    w[0, 2] = 8  # a large weight of a weak input
    w[1] = [7, -7, 3, 5, 0, 1]  # on the grid already
    scale = np.abs(w).max(axis=1) / 7
    found = best_factors(w[None], (x.T @ x)[None], scale[None, :, None], -7, 7, together=False)
    for row in range(4):
        losses = {beta: loss(w[row], x, scale[row] * beta, 7) for beta in FACTORS}
        best = min(FACTORS, key=losses.__getitem__)
        assert found[0, row] == (best if losses[best] < 0.99 * losses[1.0] else 1.0)
    assert found[0, 0] < 0.7
    assert found[0, 1] == 1.0
    shared = best_factors(w[None], (x.T @ x)[None], np.full((1, 4, 1), scale.max()), -7, 7, together=True)
    totals = {beta: sum(loss(row, x, scale.max() * beta, 7) for row in w) for beta in FACTORS}
    assert (shared == min(FACTORS, key=totals.__getitem__)).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from((7, 127)), st.booleans())
def test_no_output_loses_more(seed: int, top: int, together: bool) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((30, 5)) @ rng.standard_normal((5, 5))
    w = rng.standard_t(2, (3, 5))
    scale = np.abs(w).max(axis=1) / top
    if together:
        scale = np.full(3, scale.max())
    beta = best_factors(w[None], (x.T @ x)[None], scale[None, :, None], -top, top, together=together)[0]
    before = [loss(w[k], x, scale[k], top) for k in range(3)]
    after = [loss(w[k], x, scale[k] * beta[k], top) for k in range(3)]
    pairs = [(sum(before), sum(after))] if together else zip(before, after, strict=True)
    assert all(b <= a * (1 + 1e-6) + 1e-12 for a, b in pairs)
    assert not together or len(set(beta)) == 1


def heavy(*shape: int, seed: int = 0) -> np.ndarray:
    """Weights with a few in the first row above the rest."""
    w = weights(*shape, seed=seed, scale=0.1)
    w.reshape(shape[0], -1)[0, :2] = 0.6, -0.5
    return w


def decided(source: ir.Model, **policy: object) -> tuple[ir.Model, ClipWeights]:
    """The model with decisions and params, and what ClipWeights needs observed."""
    measure = measure_on([feeds_of(source, seed=seed) for seed in range(3)])
    for each in recipe("a8w4", **policy):
        if isinstance(each, (DecideQuantization, ComputeParams)):
            if needs := each.needs(source):
                measure(source, needs)
            each(source)
    clip = ClipWeights()
    if needs := clip.needs(source):
        measure(source, needs)
    return source, clip


def two_layers() -> ir.Model:
    return model(
        "g (float[N,32,6,6] x) => (float[N,5] y) "
        "{ a = Conv(x, w1, b1) \n r = Relu(a) \n f = Flatten(r) \n y = Gemm<transB=1>(f, w2) }",
        opset=21,
        w1=heavy(8, 32, 3, 3),
        b1=weights(8),
        w2=heavy(5, 128, seed=1),
    )


@pytest.mark.parametrize("per_channel", [True, False])
def test_scales_shrink_and_weights_stay(per_channel: bool) -> None:
    source, clip = decided(two_layers(), per_channel=per_channel)
    before = ir.serde.serialize_model(source)
    assert clip(source).modified
    assert ir.serde.serialize_model(source) == before
    assert not clip.needs(source)
    assert not clip(source).modified
    clipped = [(node, params) for node in source.graph if (params := clipped_of(node)) is not None]
    assert clipped
    for node, params in clipped:
        w = constant_array(node.inputs[1])
        assert w is not None
        covering = np.abs(w).reshape(len(w), -1).max(axis=1) / 7
        if not per_channel:
            covering = covering.max()
        assert params.scale.shape == np.shape(covering)
        assert (params.scale <= covering * (1 + 1e-6)).all()
        assert (params.scale < covering * 0.99).any()


def test_a_shared_weight_and_one_on_its_grid_keep_their_range() -> None:
    source, clip = decided(
        model(
            "g (float[N,8] x) => (float[N,8] y) "
            "{ a = MatMul(x, w) \n b = MatMul(x, w) \n s = Add(a, b) \n y = MatMul(s, v) }",
            w=heavy(8, 8),
            v=np.round(weights(8, 8, seed=3, scale=2)).clip(-7, 7),
        )
    )
    assert [need.value for need in clip.needs(source)] == ["s"]
    assert not clip(source).modified


def test_the_compiled_model_is_nearer_to_float() -> None:
    source = two_layers()
    samples = [feeds_of(source, seed=seed, sizes={"N": 16}) for seed in range(4)]
    expected = run(source, samples[0])["y"]
    errors = []
    for clip in (False, True):
        made = compiled(source, "a8w4", samples, clip_weights=clip)
        errors.append(float(np.mean((run(made, samples[0])["y"] - expected) ** 2)))
    assert errors[1] < 0.8 * errors[0]
