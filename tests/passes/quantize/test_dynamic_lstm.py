from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, model, weights
from support.numerics import run
from support.recipes import compiled
from support.rewrites import leaves_alone

from edgec.passes.quantize.dynamic_lstm import DynamicLstm


def lstm(attributes: str = "", inputs: str = "x, w, r, b", directions: int = 1, cells: int = 64) -> ir.Model:
    text = f"""g (float[T,N,24] x) => (float[A,B,C,D] y, float[E,F,G] h) {{
        y, h = LSTM<hidden_size={cells}{attributes}>({inputs})
    }}"""
    constants = {
        "w": weights(directions, 4 * cells, 24, scale=0.15),
        "r": weights(directions, 4 * cells, cells, scale=0.1),
        "b": weights(directions, 8 * cells, scale=0.1),
        "s": weights(directions, 2, cells),
    }
    used = {name: array for name, array in constants.items() if name in inputs.replace(" ", "").split(",")}
    return model(text, **used)


@pytest.mark.parametrize(
    ("attributes", "inputs", "directions"),
    [
        ("", "x, w, r, b", 1),
        ("", "x, w, r", 1),
        (', direction="bidirectional"', "x, w, r, b", 2),
        (', direction="reverse"', 'x, w, r, b, "", s, s', 1),
    ],
)
def test_it_answers_as_the_float_one(attributes: str, inputs: str, directions: int) -> None:
    source = lstm(attributes, inputs, directions)
    feeds = feeds_of(source, sizes={"T": 5, "N": 2})
    before = run(source, feeds)
    assert DynamicLstm()(source).modified
    (node,) = source.graph
    assert (node.domain, node.op_type) == ("com.microsoft", "DynamicQuantizeLSTM")
    assert source.graph.opset_imports["com.microsoft"] == 1
    after = run(source, feeds)
    assert list(after) == list(before)
    for name, x in before.items():
        assert after[name].shape == x.shape
        assert np.sqrt(np.mean((after[name] - x) ** 2)) < 0.04 * np.sqrt(np.mean(x**2))
    assert not DynamicLstm()(source).modified


def test_weights_lie_transposed_with_a_scale_per_gate_and_cell() -> None:
    source = lstm(directions=1)
    w = source.graph.initializers["w"].const_value.numpy()
    DynamicLstm()(source)
    found = {name: value.const_value.numpy() for name, value in source.graph.initializers.items()}
    assert (found["w_quantized"].dtype, found["w_quantized"].shape) == (np.int8, (1, 24, 256))
    assert (found["w_scale"].shape, found["r_zero_point"].shape) == ((1, 256), (1, 256))
    back = found["w_quantized"].transpose(0, 2, 1) * found["w_scale"][..., None]
    assert np.all(np.abs(back - w) <= 0.501 * found["w_scale"][..., None])
    seven = lstm(directions=1)
    DynamicLstm(reduce_range=True)(seven)
    assert np.abs(seven.graph.initializers["w_quantized"].const_value.numpy()).max() == 63


def test_it_stays_float_and_says_why() -> None:
    leaves_alone(DynamicLstm(), lstm(cells=32), y="has 32 cells, fewer than 64: faster in float")
    leaves_alone(DynamicLstm(exclude_ops=("LSTM",)), lstm(), y="is excluded by operator type")
    leaves_alone(
        DynamicLstm(),
        model(
            "g (float[T,N,8] x, float[1,256,8] w, float[1,256,64] r) => (float[A,B,C,D] y) "
            "{ y = LSTM<hidden_size=64>(x, w, r) }"
        ),
        y="its weights are not constant float32",
    )


def test_it_is_asked_for() -> None:
    source = lstm()
    samples = [feeds_of(source, sizes={"T": 5, "N": 2})]
    for scheme in ("a8w8", "d8w8"):
        assert "LSTM" in {node.op_type for node in compiled(source, scheme, samples).graph}
        shipped = compiled(source, scheme, samples, recurrent="dynamic")
        assert "DynamicQuantizeLSTM" in {node.op_type for node in shipped.graph}
        assert run(shipped, samples[0])["y"].shape == (5, 1, 2, 64)
