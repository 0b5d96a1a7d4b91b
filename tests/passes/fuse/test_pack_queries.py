"""Queries, keys and values of one product: the same answers, from one matrix."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from support.decoders import feeds_of, in_blocks, tiny_config, tiny_weights

from edgec.compiler.sources.decoder import DecoderConfig, build
from edgec.passes.fuse.pack_queries import PackQueries, part_queries
from edgec.passes.normalize.remove_unused import RemoveUnused
from edgec.passes.weight_only.blocks import BlockForm

FOUR = BlockForm(bits=4, size=16)
TOKENS = np.random.default_rng(7).integers(0, 61, 12)


@pytest.mark.parametrize(
    ("form", "changed"),
    [
        (FOUR, {}),
        (BlockForm(bits=8, size=32, symmetric=False), {"qkv_bias": True}),
        (BlockForm(bits=4, size=128, symmetric=False), {"kv_heads": 6}),
    ],
    ids=["symmetric", "zero points and biases", "as many keys as queries"],
)
def test_answers_are_the_same(form: BlockForm, changed: dict[str, object]) -> None:
    config = tiny_config(**changed)
    model = _model(config, form)
    before = _answers(model, config)

    assert PackQueries()(model).modified

    ops = Counter(node.op_type for node in model.graph)
    assert ops["MatMulNBits"] == 5 * config.layers + 1
    after = _answers(model, config)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert _factors(model) == {1.0}
    (name,) = (node.name for node in model.graph if "qkv" in str(node.name) and "layers.0" in str(node.name))
    assert name == "/model/layers.0/self_attn/qkv_proj/MatMul"
    assert "model.layers.0.self_attn.qkv_proj.weight_quantized" in model.graph.initializers
    assert not PackQueries()(model).modified


@pytest.mark.parametrize("form", [FOUR, BlockForm(bits=8, size=32, symmetric=False)], ids=str)
def test_taken_apart_it_is_what_it_was(form: BlockForm) -> None:
    config = tiny_config(qkv_bias=True)
    model = _model(config, form)
    before = {name: value.const_value.numpy() for name, value in model.graph.initializers.items() if value.const_value}
    answers = _answers(model, config)
    PackQueries()(model)
    RemoveUnused()(model)

    assert part_queries(model)

    RemoveUnused()(model)
    assert _factors(model) == {0.25}
    after = {name: value.const_value.numpy() for name, value in model.graph.initializers.items() if value.const_value}
    weights = {name for name in before if "_proj.weight" in name}
    assert weights <= set(after)
    assert all(np.array_equal(before[name], after[name]) for name in weights)
    assert [node.name for node in model.graph if node.op_type == "MatMulNBits"][:3] == [
        f"/model/layers.0/self_attn/{letter}_proj/MatMul" for letter in "qkv"
    ]
    again = _answers(model, config)
    assert all(np.array_equal(answers[name], again[name]) for name in answers)
    assert not part_queries(model)


def test_a_factor_that_is_no_power_of_two_stays() -> None:
    config = tiny_config(head_size=32, heads=3, kv_heads=1)
    model = _model(config, FOUR)
    before = _answers(model, config)

    assert PackQueries()(model).modified

    assert list(_factors(model)) == pytest.approx([32**-0.5])
    after = _answers(model, config)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_scales_of_float16_stay_so() -> None:
    model = _model(tiny_config(layers=1), FOUR)
    for node in model.graph:
        if node.op_type == "MatMulNBits" and "_proj" in str(node.name):
            scale = node.inputs[2]
            assert scale is not None
            assert scale.const_value is not None
            scale.const_value = ir.tensor(scale.const_value.numpy().astype(np.float16), name=scale.name)
            scale.dtype = ir.DataType.FLOAT16
    (query,) = (node for node in model.graph if str(node.name).endswith("q_proj/MatMul"))
    assert query.inputs[2] is not None
    before = query.inputs[2].const_value
    assert before is not None

    assert PackQueries()(model).modified

    (packed,) = (node for node in model.graph if "qkv" in str(node.name))
    assert packed.inputs[2] is not None
    after = packed.inputs[2].const_value
    assert after is not None
    assert after.numpy().dtype == np.float16
    assert np.array_equal(after.numpy()[: len(before.numpy())], before.numpy() / 4)


def test_scales_in_one_row_are_taken_apart_by_output() -> None:
    config = tiny_config(layers=1)
    model = _model(config, BlockForm(bits=4, size=16, symmetric=False))
    answers = _answers(model, config)
    PackQueries()(model)
    (packed,) = (node for node in model.graph if "qkv" in str(node.name))
    for index in (2, 3):
        value = packed.inputs[index]
        assert value is not None
        assert value.const_value is not None
        value.const_value = ir.tensor(value.const_value.numpy().reshape(-1), name=value.name)
        value.shape = value.const_value.shape

    assert part_queries(model)

    assert all(np.array_equal(each, answers[name]) for name, each in _answers(model, config).items())


@pytest.mark.parametrize(
    "changed",
    [
        {"architecture": "qwen3", "qk_norm": True},  # heads are normalized between
        {"head_size": 8},  # and turned between
    ],
)
def test_what_is_changed_between_stays(changed: dict[str, object]) -> None:
    assert not PackQueries()(_model(tiny_config(**changed), FOUR)).modified


def test_products_of_other_forms_stay() -> None:
    config = tiny_config(layers=1)
    weights = tiny_weights(config)
    key = "model.layers.0.self_attn.k_proj.weight"
    query = "model.layers.0.self_attn.q_proj.weight"
    value = "model.layers.0.self_attn.v_proj.weight"
    mixed = {query: in_blocks(weights[query], FOUR), value: in_blocks(weights[value], FOUR)}

    assert not PackQueries()(build(config, weights | mixed)).modified  # keys are float
    for other in (BlockForm(bits=8, size=16), BlockForm(bits=4, size=32), BlockForm(bits=4, size=16, symmetric=False)):
        assert not PackQueries()(build(config, weights | mixed | {key: in_blocks(weights[key], other)})).modified


def test_products_that_others_read_stay() -> None:
    config = tiny_config(layers=1)
    model = _model(config, FOUR)
    (attention,) = (node for node in model.graph if node.op_type == "GroupQueryAttention")
    reader = ir.node("Relu", [attention.inputs[2]], name="reader")
    reader.outputs[0].name = "seen"
    model.graph.append(reader)

    assert not PackQueries()(model).modified


def _model(config: DecoderConfig, form: BlockForm) -> ir.Model:
    weights = tiny_weights(config)
    stored = {name: in_blocks(each, form) if each.ndim == 2 else each for name, each in weights.items()}
    return build(config, stored)


def _factors(model: ir.Model) -> set[float]:
    return {node.attributes.get_float("scale", 0.0) for node in model.graph if node.op_type == "GroupQueryAttention"}


def _answers(model: ir.Model, config: DecoderConfig) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds_of(config, TOKENS)), strict=True))
