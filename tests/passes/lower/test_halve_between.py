from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from support.graphs import graph_text, model, weights
from support.numerics import optimized, run
from support.rewrites import leaves_alone

from edgec.passes.lower.halve_between import HalveBetween

Q = "q = QuantizeLinear(x, s, z) \n d = DequantizeLinear(q, s, z)"
END = "p = QuantizeLinear(o, s, z) \n y = DequantizeLinear(p, s, z)"
PARAMS = {"s": np.float32(0.05), "z": np.uint8(100)}


def between(body: str, **constants: np.ndarray):  # type: ignore[no-untyped-def]
    return model(f"g (float[2,4] x) => (float[2,4] y) {{ {Q} \n {body} \n {END} }}", opset=21, **PARAMS, **constants)


def test_a_float_node_is_kept_apart() -> None:
    graph = between("o = CumSum(d, axis)", axis=np.array(1))
    before = run(graph, {"x": np.float32([[1, -2, 3, 0.5], [0, 0.25, -1, 4]])})
    assert HalveBetween()(graph).modified
    assert not HalveBetween()(graph).modified
    half, whole = (node.outputs[0].name for node in graph.graph if node.op_type == "Cast")
    assert graph_text(graph).splitlines()[2:5] == [
        f"{half} = Cast<to=10>(d)",
        f"{whole} = Cast<to=1>({half})",
        f"o = CumSum({whole}, axis)",
    ]
    after = run(graph, {"x": np.float32([[1, -2, 3, 0.5], [0, 0.25, -1, 4]])})
    assert np.abs(before["y"] - after["y"]).max() <= 0.0501  # fp16 may move a value over the edge of a step


@pytest.mark.parametrize("body", ["o = Reshape(d, shape)", "o = Transpose<perm = [0, 1]>(d)"])
def test_what_only_moves_elements_stays(body: str) -> None:
    constants = {"shape": np.array([2, 4])} if "shape" in body else {}
    leaves_alone(HalveBetween(), between(body, **constants))


def test_a_node_that_reads_a_float_beside_is_no_group() -> None:
    leaves_alone(HalveBetween(), between("f = Abs(x) \n o = Div(d, f)"))


def test_a_node_that_nobody_quantizes_is_no_group() -> None:
    text = f"g (float[2,4] x) => (float[2,4] y) {{ {Q} \n y = Softmax(d) }}"
    leaves_alone(HalveBetween(), model(text, opset=21, **PARAMS))


@pytest.mark.parametrize("body", ["Gemm(d, w)", "Gemm<transB = 1>(d, w, b)"])
def test_float_weights_behind_a_dq_stay_float(body: str) -> None:
    """ONNX Runtime would store them as s8, one scale for all."""
    text = f"""g (float[2,4] x) => (float[2,4] y) {{ {Q} o = {body} r = Relu(o)
        p = QuantizeLinear(r, s, z) y = DequantizeLinear(p, s, z) }}"""
    constants = {"w": weights(4, 4), "b": weights(4)} if ", b)" in body else {"w": weights(4, 4)}
    graph = model(text, opset=21, **PARAMS, **constants)
    assert has_codes(graph)
    assert HalveBetween()(graph).modified
    assert not HalveBetween()(graph).modified
    gemm = next(node for node in graph.graph if node.op_type == "Gemm")
    assert gemm.inputs[0].producer().op_type == "Cast"
    assert not has_codes(graph)


def test_integer_weights_behind_a_dq_are_left_alone() -> None:
    text = f"""g (float[2,4] x) => (float[2,4] y) {{ {Q} k = DequantizeLinear(codes, s, zw) o = Gemm(d, k)
        y = Identity(o) }}"""
    codes = {"codes": np.eye(4, dtype=np.int8), "zw": np.int8(0)}
    leaves_alone(HalveBetween(), model(text, opset=21, **PARAMS, **codes))


def has_codes(graph: ir.Model) -> bool:
    """Whether ONNX Runtime stores the weights of a loaded model as s8."""
    stored = optimized(graph).graph.initializer
    return any(each.data_type == onnx.TensorProto.INT8 and len(each.dims) == 2 for each in stored)
