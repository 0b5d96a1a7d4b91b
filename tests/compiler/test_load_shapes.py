"""Shapes: inferred, kept dynamic, fixed on request, and never contradicting the graph."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from support.graphs import weights
from support.numerics import run
from support.protos import proto

from edgec.compiler.load import load_model
from edgec.errors import EdgecError, ModelError, OptionError

CONV = "g (float[batch, 3, h, w] x) => (float[batch, 8, oh, ow] y) { a = Conv <strides = [2, 2]> (x, k) y = Relu(a) }"
K = weights(8, 3, 3, 3)


def shape_of(value: ir.Value) -> list[int | str | None] | None:
    return None if value.shape is None else [d if isinstance(d, int) else d.value for d in value.shape]


def shapes(model: ir.Model) -> dict[str, list[int | str | None] | None]:
    made = (output for node in model.graph for output in node.outputs)
    return {str(value.name): shape_of(value) for value in (*model.graph.inputs, *made)}


class TestInferred:
    def test_dynamic_dimensions_stay(self) -> None:
        assert shapes(load_model(proto(CONV, k=K)).model) == {
            "x": ["batch", 3, "h", "w"],
            "a": ["batch", 8, None, None],
            "y": ["batch", 8, "oh", "ow"],
        }

    @pytest.mark.parametrize("name", ["?", "None", "-1"])
    def test_dimensions_free_in_the_ways_of_exporters(self, name: str) -> None:
        """A negative size, and one name for two sizes; in bodies too."""
        model = proto(
            """g (float[N, 3, h, w] x, bool c) => (float[N, 8, oh, ow] y) {
                y = If(c) <then_branch = t () => (float[N, 8, oh, ow] a) { a = Conv(x, k) },
                           else_branch = e () => (float[N, 8, oh, ow] b) { d = Conv(x, k) b = Neg(d) }>
            }""",
            k=K,
        )
        body = model.graph.node[0].attribute[0].g
        for value in (*model.graph.input, *model.graph.output, *body.output):
            for dim in value.type.tensor_type.shape.dim:
                if dim.dim_param == "N":
                    dim.dim_value = -1
                elif dim.dim_param:
                    dim.dim_param = name
        loaded = load_model(model).model
        assert shape_of(loaded.graph.inputs[0]) == [None, 3, None, None]
        assert shape_of(loaded.graph.outputs[0]) == [None, 8, None, None]
        fixed = load_model(model, shapes={"x": (1, 3, 8, 6)}).model
        assert shape_of(fixed.graph.inputs[0]) == [1, 3, 8, 6]
        assert shape_of(fixed.graph.outputs[0])[1:] == [8, 6, 4]

    def test_integers_that_are_no_shape(self) -> None:
        """ONNX's data propagation loses the Unsqueeze, and would refuse a model that runs."""
        model = load_model(
            proto(
                """g (float[320, 459] x) => (float[320, 459] y) {
                    u = Unsqueeze(rows, last) d = Div(columns, one) s = Add(u, d) f = Cast <to = 1> (s) y = Mul(x, f)
                }""",
                rows=np.arange(320),
                columns=np.arange(459),
                last=np.array([-1]),
                one=np.array(1),
            )
        ).model
        assert shapes(model)["s"] == [320, 459]

    def test_types_and_shapes_of_constants(self) -> None:
        model = load_model(
            proto("g (float[2] x) => (float[2] y) { c = Constant <value_float = 2.0> () y = Mul(x, c) }")
        ).model
        value = model.graph.initializers["c"]
        assert (value.dtype, shape_of(value)) == (ir.DataType.FLOAT, [])

    @pytest.mark.parametrize("opset", [13, 17])
    def test_through_a_shape_computed_in_the_graph(self, opset: int) -> None:
        """Reshape-13 does not see it in ONNX's own inference."""
        model = proto(
            """g (float[1, 8, 4, 4] x) => (float[a, b, c, d, e] y) {
                s = Shape(x) hw = Slice(s, two, four) t = Concat <axis = 0> (head, hw) y = Reshape(x, t)
            }""",
            opset=opset,
            two=np.int64([2]),
            four=np.int64([4]),
            head=np.int64([1, 2, 4]),
        )
        loaded = load_model(model).model
        assert shapes(loaded)["y"] == [1, 2, 4, 4, 4]
        assert loaded.opset_imports[""] == opset

    def test_of_large_tables_without_their_data(self) -> None:
        """A table of 4,000 sizes is detached: inference must not ask for its data."""
        model = proto(
            "g (float[n, 8] x) => (float[p, q] y) { s = Shape(x) t = Gather(table, s) y = Reshape(x, t) }",
            table=np.arange(4000),
        )
        assert shapes(load_model(model).model)["y"] in (["p", "q"], [None, None])

    def test_of_branches_of_different_rank_stay_unknown(self) -> None:
        model = proto(
            """g (bool c, float[2, 3] x) => (y) {
                y = If(c) <then_branch = t () => (float[2, 3] p) { p = Neg(x) },
                           else_branch = e () => (float[6] q) { q = Reshape(x, six) }>
            }""",
            six=np.int64([6]),
        )
        model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
        assert shapes(load_model(model).model)["y"] is None

    def test_no_invented_names(self) -> None:
        model = proto("g (float[n] x) => (int64[r, m] y) { y = NonZero(x) }")
        model.graph.output[0].type.tensor_type.ClearField("shape")
        assert shapes(load_model(model).model)["y"] == [1, None]


