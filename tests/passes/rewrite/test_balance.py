from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import assert_same, run
from support.recipes import compiled, measure_on
from support.state import signature, snapshot

from edgec.passes.rewrite.balance import BalanceChannels


def uneven(*shape: int, seed: int = 0, spread: float = 60.0) -> np.ndarray:
    """Weights whose output channels differ by up to `spread`, in no order."""
    factors = np.geomspace(1.0, spread, shape[0])[np.random.default_rng(seed).permutation(shape[0])]
    w: np.ndarray = weights(*shape, seed=seed) * factors.reshape(-1, *[1] * (len(shape) - 1)).astype(np.float32)
    return w


def shuffled(**others: str) -> ir.Model:
    """pointwise → LeakyRelu → depthwise → pointwise, joined with what went in, shuffled, read by halves."""
    end = others.get("end", "y = Conv(right, w4)")
    return model(
        f"""g (float[1,8,12,12] x) => (float[1,8,12,12] y) {{
            a = Conv(x, w1, b1)
            r = LeakyRelu <alpha = 0.1> (a)
            d = Conv <group = 16, pads = [1, 1, 1, 1]> (r, w2, b2)
            p = Conv(d, w3)
            q = LeakyRelu <alpha = 0.1> (p)
            both = Concat <axis = 1> (r, q)
            five = Reshape(both, apart)
            mixed = Transpose <perm = [0, 2, 1, 3, 4]> (five)
            flat = Reshape(mixed, together)
            right = Slice(flat, starts, ends, axes)
            {end}
        }}""",
        w1=uneven(16, 8, 1, 1),
        b1=uneven(16, seed=9),
        w2=uneven(16, 1, 3, 3, seed=1),
        b2=weights(16, seed=2),
        w3=uneven(16, 16, 1, 1, seed=3),
        w4=weights(8, 16, 1, 1, seed=4),
        apart=np.array([1, 2, 16, 12, 12]),
        together=np.array([1, 32, 12, 12]),
        starts=np.array([16]),
        ends=np.array([32]),
        axes=np.array([1]),
    )


def balanced(source: ir.Model) -> ir.Model:
    """The model after the pass, which keeps the function, tells the truth and does nothing twice."""
    promised, feeds = signature(source), feeds_of(source)
    before, text = run(source, feeds), graph_text(source)
    each = BalanceChannels()
    measure_on([feeds])(source, each.needs(source))
    assert each(source).modified
    assert signature(source) == promised
    assert graph_text(source).count("\n") == text.count("\n")
    assert_same(before, run(source, feeds), tolerance=1e-5)
    settled = snapshot(source)
    assert not each.needs(source)
    again = each(source).modified
    assert not again
    same = snapshot(source) == settled
    assert same
    return source


def reach(source: ir.Model, name: str) -> np.ndarray:
    """Largest magnitude of each channel of a value."""
    clone = source.clone()
    value = next(v for node in clone.graph for v in node.outputs if v.name == name)
    clone.graph.outputs.append(value)
    found: np.ndarray = np.abs(run(clone, feeds_of(source))[name]).max(axis=(0, 2, 3))
    return found


def test_channels_read_through_a_shuffle_reach_equally_far() -> None:
    source = shuffled()
    before = reach(source, "r")
    balanced(source)
    after = reach(source, "r")
    assert np.median(after) / after.max() > 3 * np.median(before) / before.max()


def test_integers_come_nearer_to_float() -> None:
    source = shuffled()
    samples = [feeds_of(source, seed=k) for k in range(4)]

    def off(made: ir.Model) -> float:
        return float(sum(np.square(run(made, each)["y"] - run(source, each)["y"]).sum() for each in samples))

    plain = off(compiled(source, "a8w8", samples))
    better = off(compiled(source, "a8w8", samples, balance=True))
    assert better < plain / 2


def test_what_leaves_the_model_keeps_its_scale() -> None:
    source = model(
        "g (float[1,4,8,8] x) => (float[1,8,8,8] y) { a = Conv(x, w1, b1) \n y = LeakyRelu(a) }",
        w1=uneven(8, 4, 1, 1),
        b1=weights(8),
    )
    each = BalanceChannels()
    assert each.needs(source) == ()
    assert not each(source).modified


def test_a_graph_of_which_nothing_was_observed_is_left_alone() -> None:
    source = shuffled()
    before = snapshot(source)
    modified = BalanceChannels()(source).modified
    assert not modified
    assert snapshot(source) == before


@pytest.mark.parametrize("bits", [4, 8])
def test_fewer_bits_in_the_weights_are_another_optimum(bits: int) -> None:
    source, other = shuffled(), shuffled()
    for made, each in ((source, BalanceChannels(weight_bits=bits)), (other, BalanceChannels(weight_bits=12 - bits))):
        measure_on([feeds_of(made)])(made, each.needs(made))
        assert each(made).modified
    assert snapshot(source) != snapshot(other)
