from __future__ import annotations

import re

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, model, weights
from support.numerics import assert_same, optimized_ops, run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.spell_smaller import SMALLER, SpellSmaller

ALL = SpellSmaller(ops=tuple(SMALLER))
CONSTANTS = {
    "s": weights(4),
    "b": weights(4, seed=1),
    "last": np.array([-1], np.int64),
    "two": np.float32(2),
    "l0": np.float32(0),
    "l1": np.float32(1),
    "l6": np.float32(6),
    "tiny": np.float32(1e-9),
    "many": np.float32(np.finfo(np.float32).max),
}
NORM = "y = LayerNormalization<axis=-1, epsilon=0.001>(x, s, b)"


def made(body: str, *, opset: int = 20, y: str = "2,3,4") -> ir.Model:
    used = {name: array for name, array in CONSTANTS.items() if re.search(rf"\b{name}\b", body)}
    return model(f"g (float[2,3,4] x) => (float[{y}] y) {{ {body} }}", opset=opset, **used)


@pytest.mark.parametrize(
    ("body", "after"),
    [
        (
            "y = HardSwish(x)",
            """
         y_Add_Output = Add(x, y_3)
         y_Clip_Output = Clip(y_Add_Output, y_0, y_6)
         y_Mul_Output = Mul(x, y_Clip_Output)
         y = Mul(y_Mul_Output, y_0.166667)
         """,
        ),
        ("y = Clip(x, l0, l1)", "y_Max_Output = Max(x, y_0)\ny = Min(y_Max_Output, y_1)"),
        ("y = Clip(x, tiny, many)", "y = Max(x, y_1e-09)"),
        ("y = Clip(x, tiny)", "y = Max(x, y_1e-09)"),
        ("y = Clip(x, , l1)", "y = Min(x, y_1)"),
        ("y = Clip(x, l0)", "y = Relu(x)"),
        ("y = Pow(x, two)", "y = Mul(x, x)"),
    ],
)
def test_elementwise(body: str, after: str) -> None:
    rewrites(ALL, made(body), after)


@pytest.mark.parametrize("opset", [17, 20])
@pytest.mark.parametrize(
    ("body", "y"),
    [
        (NORM, "2,3,4"),
        (NORM.replace(", b", ""), "2,3,4"),
        ("y = ReduceSum<keepdims=0>(x, last)", "2,3"),
        ("y = ReduceSum(x, last)", "2,3,1"),
        ("y = HardSigmoid(x)", "2,3,4"),
        ("y = HardSigmoid<alpha=0.16666667, beta=0.5>(x)", "2,3,4"),
    ],
)
def test_it_says_the_same(body: str, y: str, opset: int) -> None:
    graph = made(body, opset=opset, y=y)
    feeds = feeds_of(graph)
    before = run(graph, feeds)
    assert ALL(graph).modified
    assert not {node.op_type for node in graph.graph} & {"LayerNormalization", "ReduceSum", "HardSigmoid"}
    assert_same(before, run(graph, feeds), tolerance=1e-5)
    inner = {str(value.name): value.shape for node in graph.graph for value in node.outputs}
    checked = ir.serde.deserialize_model(onnx.shape_inference.infer_shapes(ir.to_proto(graph), strict_mode=True))
    assert inner == {str(value.name): value.shape for node in checked.graph for value in node.outputs}


def test_a_normalization_over_two_axes() -> None:
    text = "g (float[2,3,4] x) => (float[2,3,4] y) { y = LayerNormalization<axis=1>(x, t) }"
    graph = model(text, opset=20, t=weights(3, 4))
    feeds = feeds_of(graph)
    before = run(graph, feeds)
    assert ALL(graph).modified
    assert_same(before, run(graph, feeds), tolerance=1e-5)


def test_onnxruntime_makes_no_normalization_of_it_again() -> None:
    graph = made(NORM)
    ALL(graph)
    assert "LayerNormalization" not in optimized_ops(graph)


def test_it_does_of_one_written_with_pow() -> None:
    """The test of the test, and why `Pow` is spelled out."""
    graph = made(NORM)
    ALL(graph)
    proto = ir.to_proto(graph)
    square = next(node for node in proto.graph.node if node.op_type == "Mul" and node.input[0] == node.input[1])
    square.op_type, square.input[1] = "Pow", "two"
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(2), "two"))
    read = ir.from_proto(proto)
    assert "LayerNormalization" in optimized_ops(read)
    assert ALL(read).modified
    assert "LayerNormalization" not in optimized_ops(read)


@pytest.mark.parametrize(
    "body",
    [
        "y = Clip(x, l0, l6)",
        "a = ReduceMax(x)\ny = Clip(x, a)",
        "y = Pow(x, l6)",
    ],
)
def test_it_stays(body: str) -> None:
    leaves_alone(ALL, made(body, opset=17))


def test_only_what_is_asked_for() -> None:
    leaves_alone(SpellSmaller(ops=("Clip",)), made(NORM))


def test_a_sum_over_a_size_that_is_not_known_stays() -> None:
    text = "g (float[N,4] x) => (float[1,4] y) { y = ReduceSum(x, first) }"
    leaves_alone(ALL, model(text, opset=17, first=np.array([0], np.int64)))


def test_an_operator_it_cannot_spell() -> None:
    with pytest.raises(ValueError, match="ops: 'Conv' is not one of Clip, "):
        SpellSmaller(ops=("Conv",))
