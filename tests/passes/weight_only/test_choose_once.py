"""Many choices of one condition as one choice: the same answers, whichever branch is taken."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from support.decoders import feeds_of, in_blocks, tiny_config, tiny_weights

from edgec.compiler.sources.decoder import build
from edgec.passes.normalize.remove_unused import RemoveUnused
from edgec.passes.weight_only.blocks import BlockForm
from edgec.passes.weight_only.choose_once import ChooseOnce
from edgec.passes.weight_only.long_inputs import LongInputs, keep_few

_TWO = """
<ir_version: 10, opset_import: ["": 21]>
g (float[N] x, bool[] c) => (float[N] y, float[N] z) {
    a = Neg(x)
    b = If (c) <then_branch = one () => (float[N] b1) { b1 = Mul(a, x) },
                else_branch = two () => (float[N] b2) { b2 = Add(a, x) }>
    d = Abs(b)
    y = If (c) <then_branch = three () => (float[N] y1) { y1 = Exp(d) },
                else_branch = four () => (float[N] y2) { e = Neg(d) y2 = Sin(e) }>
    z = Cos(d)
}
"""


def test_both_branches_answer_as_before() -> None:
    config = tiny_config()
    form = BlockForm(bits=4, size=16)
    stored = {name: in_blocks(w, form) if w.ndim == 2 else w for name, w in tiny_weights(config).items()}
    model = build(config, stored)
    assert LongInputs(rows=4)(model).modified
    tokens = [np.random.default_rng(5).integers(0, 61, count) for count in (2, 9)]  # few, many
    before = [_answers(model, feeds_of(config, each)) for each in tokens]
    inputs, outputs = ([value.name for value in values] for values in (model.graph.inputs, model.graph.outputs))
    constants = set(model.graph.initializers)

    assert ChooseOnce()(model).modified

    ops = [node.op_type for node in model.graph]
    assert ops == ["Shape", "ReduceProd", "GreaterOrEqual", "If"]
    for name, op, others in (("then_branch", "MatMulInteger", "MatMulNBits"), ("else_branch", "MatMulNBits", "If")):
        inside = Counter(node.op_type for node in model.graph[3].attributes[name].as_graph())
        assert inside[op] == 7 * config.layers + 1
        assert inside[others] == 0
    assert [value.name for value in model.graph.inputs] == inputs
    assert [value.name for value in model.graph.outputs] == outputs
    assert set(model.graph.initializers) == constants
    for each, answers in zip(tokens, before, strict=True):
        found = _answers(model, feeds_of(config, each))
        assert all(np.array_equal(answers[name], found[name]) for name in answers)
    assert not ChooseOnce()(model).modified


@pytest.mark.parametrize("once", [False, True])
def test_few_rows_alone_are_as_before(once: bool) -> None:
    config = tiny_config()
    form = BlockForm(bits=4, size=16)
    stored = {name: in_blocks(w, form) if w.ndim == 2 else w for name, w in tiny_weights(config).items()}
    model = build(config, stored)
    ops = Counter(node.op_type for node in model.graph)
    feeds = feeds_of(config, np.random.default_rng(5).integers(0, 61, 9))
    before = _answers(model, feeds)
    LongInputs(rows=4)(model)
    if once:
        ChooseOnce()(model)

    assert keep_few(model)

    RemoveUnused()(model)
    assert Counter(node.op_type for node in model.graph) == ops
    found = _answers(model, feeds)
    assert list(found) == list(before)
    assert all(np.array_equal(before[name], found[name]) for name in before)
    assert not keep_few(model)


@pytest.mark.parametrize("chosen", [True, False])
def test_values_between_choices_and_outputs_of_other_nodes(chosen: bool) -> None:
    model = ir.from_onnx_text(_TWO)
    feeds = {"x": np.linspace(-2, 3, 6).astype(np.float32), "c": np.asarray(chosen)}
    before = _answers(model, feeds)

    assert ChooseOnce()(model).modified

    assert [node.op_type for node in model.graph] == ["If"]
    found = _answers(model, feeds)
    assert all(np.array_equal(before[name], found[name]) for name in before)


_NESTED = """d = If (c) <then_branch = f () => (float[N] d1) { d1 = Abs(b) },
    else_branch = h () => (float[N] d2) {
        d2 = If (c) <then_branch = p () => (float[N] p1) { p1 = Neg(b) },
                     else_branch = q () => (float[N] q1) { q1 = Neg(b) }>
    }>"""


_NESTED_THEN = """d = If (c) <else_branch = f () => (float[N] d1) { d1 = Abs(b) },
    then_branch = h () => (float[N] d2) {
        d2 = If (c) <then_branch = p () => (float[N] p1) { p1 = Neg(b) },
                     else_branch = q () => (float[N] q1) { q1 = Neg(b) }>
    }>"""


@pytest.mark.parametrize(
    ("old", "new", "modified"),
    [
        ("y = If (c)", "n = Not(c) y = If (n)", False),
        ("y = If (c)", "m = ReduceMax(d) k = Cast <to = 9> (m) y = If (k)", False),
        ("a = Neg(x)", "w = Not(c) a = Neg(x)", True),
        ("d = Abs(b)", _NESTED, True),
        ("d = Abs(b)", _NESTED_THEN, True),
        ("b1 = Mul(a, x)", "k = Constant <value_float = 2.0> () b1 = Mul(a, k)", True),
    ],
    ids=["two conditions", "a condition that depends on a choice", "a condition others read", "one within another",
         "one within the first of another", "a branch with a constant"],
)  # fmt: skip
def test_what_does_not_choose_alike_stays(old: str, new: str, modified: bool) -> None:
    model = ir.from_onnx_text(_TWO.replace(old, new))
    feeds = {"x": np.linspace(-2, 3, 6).astype(np.float32), "c": np.asarray(True)}
    before = _answers(model, feeds)

    assert ChooseOnce()(model).modified is modified

    found = _answers(model, feeds)
    assert all(np.array_equal(before[name], found[name]) for name in before)


def test_branches_with_constants_of_their_own_stay() -> None:
    model = ir.from_onnx_text(_TWO.replace("b1 = Mul(a, x)", "b1 = Mul(a, k)").replace(
        "then_branch = one () => (float[N] b1) {", "then_branch = one () => (float[N] b1) <float[1] k = {2.0}> {"
    ))  # fmt: skip
    assert model.graph[1].attributes["then_branch"].as_graph().initializers

    assert not ChooseOnce()(model).modified


def test_an_output_that_the_condition_is_made_by_stays() -> None:
    text = _TWO.replace("bool[] c) => (", "float[] s) => (bool[] c, ").replace(
        "a = Neg(x)", "c = Cast <to = 9> (s) a = Neg(x)"
    )

    assert not ChooseOnce()(ir.from_onnx_text(text)).modified


def _answers(model: ir.Model, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    data = ir.to_proto(model).SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds), strict=True))
