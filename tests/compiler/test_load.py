"""What `load_model` promises of every model, whatever it was given as."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from support.graphs import weights
from support.numerics import assert_same, run
from support.protos import proto, saved

from edgec.compiler.load import load_model
from edgec.errors import ModelError

W = weights(32, 32)


def dense() -> onnx.ModelProto:
    return proto("g (float[n, 32] x) => (float[n, 32] y) { h = MatMul(x, w) y = Relu(h) }", w=W)


def initializers(model: ir.Model) -> dict[str, np.ndarray]:
    return {name: value.const_value.numpy() for name, value in model.graph.initializers.items()}


class TestSources:
    def test_a_path_a_proto_and_a_model_give_the_same(self, tmp_path: Path) -> None:
        file = saved(dense(), tmp_path / "m.onnx")
        feeds = {"x": weights(3, 32, seed=1)}
        answers = [
            run(load_model(source).model, feeds) for source in (file, str(file), dense(), ir.from_proto(dense()))
        ]
        for answer in answers:
            assert_same(answers[0], answer, tolerance=0)
        np.testing.assert_allclose(answers[0]["y"], np.maximum(feeds["x"] @ W, 0), rtol=1e-5)

    def test_origin_files_and_digest(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = saved(dense(), tmp_path / "m.onnx")
        monkeypatch.chdir(tmp_path)
        loaded = load_model("m.onnx")
        assert loaded.origin == "m.onnx"
        assert loaded.files == (file.resolve(),)
        assert loaded.digest == hashlib.sha256(file.read_bytes()).hexdigest()
        assert loaded.notes == ()

    def test_in_memory_digests_tell_weights_apart(self) -> None:
        a, same, other = dense(), dense(), dense()
        other.graph.initializer[0].raw_data = (W + 1).tobytes()
        for kind, origin in ((onnx.ModelProto.FromString, "<ModelProto>"), (ir.from_proto, "<onnx_ir.Model>")):
            read = [
                load_model(kind(m.SerializeToString()) if kind is not ir.from_proto else kind(m))
                for m in (a, same, other)
            ]
            assert {loaded.origin for loaded in read} == {origin}
            assert read[0].files == ()
            assert read[0].digest == read[1].digest != read[2].digest

    def test_home_is_expanded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        saved(dense(), tmp_path / "m.onnx")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        assert load_model("~/m.onnx").files == ((tmp_path / "m.onnx").resolve(),)

    @pytest.mark.parametrize("suffix", [".onnxtxt", ".textproto", ".json"])
    def test_text_forms(self, tmp_path: Path, suffix: str) -> None:
        small = proto("g (float[2] x) => (float[2] y) { y = Add(x, c) }", c=np.float32([1, 2]))
        file = tmp_path / f"m{suffix}"
        if suffix == ".onnxtxt":
            file.write_text(onnx.printer.to_text(small), encoding="utf-8")
        else:
            onnx.save(small, file)
        loaded = load_model(file)
        assert run(loaded.model, {"x": np.float32([3, 4])})["y"].tolist() == [4, 6]
        assert loaded.digest == hashlib.sha256(file.read_bytes()).hexdigest()

    def test_something_else(self) -> None:
        with pytest.raises(ModelError) as caught:
            load_model(np.zeros(3))  # type: ignore[arg-type]
        assert str(caught.value) == "<ndarray>: is not a model. Give a path, an onnx_ir.Model or an onnx.ModelProto."


class TestTheCallersModelStays:
    def test_a_proto(self) -> None:
        given = dense()
        before = given.SerializeToString()
        loaded = load_model(given, shapes={"x": (1, 32)})
        loaded.model.graph.initializers["w"].name = "renamed"
        assert given.SerializeToString() == before

    def test_a_model_and_its_tensors(self) -> None:
        given = ir.from_proto(
            proto("g (float[n, 32] x) => (float[n, 32] y) { h = MatMul(x, w) y = Add(h, b) }", w=W, b=W[0])
        )
        before = ir.to_proto(given).SerializeToString()
        model = load_model(given, shapes={"x": (1, 32)}).model
        for value in tuple(model.graph.initializers.values()):
            value.name = f"{value.name}.renamed"
        model.graph.outputs[0].name = "other"
        assert ir.to_proto(given).SerializeToString() == before

    def test_weights_are_shared_not_copied(self) -> None:
        array = weights(64, 64)
        given = ir.from_proto(dense())
        given.graph.initializers["w"].const_value = ir.Tensor(array, name="w")
        given.graph.initializers["w"].shape = ir.Shape(array.shape)
        given.graph.inputs[0].shape = ir.Shape(["n", 64])
        given.graph.outputs[0].shape = None
        assert np.shares_memory(initializers(load_model(given).model)["w"], array)

    def test_values_of_one_name_stay_two(self) -> None:
        x = ir.Value(name="x", shape=ir.Shape([2]), type=ir.TensorType(ir.DataType.FLOAT))
        first, second = ir.node("Relu", [x], name="n"), ir.node("Neg", [x], name="n")
        total = ir.node("Sub", [first.outputs[0], second.outputs[0]], name="n")
        total.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
        graph = ir.Graph([x], total.outputs, nodes=[first, second, total], opset_imports={"": 17})
        for node in (first, second):
            node.outputs[0].name = "same"
        total.outputs[0].name = "y"
        given = ir.Model(graph, ir_version=8)
        model = load_model(given).model
        assert run(model, {"x": np.float32([1, -2])})["y"].tolist() == [2, -2]
        assert [node.name for node in model.graph] == ["n", "n_1", "n_2"]
        assert [node.outputs[0].name for node in first.graph] == ["same", "same", "y"]  # type: ignore[union-attr]


class TestNames:
    def test_every_node_gets_a_name_of_its_own(self) -> None:
        model = proto(
            """g (bool c, float[2] x) => (float[2] y) {
                [a] h = Relu(x)
                y = If(c) <then_branch = t () => (float[2] p) { [a] p = Neg(h) },
                           else_branch = e () => (float[2] q) { q = Abs(h) }>
            }"""
        )
        loaded = load_model(model)
        assert [node.name for node in loaded.model.graph.all_nodes()] == ["a", "y", "a_1", "q"]
        assert loaded.notes == ("1 names were taken already: changed",)

    def test_a_name_in_a_body_that_hides_an_outer_one(self) -> None:
        model = proto(
            """g (bool c, float[2] x) => (float[2] y) {
                h = Relu(x)
                p = If(c) <then_branch = t () => (float[2] r) { h = Neg(x) r = Abs(h) },
                           else_branch = e () => (float[2] q) { q = Neg(h) }>
                y = Add(p, h)
            }"""
        )
        loaded = load_model(model).model
        assert run(loaded, {"c": np.array(True), "x": np.float32([1, -3])})["y"].tolist() == [2, 3]
        assert run(loaded, {"c": np.array(False), "x": np.float32([1, -3])})["y"].tolist() == [0, 0]

    def test_an_output_left_out_stays_out(self) -> None:
        model = proto(
            'g (float[4, 1, 8] x) => (float[1, 1, 4] y) { "", y = GRU <hidden_size = 4> (x, w, r) }',
            w=weights(1, 12, 8),
            r=weights(1, 12, 4),
        )
        (node,) = load_model(model).model.graph
        assert [output.name for output in node.outputs] == ["", "y"]

    def test_inputs_and_outputs_keep_theirs(self) -> None:
        model = proto("g (float[2] y_1, float[2] node) => (float[2] y) { [y] y = Add(y_1, node) }")
        loaded = load_model(model).model
        assert [v.name for v in loaded.graph.inputs] == ["y_1", "node"]
        assert [v.name for v in loaded.graph.outputs] == ["y"]


class TestConstants:
    def test_constant_nodes_become_initializers(self) -> None:
        model = proto(
            """g (float[2] x) => (float[2] y, int64[2] k) {
                a = Constant <value = float[2] {1, 2}> ()
                b = Constant <value_float = 0.5> ()
                i = Constant <value_ints = [0, 1]> ()
                k = Constant <value_ints = [7, 8]> ()
                s = Add(x, a) m = Mul(s, b) y = Gather(m, i)
            }"""
        )
        loaded = load_model(model).model
        assert [node.op_type for node in loaded.graph] == ["Constant", "Add", "Mul", "Gather"]
        values = initializers(loaded)
        assert {name: (array.dtype.name, array.tolist()) for name, array in values.items()} == {
            "a": ("float32", [1, 2]),
            "b": ("float32", 0.5),
            "i": ("int64", [0, 1]),
        }
        answer = run(loaded, {"x": np.float32([1, 2])})
        assert (answer["y"].tolist(), answer["k"].tolist()) == ([1, 2], [7, 8])

    def test_in_bodies_too(self) -> None:
        model = proto(
            """g (bool c, float[2] x) => (float[2] y) {
                y = If(c) <then_branch = t () => (float[2] p) { k = Constant <value_float = 1.0> () p = Add(x, k) },
                           else_branch = e () => (float[2] q) { q = Constant <value = float[2] {5, 6}> () }>
            }"""
        )
        loaded = load_model(model).model
        assert sorted(node.op_type for node in loaded.graph.all_nodes()) == ["Add", "Constant", "If"]
        assert run(loaded, {"c": np.array(True), "x": np.float32([1, 1])})["y"].tolist() == [2, 2]
        assert run(loaded, {"c": np.array(False), "x": np.float32([1, 1])})["y"].tolist() == [5, 6]

    def test_a_large_one_in_a_body_is_not_copied(self, tmp_path: Path) -> None:
        model = proto(
            """g (bool c, float[2, 32] x) => (float[2, 32] y) {
                y = If(c) <then_branch = t () => (float[2, 32] p) { p = Neg(x) },
                              else_branch = e () => (float[2, 32] q) { q = Abs(x) }>
            }"""
        )
        body = model.graph.node[0].attribute[0].g
        constant = onnx.helper.make_node("Constant", [], ["w"], value=onnx.numpy_helper.from_array(W, "w"))
        body.node[0].CopyFrom(onnx.helper.make_node("MatMul", ["x", "w"], ["p"]))
        body.node.insert(0, constant)
        loaded = load_model(saved(model, tmp_path / "m.onnx")).model
        (inner,) = (graph for graph in loaded.graph.subgraphs() if graph.initializers)
        assert np.array_equal(inner.initializers["w"].const_value.numpy(), W)  # type: ignore[union-attr]
        x = weights(2, 32, seed=3)
        np.testing.assert_allclose(run(loaded, {"c": np.array(True), "x": x})["y"], x @ W, rtol=1e-5, atol=1e-5)


class TestFunctions:
    TEXT = """<ir_version: 8, opset_import: ["": 17, "local": 1]>
        g (float[2] x) => (float[2] y) {{ h = local.f(x) y = local.f <alpha = 0.5> (h) }}
        <domain: "local", opset_import: ["": {opset}]>
        f <alpha: float = 0.1> (a) => (b) {{
            c = Constant <value = float {{1}}> () t = Sub(a, c) b = LeakyRelu <alpha: float = @alpha> (t)
        }}"""

    def test_are_inlined_with_their_defaults(self) -> None:
        loaded = load_model(onnx.parser.parse_model(self.TEXT.format(opset=17))).model
        assert not loaded.functions
        assert [node.op_type for node in loaded.graph] == ["Sub", "LeakyRelu", "Sub", "LeakyRelu"]
        assert len({node.name for node in loaded.graph}) == 4
        answer = run(loaded, {"x": np.float32([3, -9])})["y"]
        np.testing.assert_allclose(answer, np.float32([1, -1]), rtol=1e-6)

    def test_of_another_operator_set_are_refused(self) -> None:
        with pytest.raises(ModelError) as caught:
            load_model(onnx.parser.parse_model(self.TEXT.format(opset=13)))
        assert str(caught.value) == (
            "<ModelProto>: has functions that cannot be inlined: Opset mismatch when inlining function 'local::f': "
            "domain '' has version 17 in the model but version 13 in the function. Export the model without functions."
        )


class TestInitializersThatAreInputs:
    TEXT = "g (float[2] x, float[2] c) => (float[2] y) { y = Add(x, c) }"

    def test_stay_overridable(self) -> None:
        loaded = load_model(proto(self.TEXT, c=np.float32([1, 2])))
        assert [value.name for value in loaded.model.graph.inputs] == ["x", "c"]
        assert "c" in loaded.model.graph.initializers
        assert loaded.notes == ("1 initializers are inputs with a default value: left overridable",)
        assert run(loaded.model, {"x": np.float32([1, 1]), "c": np.float32([5, 5])})["y"].tolist() == [6, 6]

    def test_were_constants_before_ir_version_4(self) -> None:
        loaded = load_model(proto(self.TEXT, ir_version=3, c=np.float32([1, 2])))
        assert [value.name for value in loaded.model.graph.inputs] == ["x"]
        assert loaded.notes == (
            "1 weights listed as inputs, as IR version 3 asks: held constant",
            "IR version 3 → 8",
        )


def test_quantized_models_are_refused_unless_accepted() -> None:
    model = proto(
        "g (float[2] x) => (float[2] y) { q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z) }",
        s=np.float32(0.1),
        z=np.uint8(3),
    )
    with pytest.raises(ModelError) as caught:
        load_model(model)
    assert str(caught.value) == (
        "<ModelProto>: is quantized already: it has DequantizeLinear, QuantizeLinear. "
        "Quantizing it again would measure its rounding, not its values. "
        "Give the float model, or pack this one as it is with --scheme float."
    )
    assert [node.op_type for node in load_model(model, already_quantized="accept").model.graph] == [
        "QuantizeLinear",
        "DequantizeLinear",
    ]
