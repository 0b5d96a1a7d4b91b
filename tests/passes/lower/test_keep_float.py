from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import assert_same, optimized, run
from support.recipes import compiled
from support.rewrites import leaves_alone

from edgec.passes.lower.keep_float import KeepFloat

DQ = "d = DequantizeLinear(q, s, z)"
SCALES = {"s": np.float32(0.02), "z": np.uint8(120)}


def behind_dq(node: str, image: str, result: str, **constants: np.ndarray) -> ir.Model:
    text = f"g (uint8[{image}] q) => (float[{result}] y) {{ {DQ} \n {node} }}"
    return model(text, **SCALES, **constants)


@pytest.mark.parametrize(
    ("op", "shape", "channels"),
    [("Conv", (4, 8, 3, 3), 8), ("Conv<group=4>", (8, 2, 3, 3), 8), ("ConvTranspose", (8, 4, 3, 3), 8)],
)
def test_a_convolution_reads_its_scale_once_per_channel(op: str, shape: tuple[int, ...], channels: int) -> None:
    source = behind_dq(f"y = {op}(d, w)", "1,8,6,6", "A,B,C,D", w=weights(*shape))
    feeds = feeds_of(source)
    before = run(source, feeds)
    assert KeepFloat()(source).modified
    call = op.replace("group=", "group=")
    assert graph_text(source) == (
        f"y_DequantizeLinear_Output = DequantizeLinear<axis=1>(q, y_scales, y_zero_points)\n"
        f"y = {call}(y_DequantizeLinear_Output, w)"
    )
    assert source.graph.initializers["y_scales"].const_value.numpy().tolist() == [np.float32(0.02)] * channels
    assert source.graph.initializers["y_zero_points"].const_value.numpy().tolist() == [120] * channels
    assert_same(before, run(source, feeds), tolerance=0)
    assert not KeepFloat()(source).modified


def test_one_channel_is_dequantized_in_three_steps() -> None:
    source = behind_dq("y = Conv(d, w)", "1,1,6,6", "A,B,C,D", w=weights(4, 1, 3, 3))
    feeds = feeds_of(source)
    before = run(source, feeds)
    assert KeepFloat()(source).modified
    assert graph_text(source) == (
        "y_Cast_Output = Cast<to=1>(q)\ny_Sub_Output = Sub(y_Cast_Output, y_zero)\n"
        "y_Mul_Output = Mul(y_Sub_Output, y_scale)\ny = Conv(y_Mul_Output, w)"
    )
    assert_same(before, run(source, feeds), tolerance=0)
    assert not KeepFloat()(source).modified


@pytest.mark.parametrize(("trans", "biased"), [(0, True), (1, True), (0, False), (1, False)])
def test_a_gemm_has_a_bias_of_two_axes(trans: int, biased: bool) -> None:
    constants = {"w": weights(6, 8) if trans else weights(8, 6)} | ({"b": weights(6)} if biased else {})
    source = behind_dq(f"y = Gemm<transB={trans}>(d, w{', b' if biased else ''})", "3,8", "A,B", **constants)
    feeds = feeds_of(source)
    before = run(source, feeds)
    assert KeepFloat()(source).modified
    bias = source.graph.initializers["y_bias"].const_value.numpy()
    assert bias.shape == (1, 6)
    assert np.array_equal(bias[0], constants.get("b", np.zeros(6)))
    assert_same(before, run(source, feeds), tolerance=1e-6)
    assert not KeepFloat()(source).modified


def test_what_is_no_concern() -> None:
    leaves_alone(KeepFloat(), behind_dq("y = MatMul(d, w)", "3,8", "A,B", w=weights(8, 6)))
    leaves_alone(KeepFloat(), behind_dq("y = Gemm(d, w, b)", "3,8", "A,B", w=weights(8, 6), b=weights(1, 6)))
    leaves_alone(KeepFloat(), model("g (float[3,8] x) => (float[A,B] y) { y = Gemm(x, w) }", w=weights(8, 6)))
    quantized = f"g (uint8[3,8] q) => (float[A,B] y) {{ {DQ} \n v = DequantizeLinear(w, s) \n y = Gemm(d, v) }}"
    leaves_alone(KeepFloat(), model(quantized, **SCALES, w=np.ones((8, 6), np.int8)))


CHAIN = {
    "Conv": (
        """g (float[1,8,6,6] x) => (float[A,B,C,D] y) {
            a = Conv(x, w, b)
            c = Conv(a, u, b)
            y = Conv(c, w, b)
        }""",
        {
            "w": weights(8, 8, 1, 1),
            "b": weights(8),
            "u": weights(8, 8, 3, 3) * np.logspace(-2, 1, 8).reshape(8, 1, 1, 1),
        },
    ),
    "ConvTranspose": (
        """g (float[1,8,6,6] x) => (float[A,B,C,D] y) {
            a = Conv(x, w, b)
            c = ConvTranspose(a, u, b)
            y = Conv(c, w, b)
        }""",
        {
            "w": weights(8, 8, 1, 1),
            "b": weights(8),
            "u": weights(8, 8, 3, 3) * np.logspace(-2, 1, 8).reshape(1, 8, 1, 1),
        },
    ),
}


@pytest.mark.parametrize("op", CHAIN)
def test_a_node_left_float_between_integers_runs_in_float(op: str) -> None:
    """Without the pass ONNX Runtime makes a QLinearConv of it, or dequantizes int8 weights of its own making."""
    text, constants = CHAIN[op]
    source = model(text, **{name: array.astype(np.float32) for name, array in constants.items()})
    samples = [feeds_of(source, seed=seed) for seed in range(3)]
    shipped = compiled(source, "a8w8", samples, exclude_nodes=("^c$",))
    nodes = optimized(shipped).graph.node
    assert sum(node.op_type == "QLinearConv" for node in nodes) == 2
    assert sum(node.op_type in (op, "FusedConv") for node in nodes) == 1
    as_written, fast = run(shipped, samples[0]), run(shipped, samples[0], optimize=True)
    assert_same(as_written, fast, tolerance=0.006)  # at most one step of the output
