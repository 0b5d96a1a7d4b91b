"""The questions passes ask of values, and the edits they make on edges."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import graph_text, model, weights

from edgec.passes.edit import (
    SkipNotes,
    add_initializer,
    constant_array,
    constant_scalar,
    fresh_name,
    insert_after,
    is_constant,
    is_op,
    is_overridable,
    opset_of,
    remark,
    remarks_of,
    remarks_on,
    rewire,
    skip,
    sole_consumer,
    subgraph_nodes,
    value_names,
    why_skipped,
)

TEXT = """g (float[N,4] x, float[4] d, bool c) => (float[N,4] y, float[N,4] p) {
    k = Constant<value_floats=[1.0, 2.0, 3.0, 4.0]>()
    a = Add(x, w)
    b = Add(a, d)
    p = Add(b, k)
    q = Relu(p)
    r = Relu(q)
    y = If(c) <
        then_branch = t () => (float[N,4] u) { u = Add(r, w) },
        else_branch = e () => (float[N,4] v) { i = Neg(r) \n v = Neg(i) }
    >
}"""


def source() -> ir.Model:
    return model(TEXT, w=weights(4), d=weights(4, seed=1))


def value(made: ir.Model, name: str) -> ir.Value:
    known = {v.name: v for v in (*made.graph.inputs, *made.graph.initializers.values())}
    return (known | {v.name: v for node in made.graph for v in node.outputs})[name]


def test_what_is_constant_for_good() -> None:
    made = source()
    assert {name for name in "xdwkabpqry" if is_constant(value(made, name))} == {"w", "k"}
    assert {name for name in "xdwkabpqry" if is_overridable(value(made, name))} == {"d"}
    assert np.array_equal(constant_array(value(made, "w")), weights(4))
    assert constant_array(value(made, "k")).tolist() == [1, 2, 3, 4]
    assert constant_array(value(made, "d")) is None
    assert constant_array(None) is None
    assert not is_constant(None)


@pytest.mark.parametrize(
    ("array", "expected"), [(np.float32(2), 2.0), (np.array([[3.0]]), 3.0), (np.zeros(2), None), (np.zeros(0), None)]
)
def test_a_scalar(array: np.ndarray, expected: float | None) -> None:
    made = model("g (float[1] x) => (float[1] y) { y = Relu(x) }", k=np.asarray(array))
    assert constant_scalar(made.graph.initializers["k"]) == expected


@pytest.mark.parametrize("form", ["value_float=2.0", "value=float {2.0}", "value_int=2", "value_ints=[2]"])
def test_constant_nodes_in_every_form(form: str) -> None:
    made = model(f"g (float[1] x) => (float[1] y) {{ k = Constant<{form}>() \n y = Identity(x) }}")
    assert constant_scalar(value(made, "k")) == 2.0


def test_asking_leaves_the_caller_s_tensors_alone() -> None:
    made = model("g (float[1] x) => (float[1] y) { k = Constant<value=float[1] {2.0}>() \n y = Add(x, k) }")
    before = ir.serde.serialize_model(made).SerializeToString()
    assert constant_array(value(made.clone(), "k")).tolist() == [2.0]
    assert ir.serde.serialize_model(made).SerializeToString() == before


def test_a_sparse_constant_is_not_read() -> None:
    made = model("g (float[1] x) => (float[1] y) { k = Constant<value_float=1.0>() \n y = Add(x, k) }")
    node = value(made, "k").producer()
    node.attributes.clear()
    node.attributes["sparse_value"] = ir.Attr("sparse_value", ir.AttributeType.SPARSE_TENSOR, None)
    assert constant_array(value(made, "k")) is None


def test_the_only_reader() -> None:
    made = source()
    assert sole_consumer(value(made, "a")).outputs[0].name == "b"
    assert sole_consumer(value(made, "p")) is None, "it is public"
    assert sole_consumer(value(made, "r")) is None, "two bodies read it"
    twice = model("g (float[1] x) => (float[1] y) { a = Relu(x) \n y = Add(a, a) }")
    assert sole_consumer(value(twice, "a")) is None, "one node reads it twice"


def test_an_operator_is_one_of_its_domain() -> None:
    add, theirs = ir.node("Add", [None, None]), ir.node("Add", [None, None], domain="mine")
    assert is_op(add, "Mul", "Add")
    assert not is_op(add, "Mul")
    assert not is_op(theirs, "Add")
    assert not is_op(None, "Add")


def test_names() -> None:
    made = source()
    assert value_names(made.graph) >= set("xdcwkabpqryuvi")
    taken = {"n", "n_1"}
    assert [fresh_name("n", taken), fresh_name("n", taken), fresh_name("m", taken)] == ["n_2", "n_3", "m"]


def test_opset_and_bodies() -> None:
    made = source()
    assert opset_of(made) == 17
    made.graph.opset_imports["ai.onnx"] = made.graph.opset_imports.pop("")
    assert opset_of(made) == 17
    assert {node.outputs[0].name for node in subgraph_nodes(made)} == {"u", "v", "i"}


def test_inserting_behind_a_value_and_rewiring_its_readers() -> None:
    made = model("g (float[4] x) => (float[4] y, float[4] z) { a = Relu(x) \n y = Neg(a) \n z = Abs(a) }")
    a = value(made, "a")
    uses = tuple(a.uses())
    scale = add_initializer(made.graph, "k", np.ones(4, np.float32))
    mul = ir.node("Mul", [a, scale], name="mul")
    mul.outputs[0].name = "scaled"
    insert_after(made.graph, a, (mul,))
    rewire(uses, mul.outputs[0])
    assert graph_text(made) == "a = Relu(x)\nscaled = Mul(a, k)\ny = Neg(scaled)\nz = Abs(scaled)"
    first = ir.node("Neg", [made.graph.inputs[0]], name="first")
    first.outputs[0].name = "f"
    insert_after(made.graph, made.graph.inputs[0], (first,))
    assert graph_text(made).startswith("f = Neg(x)\na = Relu(x)")


def test_the_first_reason_stands() -> None:
    made = source()
    node = value(made, "a").producer()
    assert why_skipped(node) is None
    skip(node, "first")
    skip(node, "second")
    inner = next(subgraph_nodes(made))
    skip(inner, "inside")
    assert why_skipped(node) == "first"
    assert SkipNotes.of(made) == {"a": "first", inner.name: "inside"}


def test_remarks_are_kept_in_order_and_are_no_reasons_to_stay_float() -> None:
    graph = ir.Graph([], [], nodes=[ir.node("Relu", [None], name="r")], name="g")
    node = graph[0]
    remark(node, "first")
    remark(node, "second", "first")
    assert remarks_on(node) == ("first", "second")
    assert remarks_of(ir.Model(graph, ir_version=10)) == {"r": ("first", "second")}
    assert why_skipped(node) is None
