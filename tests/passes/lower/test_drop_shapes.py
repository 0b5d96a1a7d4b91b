from __future__ import annotations

import numpy as np
import onnx_ir as ir
from support.graphs import feeds_of, model, weights
from support.numerics import assert_same, optimized_ops, run
from support.state import signature

from edgec.passes.lower.drop_shapes import DropShapes


def described(source: ir.Model) -> set[str]:
    """Inner values and constants whose type is written."""
    proto = ir.serde.serialize_model(source)
    return {value.name for value in proto.graph.value_info}


def test_what_inference_gives_back_goes() -> None:
    source = model(
        "g (float[N,8] x) => (float[N,4] y) { a = Gemm(x, w) \n b = Relu(a) \n y = MatMul(b, v) }",
        w=weights(8, 8),
        v=weights(8, 4),
    )
    promised, feeds = signature(source), feeds_of(source)
    before, kernels = run(source, feeds), optimized_ops(source)
    assert described(source) == {"a", "b", "w", "v"}
    assert DropShapes()(source).modified
    assert described(source) == set()
    assert signature(source) == promised
    assert_same(before, run(source, feeds), tolerance=0)
    assert optimized_ops(source) == kernels
    assert not DropShapes()(source).modified


def test_what_only_its_author_knows_stays() -> None:
    """The shape of a value that is computed at run time, and of what is made of it."""
    source = model("g (float[N,8] x, int64[2] k) => (float[A,B] y) { a = Reshape(x, k) \n b = Relu(a) \n y = Neg(b) }")
    for node in list(source.graph)[:2]:
        node.outputs[0].shape = ir.Shape([None, 4])
    assert not DropShapes()(source).modified
    assert described(source) == {"a", "b"}


def test_public_and_replaceable_constants_keep_their_shape() -> None:
    text = "g (float[N,8] x, float[8,8] w) => (float[N,8] y, float[8] k) { y = Gemm(x, w) }"
    source = model(text, w=weights(8, 8), k=weights(8))
    promised = signature(source)
    DropShapes()(source)
    assert signature(source) == promised


def test_a_graph_that_cannot_be_inferred_keeps_all() -> None:
    source = model(
        "g (float[N,8] x) => (float[N,8] y) { a = mine.Op(x) \n y = Relu(a) }", domains='"mine": 1', infer=False
    )
    value = source.graph[0].outputs[0]
    value.type, value.shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape(["N", 8])
    assert not DropShapes()(source).modified
    assert np.array_equal(list(value.shape), ["N", 8]) or value.shape == ir.Shape(["N", 8])
