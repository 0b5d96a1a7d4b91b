"""Gates and what they let through of one product: the same answers, from one matrix."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from support.decoders import feeds_of, in_blocks, tiny_config, tiny_weights

from edgec.compiler.sources.decoder import DecoderConfig, build
from edgec.passes.fuse.pack_gates import PackGates, part_gates
from edgec.passes.normalize.remove_unused import RemoveUnused
from edgec.passes.weight_only.blocks import BlockForm

FOUR = BlockForm(bits=4, size=16)
TOKENS = np.random.default_rng(7).integers(0, 61, 12)


@pytest.mark.parametrize(
    ("form", "changed"),
    [
        (FOUR, {}),
        (BlockForm(bits=8, size=32, symmetric=False), {"mlp_bias": True}),
        (BlockForm(bits=4, size=128, symmetric=False), {}),
    ],
    ids=["symmetric", "zero points and biases", "a block longer than a row"],
)
def test_answers_are_the_same(form: BlockForm, changed: dict[str, object]) -> None:
    config = tiny_config(**changed)
    model = _model(config, form)
    before = _answers(model, config)

    assert PackGates()(model).modified

    ops = Counter(node.op_type for node in model.graph)
    assert ops["MatMulNBits"] == 6 * config.layers + 1
    assert ops["Split"] == config.layers
    after = _answers(model, config)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    name = next(node.name for node in model.graph if "gate_up" in str(node.name))
    assert name == "/model/layers.0/mlp/gate_up_proj/MatMul"
    assert "model.layers.0.mlp.gate_up_proj.weight_quantized" in model.graph.initializers
    assert not PackGates()(model).modified


@pytest.mark.parametrize("form", [FOUR, BlockForm(bits=8, size=32, symmetric=False)], ids=str)
def test_parted_it_is_what_it_was(form: BlockForm) -> None:
    config = tiny_config(mlp_bias=True)
    model = _model(config, form)
    before = _arrays(model)
    answers = _answers(model, config)
    PackGates()(model)
    RemoveUnused()(model)

    assert part_gates(model)

    RemoveUnused()(model)
    after = _arrays(model)
    weights = {name for name in before if ".mlp." in name}
    assert weights <= set(after)
    assert all(np.array_equal(before[name], after[name]) for name in weights)
    names = {node.name for node in model.graph}
    assert {f"/model/layers.0/mlp/{part}_proj/MatMul" for part in ("gate", "up")} <= names
    again = _answers(model, config)
    assert all(np.array_equal(answers[name], again[name]) for name in answers)
    assert not part_gates(model)


@pytest.mark.parametrize(
    ("gate", "packed"),
    [
        ("Relu(g)", True),
        ("Gelu(g)", True),
        ("Abs(g)", False),  # no activation
        ("Relu(u)", False),  # of what it lets through
    ],
    ids=str,
)
def test_activations(gate: str, packed: bool) -> None:
    assert PackGates()(_gated(gate)).modified is packed


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"bits": 8}, "bits"),
        ({"size": 32}, "blocks"),
        ({"rows": 16}, "rows"),
        ({"x": "other"}, "inputs"),
        ({"seen": True}, "an output of the graph"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_products_that_differ_stay(changed: dict[str, object], reason: str) -> None:
    del reason
    assert not PackGates()(_gated("Relu(g)", **changed)).modified


def _gated(gate: str, *, bits: int = 4, size: int = 16, rows: int = 32, x: str = "x", seen: bool = False) -> ir.Model:
    """act(x Gᵀ) * (x Uᵀ), its two products alike but for what is said of the second."""
    model = ir.from_onnx_text(
        f"""
        <ir_version: 10, opset_import: ["": 21, "com.microsoft": 1]>
        gated (float[2,32] x, float[2,32] other) => (float[2,N] y) {{
            g = com.microsoft.MatMulNBits <K = 32, N = 32, bits = 4, block_size = 16, accuracy_level = 4> (x, gw, gs)
            u = com.microsoft.MatMulNBits <K = 32, N = {rows}, bits = {bits}, block_size = {size}, accuracy_level = 4>
                ({x}, uw, us)
            a = {gate}
            y = Mul(a, u)
        }}
        """
    )
    for name, (n, width, each) in {"g": (32, 4, 16), "u": (rows, bits, size)}.items():
        arrays = {
            "w": np.zeros((n, 32 // each, each * width // 8), np.uint8),
            "s": np.ones((n, 32 // each), np.float32),
        }
        for letter, array in arrays.items():
            value = next(v for node in model.graph for v in node.inputs if v is not None and v.name == name + letter)
            value.const_value, value.type = (
                ir.tensor(array, name=value.name),
                ir.TensorType(ir.DataType.from_numpy(array.dtype)),
            )
            value.shape = ir.Shape(array.shape)
            model.graph.register_initializer(value)
    if seen:
        model.graph.outputs.append(model.graph[0].outputs[0])
    return model


def _model(config: DecoderConfig, form: BlockForm) -> ir.Model:
    weights = tiny_weights(config)
    stored = {name: in_blocks(each, form) if each.ndim == 2 else each for name, each in weights.items()}
    return build(config, stored)


def _arrays(model: ir.Model) -> dict[str, np.ndarray]:
    return {name: value.const_value.numpy() for name, value in model.graph.initializers.items() if value.const_value}


def _answers(model: ir.Model, config: DecoderConfig) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds_of(config, TOKENS)), strict=True))
