"""Graphs that are refused, and graphs that look odd and are right."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from support.graphs import model as ir_model
from support.graphs import weights
from support.numerics import run
from support.protos import proto

from edgec.compiler.load import load_model, quantized_ops
from edgec.errors import ModelError


def refusal(model: onnx.ModelProto) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(model)
    return str(caught.value).removeprefix("<ModelProto>")


class TestWiring:
    def test_no_nodes(self) -> None:
        assert refusal(proto("g (float[2] x) => (float[2] x) { }")) == (
            ": has no nodes: there is nothing to compile. Export the model again."
        )

    def test_no_outputs(self) -> None:
        assert refusal(proto("g (float[2] x) => () { y = Relu(x) }")) == ": has no outputs. Export the model again."

    def test_a_value_that_nothing_makes(self) -> None:
        assert refusal(proto("g (float[2] x) => (float[2] y) { [n] y = Add(x, w) }")) == (
            ", node 'n' (Add): reads 'w', which nothing makes. Export the model again."
        )

    def test_the_same_in_a_body(self) -> None:
        text = """g (bool c, float[2] x) => (float[2] y) {
            y = If(c) <then_branch = t () => (float[2] p) { [n] p = Neg(w) },
                       else_branch = e () => (float[2] q) { q = Abs(x) }>
        }"""
        assert refusal(proto(text)) == ", node 'n' (Neg): reads 'w', which nothing makes. Export the model again."

    def test_an_output_that_nothing_makes(self) -> None:
        assert refusal(proto("g (float[2] x) => (float[2] y) { z = Relu(x) }")) == (
            ", output 'y': is made by nothing. Export the model again."
        )

    def test_a_value_made_twice(self) -> None:
        assert refusal(proto("g (float[2] x) => (float[2] y) { y = Relu(x) [n] y = Neg(x) }")) == (
            ", value 'y': is made twice, the second time by node 'n' (Neg). Export the model again."
        )
        assert refusal(proto("g (float[2] x) => (float[2] x) { x = Relu(x) }")) == (
            ", value 'x': is made twice, the second time by node 'x' (Relu). Export the model again."
        )

    def test_a_circle(self) -> None:
        assert refusal(proto("g (float[2] x) => (float[2] y) { a = Add(x, b) b = Neg(a) y = Relu(b) }")) == (
            ": has nodes that depend on each other in a circle. Export the model again."
        )

    def test_a_sparse_tensor(self) -> None:
        model = proto("g (float[2] x) => (float[2] y) { y = Relu(x) }")
        model.graph.sparse_initializer.add().values.name = "s"
        assert refusal(model) == ", tensor 's': is stored sparse. Store it dense."

    def test_nodes_out_of_order_are_sorted(self) -> None:
        loaded = load_model(proto("g (float[2] x) => (float[2] y) { y = Relu(a) a = Neg(x) }"))
        assert [node.op_type for node in loaded.model.graph] == ["Neg", "Relu"]
        assert run(loaded.model, {"x": np.float32([1, -2])})["y"].tolist() == [0, 2]

    def test_a_body_that_reads_a_later_node(self) -> None:
        text = """g (bool c, float[2] x) => (float[2] y) {
            y = If(c) <then_branch = t () => (float[2] p) { p = Neg(a) },
                       else_branch = e () => (float[2] q) { q = Abs(x) }>
            a = Neg(x)
        }"""
        loaded = load_model(proto(text))
        assert [node.op_type for node in loaded.model.graph] == ["Neg", "If"]
        assert run(loaded.model, {"c": np.array(True), "x": np.float32([1, -2])})["y"].tolist() == [1, -2]

    def test_the_same_output_twice_and_an_input_as_output(self) -> None:
        loaded = load_model(proto("g (float[2] x) => (float[2] y, float[2] x) { y = Relu(x) }"))
        assert [value.name for value in loaded.model.graph.outputs] == ["y", "x"]


class TestOperators:
    def test_a_custom_one(self) -> None:
        model = proto("g (float[2] x) => (float[2] y) { [n] y = my.domain.Fancy(x) }", imports='"my.domain": 1')
        assert refusal(model) == (
            ", node 'n' (Fancy): is a custom operator of domain 'my.domain'. Export the model with operators of "
            "ai.onnx, ai.onnx.ml or com.microsoft, or with the operator as a function."
        )

    def test_one_that_does_not_exist(self) -> None:
        assert refusal(proto("g (float[2] x) => (float[2] y) { y = Rellu(x) }")) == (
            ", node 'y' (Rellu): ai.onnx 17 has no operator 'Rellu', did you mean 'Relu'? Export the model again."
        )

    def test_one_that_came_later(self) -> None:
        assert refusal(proto("g (float[2] x) => (float[2] y) { y = Gelu(x) }", opset=17)) == (
            ", node 'y' (Gelu): ai.onnx 17 has no operator 'Gelu'. Export the model again."
        )

    def test_one_that_was_removed(self) -> None:
        model = proto("g (float[1, 1, 2] x) => (float[a, b, c] y) { y = Upsample(x, s) }", s=np.float32([1, 1, 2]))
        assert refusal(model) == ", node 'y' (Upsample): ai.onnx 17 has no operator 'Upsample'. Export the model again."

    def test_one_in_a_body(self) -> None:
        text = """g (bool c, float[2] x) => (float[2] y) {
            y = If(c) <then_branch = t () => (float[2] p) { [n] p = Fancy(x) },
                       else_branch = e () => (float[2] q) { q = Abs(x) }>
        }"""
        assert refusal(proto(text)) == (
            ", node 'n' (Fancy): ai.onnx 17 has no operator 'Fancy'. Export the model again."
        )

    def test_a_domain_that_is_not_declared(self) -> None:
        assert refusal(proto("g (float[2] x) => (float[2] y) { y = com.microsoft.Gelu(x) }")) == (
            ", node 'y' (Gelu): is an operator of domain 'com.microsoft', whose version the model does not declare. "
            "Export the model again."
        )

    def test_the_default_domain_has_one_name(self) -> None:
        model = proto("g (float[2] x) => (float[2] y) { y = Relu(x) }")
        model.opset_import[0].domain = model.graph.node[0].domain = "ai.onnx"
        loaded = load_model(model).model
        assert loaded.opset_imports == {"": 17}
        assert [node.domain for node in loaded.graph] == [""]

    def test_one_used_wrongly(self) -> None:
        assert refusal(proto("g (float[2] x) => (float[2] y) { [n] y = Relu <slope = 1> (x) }")) == (
            ", node 'n' (Relu): is not valid ONNX: Unrecognized attribute: slope for operator Relu. "
            "Export the model again."
        )
        assert refusal(proto("g (float[2] x) => (float[2] y) { [n] y = Add(x) }")) == (
            ", node 'n' (Add): is not valid ONNX: Node(n) with schema(::Add:14) has input size 1 "
            "not in range [min=2, max=2]. Export the model again."
        )

    def test_what_onnx_ir_does_not_know(self) -> None:
        model = proto("g (float[2] x) => (float[2] y) { y = Relu(x) }")
        model.graph.output.add(name="m").type.map_type.key_type = onnx.TensorProto.INT64
        assert refusal(model) == ", output 'm': is made by nothing. Export the model again."


class TestFinite:
    MATMUL = "g (float[n, 32] x) => (float[n, 32] y) { [dense] y = MatMul(x, w) }"

    @staticmethod
    def with_one(value: float, *, dtype: type = np.float32, at: int = 70) -> np.ndarray:
        array = weights(32, 32).astype(dtype)
        array.ravel()[at] = value
        return array

    def test_nan(self) -> None:
        assert refusal(proto(self.MATMUL, w=self.with_one(np.nan))) == (
            ", tensor 'w': holds NaN (element 70). Node 'dense' (MatMul) reads it. "
            "Export the model from a checkpoint whose weights are finite."
        )

    @pytest.mark.parametrize("value", [np.inf, -np.inf])
    def test_inf_in_a_product(self, value: float) -> None:
        assert refusal(proto(self.MATMUL, w=self.with_one(value))).startswith(", tensor 'w': holds Inf (element 70). ")

    def test_half_precision_does_not_overflow_the_check(self) -> None:
        text = self.MATMUL.replace("float[", "float16[")
        load_model(proto(text, w=np.full((32, 32), 60000, np.float16)))
        assert "holds NaN (element 70)" in refusal(proto(text, w=self.with_one(np.nan, dtype=np.float16)))

    def test_large_finite_numbers_pass(self) -> None:
        load_model(proto(self.MATMUL, w=np.full((32, 32), 3e38, np.float32)))

    def test_a_mask_of_minus_infinities_is_meant(self) -> None:
        mask = np.triu(np.full((32, 32), -np.inf, np.float32), 1)
        load_model(proto("g (float[32, 32] x) => (float[32, 32] y) { y = Add(x, m) }", m=mask))
        assert "holds NaN" in refusal(
            proto("g (float[32, 32] x) => (float[32, 32] y) { y = Add(x, m) }", m=np.where(mask < 0, np.nan, mask))
        )

    def test_a_single_number_is_a_bound(self) -> None:
        text = "g (float[2] x) => (float[2] y) { y = Clip(x, lo, hi) }"
        load_model(proto(text, lo=np.float32(-np.inf), hi=np.float32(np.inf)))

    def test_in_a_body(self) -> None:
        text = """g (bool c, float[2] x) => (float[2] y) {
            y = If(c) <then_branch = t () => (float[2] p) { k = Constant <value_float = 1.0> () [n] p = Mul(x, k) },
                       else_branch = e () => (float[2] q) { q = Abs(x) }>
        }"""
        model = proto(text)
        constant = model.graph.node[0].attribute[0].g.node[0]
        bad = onnx.numpy_helper.from_array(np.float32([1, np.nan]), "k")
        constant.attribute[0].CopyFrom(onnx.helper.make_attribute("value", bad))
        assert refusal(model) == (
            ", tensor 'k': holds NaN (element 1). Node 'n' (Mul) reads it. "
            "Export the model from a checkpoint whose weights are finite."
        )


def test_quantized_ops_are_listed() -> None:
    given = ir_model(
        """g (float[2, 32] x) => (y) {
            h = com.microsoft.MatMulNBits <K = 32, N = 4, bits = 4, block_size = 32> (x, q, s)
            y = Relu(h)
        }""",
        infer=False,
        domains='"com.microsoft": 1',
        q=np.zeros((4, 1, 16), np.uint8),
        s=np.ones(4, np.float32),
    )
    assert quantized_ops(given) == ("MatMulNBits",)
    assert quantized_ops(ir_model("g (float[2] x) => (y) { y = Relu(x) }", infer=False)) == ()
