from __future__ import annotations

import numpy as np
import onnx_ir as ir
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import model, weights
from support.numerics import run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.lower.part_inputs import PartInputs

PARAMS = {"s": np.float32(0.05), "z": np.uint8(100)}
INTEGER = "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) m = MatMul(d, w)"


def source(body: str, *, inputs: str = "float[2,4] x", **constants: np.ndarray) -> ir.Model:
    return model(f"g ({inputs}) => (float[2,4] y) {{ {body} }}", opset=21, **PARAMS, **constants)


def test_an_input_read_in_integers_and_in_floats() -> None:
    rewrites(
        PartInputs(),
        source(f"{INTEGER} y = Add(m, x)", w=weights(4, 4)),
        """
        x_clipped = Clip(x, lowest_half, largest_half)
        q = QuantizeLinear(x_clipped, s, z)
        d = DequantizeLinear(q, s, z)
        m = MatMul(d, w)
        y = Add(m, x)
        """,
    )


def test_every_q_of_it_reads_the_same_clip() -> None:
    body = f"""{INTEGER} p = QuantizeLinear(x, t, zt) e = DequantizeLinear(p, t, zt) n = Mul(m, e) y = Add(n, x)"""
    graph = source(body, w=weights(4, 4), t=np.float32(0.001), zt=np.uint16(30000))
    assert PartInputs()(graph).modified
    assert not PartInputs()(graph).modified
    assert len({node.inputs[0] for node in graph.graph if node.op_type == "QuantizeLinear"}) == 1
    assert [node.op_type for node in graph.graph].count("Clip") == 1


def test_a_reader_in_a_body_counts() -> None:
    body = f"""{INTEGER} a = If(k) <then_branch = g1 () => (float[2,4] f) {{ f = Neg(x) }},
        else_branch = g2 () => (float[2,4] h) {{ h = Abs(x) }}> y = Add(m, a)"""
    graph = source(body, inputs="float[2,4] x, bool k", w=weights(4, 4))
    assert PartInputs()(graph).modified
    readers = [node.op_type for node, _ in graph.graph.inputs[0].uses()]
    assert sorted(readers) == ["Abs", "Clip", "Neg"]


def test_an_input_that_is_read_in_integers_alone() -> None:
    leaves_alone(PartInputs(), source(f"{INTEGER} y = Relu(m)", w=weights(4, 4)))


def test_an_input_that_is_read_in_floats_alone() -> None:
    leaves_alone(PartInputs(), source("a = Abs(x) y = Add(a, x)"))


def test_what_the_graph_itself_wrote() -> None:
    body = INTEGER.replace("(x,", "(r,")
    leaves_alone(PartInputs(), source(f"r = Relu(x) {body} y = Add(m, r)", w=weights(4, 4)))


def test_an_input_of_halves_is_left_alone() -> None:
    text = """g (float16[2,4] x) => (float16[2,4] y) {
        q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = Add(d, x) }"""
    leaves_alone(PartInputs(), model(text, opset=21, s=np.float16(0.05), z=np.uint8(100)))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-70000, 70000, width=32), min_size=8, max_size=8))
def test_it_changes_nothing_that_fp16_can_hold(values: list[float]) -> None:
    body = "q = QuantizeLinear(x, t, zt) d = DequantizeLinear(q, t, zt) a = Abs(x) y = Sub(d, a)"
    x = np.array(values, np.float32).reshape(2, 4)
    graph = source(body, t=np.float32(1.5), zt=np.uint16(40000))
    before = run(graph, {"x": x})["y"]
    assert PartInputs()(graph).modified
    after = run(graph, {"x": x})["y"]
    held = np.abs(x) <= 65504
    assert np.array_equal(before[held], after[held])
