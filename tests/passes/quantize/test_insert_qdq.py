from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import CheckerPass
from support.graphs import feeds_of, graph_text, model, weights
from support.recipes import measure_on
from support.state import signature, snapshot

from edgec.passes.quantize.compute_params import ComputeParams
from edgec.passes.quantize.decide import DecideQuantization
from edgec.passes.quantize.insert_qdq import InsertQdq
from edgec.targets.cpu.rules import cpu_rules

W = weights(4, 4, 3, 3)


def inserted(text: str, **constants: np.ndarray) -> ir.Model:
    source = model(text, **constants)
    DecideQuantization(rules=cpu_rules(reduce_range=False))(source)
    measure_on([feeds_of(source, seed=seed) for seed in range(2)])(source, ComputeParams().needs(source))
    ComputeParams()(source)
    promised = signature(source)
    assert InsertQdq()(source).modified
    assert signature(source) == promised
    CheckerPass()(source.clone())
    settled = snapshot(source)
    assert not InsertQdq()(source).modified
    assert snapshot(source) == settled
    return source


def array(source: ir.Model, name: str) -> np.ndarray:
    return source.graph.initializers[name].const_value.numpy()


def test_a_gemm_that_writes_float() -> None:
    source = inserted("g (float[N,8] x) => (float[N,4] y) { y = Gemm(x, w, b) }", w=weights(8, 4), b=weights(4))
    assert graph_text(source) == (
        "x_QuantizeLinear_Output = QuantizeLinear(x, x_scale, x_zero_point)\n"
        "x_DequantizeLinear_Output = DequantizeLinear(x_QuantizeLinear_Output, x_scale, x_zero_point)\n"
        "b_DequantizeLinear_Output = DequantizeLinear<axis=0>(b_quantized, b_scale, b_zero_point)\n"
        "w_DequantizeLinear_Output = DequantizeLinear<axis=1>(w_quantized, w_scale, w_zero_point)\n"
        "y = Gemm(x_DequantizeLinear_Output, w_DequantizeLinear_Output, b_DequantizeLinear_Output)"
    )
    dtypes = {name: value.const_value.numpy().dtype.name for name, value in source.graph.initializers.items()}
    assert (dtypes["x_zero_point"], dtypes["w_quantized"], dtypes["b_quantized"]) == ("uint8", "int8", "int32")
    assert np.array_equal(array(source, "b_scale"), array(source, "x_scale") * array(source, "w_scale"))
    assert np.array_equal(array(source, "b_quantized"), np.rint(weights(4) / array(source, "b_scale")))
    assert [node.name for node in source.graph][:2] == ["x_QuantizeLinear", "x_DequantizeLinear"]


def test_a_convolution_writes_integers_and_the_public_name_moves_to_the_dq() -> None:
    source = inserted("g (float[N,4,6,6] x) => (float[N,4,4,4] y) { y = Conv(x, w) }", w=W)
    assert graph_text(source).splitlines()[-3:] == [
        "y_float = Conv(x_DequantizeLinear_Output, w_DequantizeLinear_Output)",
        "y_QuantizeLinear_Output = QuantizeLinear(y_float, y_scale, y_zero_point)",
        "y = DequantizeLinear(y_QuantizeLinear_Output, y_scale, y_zero_point)",
    ]


def test_everybody_reads_the_dq_of_a_result_written_in_integers() -> None:
    """A float reader beside the Q would leave the kernel float; a Gemm that writes integers is no exception."""
    source = inserted(
        """g (float[N,4] x) => (float[N,4] a, float[N,4] y, float[N,4] z) {
            a = Gemm(x, w)
            y = Gemm(a, w)
            z = Tanh(a)
        }""",
        w=weights(4, 4),
    )
    assert graph_text(source).splitlines()[-5:] == [
        "a_float = Gemm(x_DequantizeLinear_Output, w_DequantizeLinear_Output)",
        "a_QuantizeLinear_Output = QuantizeLinear(a_float, a_scale, a_zero_point)",
        "a = DequantizeLinear(a_QuantizeLinear_Output, a_scale, a_zero_point)",
        "y = Gemm(a, w_DequantizeLinear_Output)",
        "z = Tanh(a)",
    ]


def test_a_float_value_keeps_its_float_readers() -> None:
    """A graph input is float: only integer readers go through Q and DQ."""
    source = inserted(
        "g (float[N,4] x) => (float[N,4] y, float[N,4] z) { y = Gemm(x, w) \n z = Tanh(x) }", w=weights(4, 4)
    )
    assert graph_text(source).splitlines()[-1] == "z = Tanh(x)"


def test_two_readers_that_want_the_same_integers_share_them() -> None:
    source = inserted(
        "g (float[N,4] x) => (float[N,4] y, float[N,4] z) { y = Gemm(x, w) \n z = Gemm(x, w) }", w=weights(4, 4)
    )
    assert sum(node.op_type == "DequantizeLinear" for node in source.graph) == 2


def test_two_readers_along_other_axes_have_their_own() -> None:
    source = inserted(
        "g (float[N,4] x) => (float[N,4] y, float[N,4] z) { y = Gemm(x, w) \n z = Gemm<transB=1>(x, w) }",
        w=weights(4, 4),
    )
    assert {"w_quantized", "w_quantized_1"} <= set(source.graph.initializers)
    assert not np.array_equal(array(source, "w_scale"), array(source, "w_scale_1"))


def test_values_that_share_params_share_initializers() -> None:
    source = inserted(
        """g (float[N,4,8,8] x) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            p = MaxPool<kernel_shape=[3,3]>(a)
            y = Conv(p, w)
        }""",
        w=W,
    )
    lines = graph_text(source).splitlines()
    assert "p_QuantizeLinear_Output = QuantizeLinear(p, a_scale, a_zero_point)" in lines


def test_a_bias_of_one_value_becomes_one_per_column() -> None:
    source = inserted(
        "g (float[N,4] x) => (float[N,6] y) { y = Gemm(x, w, b) }", w=weights(4, 6), b=np.array([1.5], np.float32)
    )
    codes = array(source, "b_quantized")
    assert codes.shape == (6,)
    assert np.allclose(codes * array(source, "b_scale"), 1.5, rtol=1e-4)
    dq = next(node for node in source.graph if node.outputs[0].name == "b_DequantizeLinear_Output")
    assert list(dq.outputs[0].shape) == [6]


def test_a_dead_channel_s_bias_survives() -> None:
    """Weights near nothing would put the bias beyond int32; their scale grows instead."""
    w = weights(2, 4)
    w[1] *= 1e-13
    b = np.array([0.5, 250.0], np.float32)
    source = inserted("g (float[N,4] x) => (float[N,2] y) { y = Gemm<transB=1>(x, w, b) }", w=w, b=b)
    assert np.allclose(array(source, "b_quantized") * array(source, "b_scale").astype(np.float64), b, rtol=1e-4)
    assert not array(source, "w_quantized")[1].any()


def test_names_in_use_are_not_taken_again() -> None:
    source = inserted(
        "g (float[N,4] x) => (float[N,4] y) { x_scale = Tanh(x) \n y = Gemm(x_scale, w) }", w=weights(4, 4)
    )
    assert "x_scale_scale" in source.graph.initializers
    source = inserted(
        "g (float[N,4] x) => (float[N,4] y, float[N,4] z) { y = Gemm(x, w) \n z = Add(x, x_scale) }",
        w=weights(4, 4),
        x_scale=weights(4),
    )
    assert graph_text(source).splitlines()[0] == "x_QuantizeLinear_Output = QuantizeLinear(x, x_scale_1, x_zero_point)"
