"""Values of one graph found in another: by name, by structure, never by guessing."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from support.graphs import model, weights
from support.recipes import compiled

from edgec.compiler.diagnosing.carried import Window, carried_values
from edgec.compiler.diagnosing.matching import match

FLOAT = """net (float[1, 4, 6, 6] x) => (float[1, 8, 6, 6] y) {
    c = Conv <pads = [1, 1, 1, 1]> (x, w1, b1)
    r = Relu(c)
    y = Conv <pads = [1, 1, 1, 1]> (r, w2, b2)
}"""


def net(text: str = FLOAT) -> ir.Model:
    return model(text, w1=weights(16, 4, 3, 3), b1=weights(16), w2=weights(8, 16, 3, 3, seed=1), b2=weights(8, seed=1))


def quantized() -> ir.Model:
    rng = np.random.default_rng(0)
    return compiled(net(), "a8w8", [{"x": rng.standard_normal((1, 4, 6, 6)).astype(np.float32)} for _ in range(3)])


def pairs(reference: ir.Model, other: ir.Model) -> dict[str, tuple[str, str]]:
    found = match(reference, other)
    return {pair.name: (str(pair.other.read.name), pair.by) for pair in found.pairs}


def test_names_are_found_through_q_dq() -> None:
    assert pairs(net(), quantized()) == {
        "x": ("x_DequantizeLinear_Output", "name"),
        "r": ("r_DequantizeLinear_Output", "name"),
        "y": ("y", "name"),
    }


def test_what_was_fused_is_said() -> None:
    (lone,) = match(net(), quantized()).lone
    assert (lone.side, lone.name, lone.op) == ("a", "c", "Conv")
    assert lone.reason == "is fused: only 'r' behind it is kept"


def test_a_model_matches_itself_whole() -> None:
    assert pairs(net(), net()) == {name: (name, "name") for name in ("x", "c", "r", "y")}
    assert pairs(quantized(), quantized()).keys() == {"x", "r", "y"}


def test_other_names_are_found_by_structure() -> None:
    renamed = FLOAT.replace("c = ", "first = ").replace("Relu(c)", "Relu(first)")
    renamed = renamed.replace("r = ", "second = ").replace("(r, w2", "(second, w2")
    assert pairs(net(), net(renamed)) == {
        "x": ("x", "name"),
        "c": ("first", "structure"),
        "r": ("second", "structure"),
        "y": ("y", "name"),
    }


def test_two_that_look_alike_are_not_guessed() -> None:
    twins = """net (float[1, 4] x) => (float[1, 4] y) {{
        {0} = Relu(x)
        {1} = Relu(x)
        y = Add({0}, {1})
    }}"""
    found = match(model(twins.format("a", "b")), model(twins.format("p", "q")))
    assert [pair.name for pair in found.pairs] == ["x", "y"]
    assert sorted((lone.side, lone.name, lone.reason) for lone in found.lone) == [
        ("a", "a", "has no counterpart"),
        ("a", "b", "has no counterpart"),
        ("b", "p", "has no counterpart"),
        ("b", "q", "has no counterpart"),
    ]


def test_names_of_another_quantizer() -> None:
    theirs = model(
        """net (float[1, 4] x) => (float[1, 4] y) {
            x_QuantizeLinear_Output = QuantizeLinear(x, s, z)
            x_DequantizeLinear_Output = DequantizeLinear(x_QuantizeLinear_Output, s, z)
            y_QuantizeLinear_Input = Neg(x_DequantizeLinear_Output)
            y_QuantizeLinear_Output = QuantizeLinear(y_QuantizeLinear_Input, s, z)
            y = DequantizeLinear(y_QuantizeLinear_Output, s, z)
        }""",
        s=np.float32(0.5),
        z=np.uint8(128),
    )
    ours = model("net (float[1, 4] x) => (float[1, 4] y) { y = Neg(x) }")
    assert pairs(ours, theirs) == {"x": ("x_DequantizeLinear_Output", "name"), "y": ("y", "name")}


def test_what_integers_can_hold() -> None:
    by_name = {each.names[0]: each for each in carried_values(quantized())}
    window = by_name["r"].window
    assert window is not None
    # Behind a Relu the lowest code is 0: half a step below it still rounds to it.
    step = -2 * window.low
    assert np.isclose(window.high / step, 255.5)
    assert Window(low=window.low, high=window.high) == window


def test_bodies_are_named_with_a_reason() -> None:
    text = """net (float[1, 4] x, bool[] c) => (float[1, 4] y) {
        y = If (c) <
            then_branch = t () => (float[1, 4] a) { a = Relu(x) },
            else_branch = e () => (float[1, 4] b) { b = Neg(x) }
        >
    }"""
    reasons = [lone.reason for lone in match(model(text, infer=False), model(text, infer=False)).lone]
    assert reasons == ["keeps 2 values in its body, which are not outputs of the main graph"] * 2
