from __future__ import annotations

import numpy as np
import onnx_ir as ir
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import assert_same, run
from support.recipes import measure_on, recipe

from edgec.passes.lower.pad_integers import PadIntegers

PADS = np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)


def before(text: str, **constants: np.ndarray) -> ir.Model:
    """The model as it is right before this pass."""
    source = model(text, **constants)
    measure = measure_on([feeds_of(source, seed=seed) for seed in range(3)])
    for each in recipe("a8w8"):
        if isinstance(each, PadIntegers):
            return source
        if needs := each.needs(source):
            measure(source, needs)
        each(source)
    raise AssertionError("the recipe does not pad integers")


def test_it_runs_on_the_stored_integers() -> None:
    source = before(
        "g (float[N,4,6,6] x) => (float[N,4,6,6] y) { s = Pad(x, pads) \n y = Conv(s, w) }",
        pads=PADS,
        w=weights(4, 4, 3, 3),
    )
    feeds = feeds_of(source)
    answer = run(source, feeds)
    assert PadIntegers()(source).modified
    assert graph_text(source).splitlines()[-5:] == [
        "s_QuantizeLinear_Output = Pad(x_QuantizeLinear_Output, pads, x_zero_point)",
        "s_DequantizeLinear_Output = DequantizeLinear(s_QuantizeLinear_Output, x_scale, x_zero_point)",
        "y_float = Conv(s_DequantizeLinear_Output, w_DequantizeLinear_Output)",
        "y_QuantizeLinear_Output = QuantizeLinear(y_float, y_scale, y_zero_point)",
        "y = DequantizeLinear(y_QuantizeLinear_Output, y_scale, y_zero_point)",
    ]
    assert_same(answer, run(source, feeds), tolerance=0)
    assert not PadIntegers()(source).modified


def test_the_value_that_is_padded_is_0_not_code_0() -> None:
    """An asymmetric zero point: code 0 is the smallest number, not 0."""
    source = before(
        "g (float[N,4,6,6] x) => (float[N,4,8,8] y) { s = Pad(x, pads) \n y = Conv(s, w) }",
        pads=PADS,
        w=np.eye(4, dtype=np.float32).reshape(4, 4, 1, 1),
    )
    PadIntegers()(source)
    zero = source.graph.initializers["x_zero_point"].const_value.numpy()
    assert zero > 0
    assert not run(source, feeds_of(source))["y"][:, :, 0].any()


def test_a_pad_of_another_value_stays_float() -> None:
    source = before(
        "g (float[N,4,6,6] x) => (float[N,4,6,6] y) { s = Pad(x, pads, one) \n y = Conv(s, w) }",
        pads=PADS,
        one=np.array(1, np.float32),
        w=weights(4, 4, 3, 3),
    )
    text = graph_text(source)
    assert not PadIntegers()(source).modified
    assert graph_text(source) == text


def test_a_pad_that_float_readers_share() -> None:
    """One integer Pad serves both: the float reader dequantizes its result."""
    source = before(
        """g (float[N,4,6,6] x) => (float[N,4,6,6] y, float[N,4,8,8] z) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            s = Pad(a, pads)
            y = Conv(s, w)
            z = Tanh(s)
        }""",
        pads=PADS,
        w=weights(4, 4, 3, 3),
    )
    assert PadIntegers()(source).modified
    assert "z = Tanh(s_DequantizeLinear_Output)" in graph_text(source).splitlines()