class TestContradicting:
    def test_a_declared_output_of_another_rank_is_dropped(self) -> None:
        model = proto(CONV, k=K)
        del model.graph.output[0].type.tensor_type.shape.dim[:]
        loaded = load_model(model)
        assert loaded.notes == (
            "declared shape [] of output 'y' contradicts the graph, which gives [batch, 8, ?, ?]: dropped",
        )
        assert shapes(loaded.model)["y"] == ["batch", 8, None, None]

    def test_declared_inner_shapes_are_dropped_and_the_rest_is_kept(self) -> None:
        model = proto(
            "g (float[n, 4] x) => (float[n, 4] y) { a = com.microsoft.Gelu(x) b = Relu(x) y = Add(a, b) }",
            imports='"com.microsoft": 1',
        )
        for name, dims in (("a", ["n", 4]), ("b", [7, 7])):
            model.graph.value_info.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, dims))
        loaded = load_model(model)
        assert loaded.notes == ("declared shapes of 1 inner values contradict the graph: dropped",)
        assert shapes(loaded.model) == {name: ["n", 4] for name in "xaby"}

    def test_a_graph_that_contradicts_itself_is_refused(self) -> None:
        model = proto("g (float[n, 8] x) => (float[n, 4] y) { a = Relu(x) [dense] y = MatMul(a, w) }", w=weights(9, 4))
        with pytest.raises(ModelError) as caught:
            load_model(model)
        assert str(caught.value) == (
            "<ModelProto>, node 'dense' (MatMul): does not fit its inputs: "
            "Incompatible dimensions for matrix multiplication. Export the model again."
        )

    def test_the_same_with_weights_that_are_detached(self) -> None:
        model = proto("g (float[n, 8] x) => (float[n, 99] y) { [dense] y = MatMul(x, w) }", w=weights(9, 99))
        with pytest.raises(ModelError, match="node 'dense'"):
            load_model(model)

    def test_an_operand_of_the_wrong_type(self) -> None:
        model = proto("g (float[n, 8] x) => (float[n, 4] y) { [dense] y = MatMul(x, w) }", w=np.ones((8, 4), np.int64))
        with pytest.raises(ModelError) as caught:
            load_model(model)
        assert str(caught.value) == (
            "<ModelProto>, node 'dense' (MatMul): does not fit its inputs: "
            "B has inconsistent type tensor(int64). Export the model again."
        )


