"""What becomes of DequantizeLinear on constants: 8-bit codes for integer kernels, Cast and Mul for float ones."""

from __future__ import annotations

import re

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import assert_same, optimized_ops, run
from support.recipes import compiled
from support.rewrites import leaves_alone

from edgec.passes.weight_only.expand_dequantized import ExpandDequantized
from edgec.passes.weight_only.widen_codes import WidenCodes

CONV = """g (float[1,8,6,6] x) => (float[1,4,6,6] y) {
    a = Conv<pads=[1,1,1,1]>(x, w, b)
    r = Relu(a)
    y = Conv(r, v)
}"""
CONSTANTS = {"w": weights(8, 8, 3, 3), "b": weights(8), "v": weights(4, 8, 1, 1)}


def dequantized(codes: np.ndarray, scale: np.ndarray, zero: np.ndarray | None = None, attribute: str = "") -> ir.Model:
    """A MatMul of a constant (4, 3) weight behind DequantizeLinear."""
    operands = "q, s" if zero is None else "q, s, z"
    made = model(
        f"g (float[N,4] x) => (float[N,3] y) {{ w = DequantizeLinear{attribute}({operands}) \n y = MatMul(x, w) }}",
        opset=21,
        infer=False,
    )
    for name, array in (("q", codes), ("s", scale), ("z", zero)):
        if array is not None:
            value = ir.Value(name=name, const_value=ir.Tensor(array, name=name))
            value.dtype, value.shape = value.const_value.dtype, ir.Shape(array.shape)
            made.graph.register_initializer(value)
    nodes = list(made.graph)
    inputs = ["q", "s", "z"][: len(nodes[0].inputs)]
    for index, name in enumerate(inputs):
        nodes[0].replace_input_with(index, made.graph.initializers[name])
    return made


CODES = np.arange(-6, 6).reshape(4, 3)


def test_codes_are_widened_for_the_8_bit_kernels() -> None:
    source = dequantized(CODES.astype(ml_dtypes.int4), weights(3), np.zeros(3, ml_dtypes.int4), "<axis=1>")
    feeds = feeds_of(source)
    before = run(source, feeds)
    assert WidenCodes()(source).modified
    assert graph_text(source) == (
        "q_int8 = Cast<to=3>(q)\nw = DequantizeLinear<axis=1>(q_int8, s, q_zero_point)\ny = MatMul(x, w)"
    )
    assert_same(before, run(source, feeds), tolerance=0)
    assert not WidenCodes()(source).modified


def test_8_bit_codes_are_left_alone() -> None:
    leaves_alone(WidenCodes(), dequantized(CODES.astype(np.int8), weights(3), attribute="<axis=1>"))


def test_4_bit_weights_run_on_8_bit_kernels() -> None:
    source = model(CONV, opset=21, **CONSTANTS)
    shipped = compiled(source, "a8w4", [feeds_of(source, seed=seed) for seed in range(3)])
    # Eight filters are widened to sixteen for the kernel, under a name of their own.
    (codes,) = (each for name, each in shipped.graph.initializers.items() if re.fullmatch(r"w\w*_quantized", name))
    assert codes.const_value.dtype == ir.DataType.INT4
    kernels = optimized_ops(shipped)
    assert kernels["QLinearConv"] == 2
    assert kernels["Cast"] == kernels["Conv"] == 0


@pytest.mark.parametrize(
    ("scale", "attribute"), [(np.float32(0.5), ""), (weights(3), "<axis=1>"), (weights(4), "<axis=-2>")]
)
def test_constants_are_dequantized_by_a_mul(scale: np.ndarray, attribute: str) -> None:
    source = dequantized(CODES.astype(np.int8), np.asarray(scale), None, attribute)
    feeds = feeds_of(source)
    before = run(source, feeds)
    assert ExpandDequantized()(source).modified
    assert graph_text(source) == "q_codes = Cast<to=1>(q)\nw = Mul(q_codes, q_steps)\ny = MatMul(x, w)"
    assert_same(before, run(source, feeds), tolerance=1e-6)
    assert dict(optimized_ops(source)) == {"MatMul": 1}
    assert not ExpandDequantized()(source).modified


def test_blocks_and_zero_points_are_left_to_dequantizelinear() -> None:
    blocks = dequantized(CODES.astype(np.int8), weights(2, 3), attribute="<axis=0, block_size=2>")
    leaves_alone(ExpandDequantized(), blocks)
    leaves_alone(ExpandDequantized(), dequantized(CODES.astype(np.int8), np.float32(1), np.array(3, np.int8)))


def test_16_bit_activations_round_256_times_finer() -> None:
    # Weights that 8 bits hold exactly: what is lost is lost on activations.
    exact = {name: (np.rint(array * 40) / 64).astype(np.float32) for name, array in CONSTANTS.items()}
    source = model(CONV, opset=21, **exact)
    samples = [feeds_of(source, seed=seed) for seed in range(3)]
    expected = run(source, samples[0])["y"]
    lost = {}
    for scheme in ("a8w8", "a16w8", "a16w4"):
        answer = run(compiled(source, scheme, samples), samples[0], optimize=True)["y"]
        lost[scheme] = float(np.sqrt(np.mean((answer - expected) ** 2) / np.mean(expected**2)))
    assert lost["a16w8"] < lost["a8w8"] / 100 < lost["a16w4"] < 0.2
