"""Nodes in 16 bits between nodes in 8: one conversion where a reader wants another width, none where it does not."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_ir.passes.common import CheckerPass
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import run
from support.recipes import measure_on
from support.state import signature

from edgec.passes.quantize.compute_params import ComputeParams
from edgec.passes.quantize.decide import DecideQuantization
from edgec.passes.quantize.insert_qdq import InsertQdq
from edgec.passes.quantize.params import dequantize, from_range, recode
from edgec.passes.spec import QuantSpec
from edgec.targets.qnn.rules import htp_rules, rules_of

W = weights(4, 4, 1, 1)
IN = "float[1,4,6,6] x"
OUT = "float[1,4,6,6] y"
A8, A16 = (QuantSpec(dtype=dtype, symmetric=False) for dtype in ("uint8", "uint16"))


def inserted(text: str, wide: tuple[str, ...], **constants: np.ndarray) -> ir.Model:
    source = model(text, opset=21, **constants)
    rules = htp_rules()
    DecideQuantization(rules=rules, wide_nodes=wide, wide_rules=rules_of(rules, activations=16, weights=8))(source)
    measure_on([feeds_of(source, seed=seed) for seed in range(3)])(source, ComputeParams().needs(source))
    ComputeParams()(source)
    promised = signature(source)
    assert InsertQdq()(source).modified
    assert signature(source) == promised
    CheckerPass()(source.clone())
    return source


def named(body: str) -> str:
    """Nodes are called after what they write."""
    return f"g ({IN}) => ({OUT}) {{ {body} }}"


def stored(source: ir.Model, output: str) -> str:
    """The type a value is stored in."""
    return str(source.graph.node(f"{output}_QuantizeLinear").outputs[0].dtype)


def read(source: ir.Model, name: str) -> list[str]:
    """The types that a node reads its activations in."""
    producers = [value.producer() for value in source.graph.node(name).inputs if value is not None]
    dequantized = [p.inputs[0] for p in producers if p is not None and p.op_type == "DequantizeLinear"]
    return [str(value.dtype) for value in dequantized if value is not None and not value.is_initializer()]


def test_a_value_between_two_wide_nodes_is_stored_wide_and_converted_at_the_borders() -> None:
    source = inserted(named("a = Conv(x, w) b = Conv(a, w) c = Conv(b, w) y = Conv(c, w)"), ("b", "c"), w=W)
    lines = [line for line in graph_text(source).splitlines() if not line.startswith("w_")]
    assert lines[2:-2] == [
        "a = Conv(x_DequantizeLinear_Output, w_DequantizeLinear_Output)",
        "a_QuantizeLinear_Output = QuantizeLinear(a, a_scale, a_zero_point)",
        "a_DequantizeLinear_Output = DequantizeLinear(a_QuantizeLinear_Output, a_scale, a_zero_point)",
        "a_uint16_QuantizeLinear_Output = "
        "QuantizeLinear(a_DequantizeLinear_Output, a_uint16_scale, a_uint16_zero_point)",
        "a_uint16_DequantizeLinear_Output = "
        "DequantizeLinear(a_uint16_QuantizeLinear_Output, a_uint16_scale, a_uint16_zero_point)",
        "b = Conv(a_uint16_DequantizeLinear_Output, w_DequantizeLinear_Output)",
        "b_QuantizeLinear_Output = QuantizeLinear(b, b_scale, b_zero_point)",
        "b_DequantizeLinear_Output = DequantizeLinear(b_QuantizeLinear_Output, b_scale, b_zero_point)",
        "c = Conv(b_DequantizeLinear_Output, w_DequantizeLinear_Output)",
        "c_QuantizeLinear_Output = QuantizeLinear(c, c_scale, c_zero_point)",
        "c_DequantizeLinear_Output = DequantizeLinear(c_QuantizeLinear_Output, c_scale, c_zero_point)",
        "c_uint8_QuantizeLinear_Output = QuantizeLinear(c_DequantizeLinear_Output, c_uint8_scale, c_uint8_zero_point)",
        "c_uint8_DequantizeLinear_Output = "
        "DequantizeLinear(c_uint8_QuantizeLinear_Output, c_uint8_scale, c_uint8_zero_point)",
        "y_float = Conv(c_uint8_DequantizeLinear_Output, w_DequantizeLinear_Output)",
    ]
    assert [stored(source, name) for name in "abc"] == ["UINT8", "UINT16", "UINT16"]


def test_the_bias_follows_the_width_its_node_reads() -> None:
    source = inserted(named("a = Conv(x, w) y = Conv(a, v, b)"), ("y",), w=W, v=W[::-1].copy(), b=weights(4))
    constants = {name: value.const_value.numpy() for name, value in source.graph.initializers.items()}
    assert np.array_equal(constants["b_scale"], constants["a_uint16_scale"] * constants["v_scale"])
    assert np.array_equal(constants["b_quantized"], np.rint(weights(4) / constants["b_scale"]))


def test_of_two_readers_of_the_input_the_wider_says_how_it_is_stored() -> None:
    source = inserted(named("a = Conv(x, w) b = Conv(x, w) y = Add(a, b)"), ("b",), w=W)
    assert stored(source, "x") == "UINT16"
    assert (read(source, "a"), read(source, "b")) == (["UINT8"], ["UINT16"])


def test_what_moves_elements_reads_them_as_they_are_stored() -> None:
    body = "a = Conv(x, w) b = Conv(a, w) m = MaxPool<kernel_shape = [1, 1]>(b) y = Conv(m, w)"
    source = inserted(named(body), ("b",), w=W)
    assert (stored(source, "b"), read(source, "m"), stored(source, "m")) == ("UINT16", ["UINT16"], "UINT16")
    assert read(source, "y") == ["UINT8"]


def test_a_concat_of_another_width_lends_no_params() -> None:
    body = "a = Conv(x, w) b = Conv(x, w) j = Concat<axis = 1>(a, b) y = Conv(j, v)"
    same, apart = (inserted(named(body), wide, w=W, v=weights(4, 8, 1, 1)) for wide in ((), ("a",)))
    assert same.graph.node("a_QuantizeLinear").inputs[1] is same.graph.node("b_QuantizeLinear").inputs[1]
    assert (stored(apart, "a"), stored(apart, "b"), read(apart, "j")) == ("UINT16", "UINT8", ["UINT8", "UINT8"])


@settings(max_examples=25, deadline=None)
@given(wide=st.sets(st.sampled_from(["a", "b", "c", "d", "s", "y"])))
def test_any_choice_of_wide_nodes_is_near_float_and_nearest_with_all(wide: set[str]) -> None:
    body = "a = Conv(x, w) b = Conv(a, w) s = Add(a, b) c = Relu(s) d = Conv(c, w) y = Conv(d, w)"
    feeds = feeds_of(model(named(body), opset=21, w=W), seed=1)
    float_ = run(model(named(body), opset=21, w=W), feeds)["y"]
    noise = [
        float(np.square(run(inserted(named(body), chosen, w=W), feeds)["y"] - float_).sum())
        for chosen in (tuple(sorted(wide)), ("a", "b", "c", "d", "s", "y"))
    ]
    signal = float(np.square(float_).sum())
    assert noise[0] < signal / 1e3
    assert noise[1] <= noise[0]


@pytest.mark.parametrize(
    ("low", "high"), [(-1.0, 1.0), (0.0, 6.0), (-3.7, 0.2), (0.0, 0.0)], ids=["both", "positive", "uneven", "nothing"]
)
def test_eight_bits_fit_into_sixteen_exactly(low: float, high: float) -> None:
    narrow = from_range(A8, np.asarray(low), np.asarray(high))
    wide = recode(narrow, A16)
    codes = np.arange(256, dtype=np.uint8)
    stretched = (codes.astype(np.int64) * 257).astype(np.uint16)
    assert int(wide.zero_point) == 257 * int(narrow.zero_point)
    np.testing.assert_allclose(dequantize(stretched, wide), dequantize(codes, narrow), rtol=1e-6)


@settings(max_examples=50, deadline=None)
@given(low=st.floats(-100, 0, width=32), high=st.floats(0, 100, width=32))
def test_there_and_back_is_the_same_range(low: float, high: float) -> None:
    narrow = from_range(A8, np.asarray(low), np.asarray(high))
    again = recode(recode(narrow, A16), A8)
    assert int(again.zero_point) == int(narrow.zero_point)
    np.testing.assert_allclose(again.scale, narrow.scale, rtol=1e-6)