class TestFixed:
    def test_follows_through_the_graph(self) -> None:
        loaded = load_model(proto(CONV, k=K), shapes={"x": (1, 3, 32, 32)})
        assert shapes(loaded.model) == {"x": [1, 3, 32, 32], "a": [1, 8, 15, 15], "y": [1, 8, 15, 15]}
        assert run(loaded.model, {"x": np.zeros((1, 3, 32, 32), np.float32)})["y"].shape == (1, 8, 15, 15)

    def test_a_symbol_is_fixed_in_every_input(self) -> None:
        model = proto("g (float[n, 4] a, float[n, 4] b) => (float[n, 4] y) { y = Add(a, b) }")
        assert shapes(load_model(model, shapes={"a": (5, 4)}).model) == {name: [5, 4] for name in "aby"}

    def test_an_input_without_a_shape(self) -> None:
        model = proto("g (float[n] x) => (float[n] y) { y = Relu(x) }")
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.ClearField("shape")
        assert shapes(load_model(model).model) == {"x": None, "y": None}
        assert shapes(load_model(model, shapes={"x": (2, 3)}).model) == {"x": [2, 3], "y": [2, 3]}

    def test_a_dimension_of_no_elements(self) -> None:
        model = proto("g (float[1, past] x) => (float[1, past] y) { y = Relu(x) }")
        assert shapes(load_model(model, shapes={"x": (1, 0)}).model)["x"] == [1, 0]

    def test_stale_declarations_give_way(self) -> None:
        model = proto(CONV, k=K)
        model.graph.value_info.append(onnx.helper.make_tensor_value_info("a", 1, [1, 8, 111, 111]))
        loaded = load_model(model, shapes={"x": (1, 3, 32, 32)})
        assert shapes(loaded.model)["a"] == [1, 8, 15, 15]
        assert loaded.notes == ("declared shapes of 1 inner values contradict the graph: dropped",)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"X": (1, 3, 8, 8)}, "--shape X=1,3,8,8: the model has no input 'X'. The inputs are: x."),
            (
                {"x": (1, 3, 8)},
                "--shape x=1,3,8: has 3 dimensions, input 'x' has 4: [batch, 3, h, w]. Give one size per dimension.",
            ),
            (
                {"x": (1, 1, 8, 8)},
                "--shape x=1,1,8,8: dimension 1 of input 'x' is fixed to 3 in the model. "
                "Give 3, or export the model with a dynamic dimension.",
            ),
            ({"x": (-1, 3, 8, 8)}, "--shape x=-1,3,8,8: size -1 of dimension 0 is negative. Give a size."),
            ({"k": (8, 3, 3, 3)}, "--shape k=8,3,3,3: the model has no input 'k'. The inputs are: x."),
        ],
    )
    def test_what_does_not_fit_is_refused(self, given: dict[str, tuple[int, ...]], message: str) -> None:
        assert self.refusal(proto(CONV, k=K), given) == message

    def test_a_name_that_is_nearly_right(self) -> None:
        model = proto("g (float[n] input) => (float[n] y) { y = Relu(input) }")
        assert self.refusal(model, {"imput": (1,)}) == (
            "--shape imput=1: the model has no input 'imput'. Did you mean 'input'?"
        )

    def test_a_symbol_with_two_sizes(self) -> None:
        model = proto("g (float[n, 4] a, float[n, 4] b) => (float[n, 4] y) { y = Add(a, b) }")
        assert self.refusal(model, {"a": (1, 4), "b": (2, 4)}) == (
            "--shape b=2,4: dimension 'n' would be 2 here and 1 in input 'a'. Give the same size to both."
        )

    def test_an_input_that_is_no_tensor(self) -> None:
        model = proto("g (seq(float[n]) x) => (float[m] y) { y = ConcatFromSequence <axis = 0> (x) }")
        assert self.refusal(model, {"x": (1,)}) == "--shape x=1: input 'x' is not a tensor. Leave it out."

    def test_sizes_the_graph_cannot_take(self) -> None:
        model = proto("g (float[1, 3, 8, c] x) => (float[1, 3, 8, 6] y) { [first] y = MatMul(x, k) }", k=weights(9, 6))
        assert self.refusal(model, {"x": (1, 3, 8, 8)}).startswith("<ModelProto>, node 'first' (MatMul): does not fit")

    def refusal(self, model: onnx.ModelProto, given: dict[str, tuple[int, ...]]) -> str:
        with pytest.raises(EdgecError) as caught:
            load_model(model, shapes=given)
        assert isinstance(caught.value, OptionError) == str(caught.value).startswith("--shape")
        return str(caught.value)
