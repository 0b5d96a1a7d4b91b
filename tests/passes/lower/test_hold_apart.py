from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, model
from support.numerics import assert_same, optimized, run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.lower.hold_apart import HoldApart
from edgec.passes.qdq_reach import CARRIED

NUMBERS = {
    "sc": np.float32(0.1),
    "zu": np.uint8(3),
    "st": np.array([0], np.int64),
    "en": np.array([2], np.int64),
    "ax": np.array([1], np.int64),
}
ABOVE = "q = QuantizeLinear(x, sc, zu)\na = DequantizeLinear(q, sc, zu)\n"
BELOW = "p = QuantizeLinear(c, sc, zu)\ny = DequantizeLinear(p, sc, zu)\n"


def made(body: str, opset: int = 22) -> ir.Model:
    used = {name: array for name, array in NUMBERS.items() if name in body}
    return model(f"g (float[1,3,8,8] x) => (float[1,B,C,D] y) {{ {body} }}", opset=opset, **used)


def grouped(graph: ir.Model) -> bool:
    """Whether ONNX Runtime shows providers one of these operators between a DequantizeLinear and a QuantizeLinear."""
    nodes = optimized(graph, basic=True).graph.node
    writes = {name: node.op_type for node in nodes for name in node.output}
    reads = {node.input[0]: node.op_type for node in nodes}
    return any(
        writes.get(node.input[0]) == "DequantizeLinear" and reads.get(node.output[0]) == "QuantizeLinear"
        for node in nodes
        if node.op_type in CARRIED
    )


def test_between_the_two() -> None:
    rewrites(
        HoldApart(),
        made(ABOVE + "c = MaxPool<kernel_shape=[2,2]>(a)\n" + BELOW),
        """
        q = QuantizeLinear(x, sc, zu)
        a = DequantizeLinear(q, sc, zu)
        a_held = Max(a, lowest)
        c = MaxPool<kernel_shape=(2,2)>(a_held)
        c_held_2 = Max(c, lowest)
        p = QuantizeLinear(c_held_2, sc, zu)
        y = DequantizeLinear(p, sc, zu)
        """,
    )


@pytest.mark.parametrize("opset", [17, 22])
@pytest.mark.parametrize(
    "body",
    [
        ABOVE + "c = MaxPool<kernel_shape=[2,2]>(a)\n" + BELOW,
        ABOVE + "c = Slice(a, st, en, ax)\ny = Erf(c)",
        "a = Erf(x)\nc = Slice(a, st, en, ax)\n" + BELOW,
        "c = Slice(x, st, en, ax)\n" + BELOW,
        ABOVE + "t = Transpose<perm=[0,1,3,2]>(a)\nc = Slice(t, st, en, ax)\ny = Erf(c)",
        ABOVE + "b = Slice(a, st, en, ax)\nc = MaxPool<kernel_shape=[2,2]>(b)\n" + BELOW,
        ABOVE + "c = Slice(a, st, en, ax)\nd = Erf(a)\ne = Slice(d, st, en, ax)\ny = Add(c, e)",
        ABOVE + "b = Squeeze(a, st)\ne = Erf(b)\ny = Unsqueeze(e, st)",
    ],
)
def test_onnxruntime_carries_nothing_past(body: str, opset: int) -> None:
    """And would, without: the test of the test."""
    graph = made(body, opset)
    assert grouped(graph)
    feeds = feeds_of(graph)
    before = run(graph, feeds)
    assert HoldApart()(graph).modified
    assert_same(before, run(graph, feeds))
    assert not grouped(graph)


@pytest.mark.parametrize(
    "body",
    [
        ABOVE + "b = Erf(a)\nc = Slice(b, st, en, ax)\ny = Erf(c)",
        ABOVE + "b = Transpose<perm=[0,1,3,2]>(a)\ny = Erf(b)",
        "a = Erf(x)\nc = Slice(a, st, en, ax)\n" + BELOW.replace("y =", "d =") + "y = Add(c, d)",
        "c = MaxPool<kernel_shape=[2,2]>(x)\ny = Erf(c)",
    ],
    ids=["another operator between", "it minds no integers", "read twice", "no integers"],
)
def test_it_stays(body: str) -> None:
    leaves_alone(HoldApart(), made(body))
