"""x A B beside every kind of linear: nothing without an adapter, the product with one, signature kept."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from edgec.compiler.adapters.attach import attach, input_names
from edgec.compiler.adapters.linears import linears_of
from edgec.errors import ModelError

RNG = np.random.default_rng(0)
W, BIAS = RNG.standard_normal((6, 5)).astype(np.float32), RNG.standard_normal(5).astype(np.float32)
A, B = RNG.standard_normal((6, 3)).astype(np.float32), RNG.standard_normal((3, 5)).astype(np.float32)
X = RNG.standard_normal((4, 6)).astype(np.float32)


def made(nodes: list[onnx.NodeProto], dtype: int = 1, **tensors: np.ndarray) -> ir.Model:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", dtype, ["t", 6])],
        [helper.make_tensor_value_info("y", dtype, ["t", 5])],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return ir.from_proto(
        onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=opsets, ir_version=10))
    )


def answers(model: ir.Model, **feeds: np.ndarray) -> np.ndarray:
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    found: np.ndarray = session.run(None, feeds)[0]
    return found


NODE = helper.make_node
CASES = {
    "MatMul": ([NODE("MatMul", ["x", "w"], ["y"], name="p")], {"w": W}),
    "MatMul and bias": (
        [NODE("MatMul", ["x", "w"], ["m"], name="p"), NODE("Add", ["b", "m"], ["y"])], {"w": W, "b": BIAS}
    ),
    "Gemm": ([NODE("Gemm", ["x", "w", "b"], ["y"], name="p")], {"w": W, "b": BIAS}),
    "Gemm transB": ([NODE("Gemm", ["x", "w", "b"], ["y"], name="p", transB=1)], {"w": W.T.copy(), "b": BIAS}),
    "output read inside": (
        [NODE("MatMul", ["x", "w"], ["y"], name="p"), NODE("Relu", ["y"], ["z"], name="unused")], {"w": W}
    ),
    "Transpose of a constant": (
        [NODE("Transpose", ["w"], ["t"], perm=[1, 0]), NODE("MatMul", ["x", "t"], ["y"], name="p")], {"w": W.T.copy()}
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_without_and_with(case: str) -> None:
    nodes, tensors = CASES[case]
    before, model = made(nodes, **tensors), made(nodes, **tensors)
    (linear,) = linears_of(model.graph)
    attach(model.graph, [linear])
    np.testing.assert_array_equal(answers(model, x=X), answers(before, x=X))
    a, b = input_names(linear)
    fed = {a: A, b: B}
    np.testing.assert_allclose(answers(model, x=X, **fed), answers(before, x=X) + X @ A @ B, rtol=1e-5, atol=1e-5)
    assert [value.name for value in model.graph.outputs] == ["y"]
    assert [value.name for value in model.graph.inputs if not value.is_initializer()] == ["x"]


def test_the_bias_stays_beside_its_product() -> None:
    nodes, tensors = CASES["MatMul and bias"]
    model = made(nodes, **tensors)
    attach(model.graph, linears_of(model.graph))
    assert [node.op_type for node in model.graph] == ["MatMul", "Add", "MatMul", "MatMul", "Add"]


def test_a_module_applied_twice_has_one_pair_of_inputs() -> None:
    square = RNG.standard_normal((6, 6)).astype(np.float32)
    nodes = [
        NODE("MatMul", ["x", "s"], ["a"], name="p"),
        NODE("MatMul", ["a", "s"], ["c"], name="q"),
        NODE("MatMul", ["c", "w"], ["y"], name="r"),
    ]
    model = made(nodes, w=W, s=square)
    twice, once = linears_of(model.graph)
    attach(model.graph, [twice])
    a, b = input_names(twice)
    low, up = A, RNG.standard_normal((3, 6)).astype(np.float32)
    whole = square + low @ up
    np.testing.assert_allclose(answers(model, x=X, **{a: low, b: up}), X @ whole @ whole @ W, rtol=1e-4, atol=1e-4)
    assert len(model.graph.inputs) == 3
    assert len(once.nodes) == 1


def test_half_models_get_half_inputs() -> None:
    nodes, _ = CASES["MatMul"]
    model = made(nodes, onnx.TensorProto.FLOAT16, w=W.astype(np.float16))
    attach(model.graph, linears_of(model.graph))
    assert [value.dtype for value in model.graph.inputs] == [ir.DataType.FLOAT16] * 3
    assert answers(model, x=X.astype(np.float16)).dtype == np.float16


def test_weights_in_blocks() -> None:
    codes = RNG.integers(0, 256, (5, 1, 16), dtype=np.uint8)
    scale = np.full(5, 0.01, np.float32)
    node = NODE("MatMulNBits", ["x", "m.q_proj.MatMul.weight_Q4", "s"], ["y"], name="/m/q_proj/MatMul_Q4",
                domain="com.microsoft", K=6, N=5, bits=4, block_size=32)  # fmt: skip
    model = made([node], **{"m.q_proj.MatMul.weight_Q4": codes, "s": scale})
    (linear,) = linears_of(model.graph)
    assert linear.name == "m.q_proj"
    before = answers(model, x=X)
    attach(model.graph, [linear])
    fed = {"m.q_proj.lora_A": A, "m.q_proj.lora_B": B}
    np.testing.assert_allclose(answers(model, x=X, **fed), before + X @ A @ B, rtol=1e-5, atol=1e-5)


def test_values_of_unknown_type() -> None:
    model = ir.from_proto(helper.make_model(helper.make_graph(
        [NODE("Cast", ["x"], ["f"], to=1), NODE("MatMul", ["f", "w"], ["y"], name="p")], "g",
        [helper.make_tensor_value_info("x", 6, [4, 6])], [], [numpy_helper.from_array(W, "w")],
    )))  # fmt: skip
    with pytest.raises(ModelError) as caught:
        attach(model.graph, linears_of(model.graph))
    assert str(caught.value) == (
        "node 'p': takes values of unknown type, an adapter needs floating point. Leave its module out of the adapter."
    )


def test_a_name_that_is_taken() -> None:
    nodes, tensors = CASES["MatMul"]
    model = made(nodes, **tensors, **{"p.lora_A": BIAS})
    with pytest.raises(ModelError) as caught:
        attach(model.graph, linears_of(model.graph))
    assert str(caught.value) == "linear 'p': has a neighbour called 'p.lora_A'. Rename that value."
