"""Bodies get weights of their own."""

from __future__ import annotations

import numpy as np
import pytest
from support.graphs import model, weights
from support.numerics import assert_same, run

from edgec.passes.lower.lend_constants import LendConstants

W = weights(2, 3, 3, 3)
CODES = np.clip(np.rint(W / 0.02), -127, 127).astype(np.int8)
BODY = """y = If(c) <then_branch = t () => (float[N, 2, H, W] a) { a = Conv(x, w, b) },
                     else_branch = e () => (float[N, 2, H, W] d) { f = Conv(x, w) d = Neg(f) }>"""


@pytest.mark.parametrize("stored", [False, True])
def test_a_convolution_in_a_body_reads_its_own_weight(stored: bool) -> None:
    constants = {"b": weights(2)} | ({"q": CODES, "s": np.float32(0.02)} if stored else {"w": W})
    first = "i = Cast <to = 1> (q) w = Mul(i, s) " if stored else ""
    made = model(f"g (bool c, float[N, 3, 6, 6] x) => (float[N, 2, H, W] y) {{ {first} {BODY} }}", **constants)
    image = weights(2, 3, 6, 6)
    wanted = [run(made, {"c": np.array(flag), "x": image}) for flag in (True, False)]
    assert LendConstants()(made).modified
    for node in made.graph.all_nodes():
        if node.op_type == "Conv":
            assert all(value.graph is node.graph for value in node.inputs[1:])
    for flag, before in zip((True, False), wanted, strict=True):
        assert_same(before, run(made, {"c": np.array(flag), "x": image}), tolerance=0)
    assert not LendConstants()(made).modified


def test_what_is_no_constant_is_not_lent() -> None:
    text = """g (bool c, float[N, 3, 6, 6] x, float[2, 3, 3, 3] w) => (float[N, 2, H, W] y) {
        v = Neg(w)
        y = If(c) <then_branch = t () => (float[N, 2, H, W] a) { a = Conv(x, v) },
                   else_branch = e () => (float[N, 2, H, W] d) { d = Conv(x, w) }>
    }"""
    assert not LendConstants()(model(text)).modified


def test_the_main_graph_is_left_alone() -> None:
    text = "g (float[N, 3, 6, 6] x) => (float[N, 2, H, W] y) { y = Conv(x, w) }"
    assert not LendConstants()(model(text, w=W)).modified
