from __future__ import annotations

import numpy as np
import pytest
from support.graphs import graph_text, model
from support.numerics import run
from support.rewrites import leaves_alone

from edgec.passes.lower.sum_unrounded import SumUnrounded

PARAMS = {"s": np.float32(0.05), "z": np.int8(0), "ws": np.float32(0.01), "wz": np.int8(0)}
WEIGHT = np.random.default_rng(1).integers(-127, 128, (3, 3, 1, 1)).astype(np.int8)
# A residual block: the sum reads what entered it, and the convolution's result.
BLOCK = """g (float[1,3,4,4] x) => (float[1,3,4,4] y) {
    q = QuantizeLinear(x, s, z)
    d = DequantizeLinear(q, s, z)
    w = DequantizeLinear(wq, ws, wz)
    c = Conv(d, w)
    cq = QuantizeLinear(c, s, z)
    cd = DequantizeLinear(cq, s, z)
    y = Add(cd, d)
}"""
X = np.random.default_rng(2).normal(0, 1, (1, 3, 4, 4)).astype(np.float32)


def block(text: str = BLOCK):  # type: ignore[no-untyped-def]
    return model(text, wq=WEIGHT, **PARAMS)


def test_the_convolutions_result_is_summed_as_it_is() -> None:
    graph = block()
    before = run(graph, {"x": X})["y"]
    assert SumUnrounded()(graph).modified
    assert not SumUnrounded()(graph).modified
    assert graph_text(graph).splitlines()[3:] == ["c = Conv(d, w)", "y = Add(c, d)"]
    after = run(graph, {"x": X})["y"]
    assert 0 < np.abs(after - before).max() <= 0.05 / 2 + 1e-6  # half a step, the rounding that is gone


def test_the_later_of_two_convolutions_is() -> None:
    two = BLOCK.replace(
        "y = Add(cd, d)",
        "e = Conv(cd, w)\n eq = QuantizeLinear(e, s, z)\n ed = DequantizeLinear(eq, s, z)\n f = Conv(d, w)\n"
        " fq = QuantizeLinear(f, s, z)\n fd = DequantizeLinear(fq, s, z)\n y = Add(ed, fd)",
    )
    graph = block(two)
    assert SumUnrounded()(graph).modified
    assert graph_text(graph).splitlines()[-1] == "y = Add(ed, f)"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("y = Add(cd, d)", "y = Add(cd, x)"),  # the residual is float
        ("y = Add(cd, d)", "y = Add(cd, cd)"),  # it is read twice
        ("y = Add(cd, d)", "y = Mul(cd, d)"),  # no sum
        ("c = Conv(d, w)", "c = Conv(x, w)"),  # the convolution is float
        ("c = Conv(d, w)", "c = Relu(d)"),  # no product
        ("y = Add(cd, d)", "o = Relu(cd) \n y = Add(cd, d)"),  # somebody else wants the integers
    ],
)
def test_what_it_leaves_alone(old: str, new: str) -> None:
    leaves_alone(SumUnrounded(), block(BLOCK.replace(old, new)))


def test_a_public_result_keeps_its_integers() -> None:
    text = BLOCK.replace("=> (float[1,3,4,4] y)", "=> (float[1,3,4,4] y, float[1,3,4,4] c)")
    leaves_alone(SumUnrounded(), block(text))
