"""Distillation whole: a tiny decoder and a tiny net, from float to a bundle that carries what was learned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
from support.decoders import tiny_config, tiny_weights

import edgec
from edgec.compiler.cli.app import run
from edgec.compiler.distill import Teaching
from edgec.compiler.sources.decoder import build
from edgec.compiler.training.distilling.language import language_of
from edgec.errors import ModelError, OptionError, OutputError, SamplesError
from edgec.passes.weight_only.blocks import codes_in

torch = pytest.importorskip("torch", reason="needs edgec[torch]")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

FORM: Mapping[str, Any] = {"scheme": "w2", "block_size": 16, "target": "x86-64-vnni"}
SHORT: Mapping[str, Any] = {"steps": 40, "batch": 8, "texts": 48, "length": 12, "rate": 3e-3, "threads": 1}


def decoder(seed: int = 0) -> ir.Model:
    config = tiny_config()
    return build(config, tiny_weights(config, seed))


def answers(model: Any, ids: np.ndarray) -> np.ndarray:
    """Logits of whole texts."""
    language = language_of(model if isinstance(model, ir.Model) else ir.load(model))
    assert language is not None
    source = ir.to_proto(model).SerializeToString() if isinstance(model, ir.Model) else str(model)
    session = ort.InferenceSession(source, providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run([language.logits], language.feeds(ids))[0]
    return found


def noise(made: np.ndarray, exact: np.ndarray) -> float:
    return float(((made - exact) ** 2).mean() / (exact**2).mean())


def compiled(model: Any, folder: Path, **options: Any) -> Any:
    return edgec.compile(model, output=folder, prove=False, search=False, weight_form="packed", **{**FORM, **options})


@pytest.fixture(scope="module")
def student() -> ir.Model:
    made: ir.Model = edgec.distill(decoder(), **FORM, **SHORT)
    return made


def test_a_student_is_nearer_to_its_teacher_than_the_nearest(student: ir.Model, tmp_path: Path) -> None:
    ids = np.random.default_rng(9).integers(0, 61, (16, 12))
    exact = answers(decoder(), ids)
    nearest = noise(answers(compiled(decoder(), tmp_path / "nearest").model, ids), exact)
    distilled = noise(answers(compiled(student, tmp_path / "distilled").model, ids), exact)
    assert distilled < 0.7 * nearest


def test_the_bundle_carries_what_was_trained_bit_for_bit(student: ir.Model, tmp_path: Path) -> None:
    """Products that read the same are packed into one: rows are looked for, not matrices."""
    model = ir.load(compiled(student, tmp_path / "bundle").model)
    trained = set[bytes]()
    for value in student.graph.initializers.values():
        if value.const_value is not None and len(value.const_value.shape) == 2:
            matrix = value.const_value.numpy()
            # Queries may carry the factor of their attention, 16 ** -0.5, in their scales.
            both = (*matrix, *matrix.T, *(matrix.T / 4))
            trained.update((each + np.float32(0)).tobytes() for each in both)
    products = [node for node in model.graph if node.op_type == "MatMulNBits"]
    for node in products:
        packed, scale = (model.graph.initializers[str(node.inputs[k].name)].const_value.numpy() for k in (1, 2))
        rows, columns, size = (node.attributes.get_int(each) for each in ("N", "K", "block_size"))
        bits = node.attributes.get_int("bits")  # wider than asked for, where that is what the kernels are fast in
        codes = codes_in(packed, bits).reshape(rows, -1)[:, :columns]
        stored = (codes.astype(np.float32) - (1 << bits - 1)) * np.repeat(scale.reshape(rows, -1), size, 1)[:, :columns]
        assert {(each + np.float32(0)).tobytes() for each in stored} <= trained
    assert sum(node.attributes.get_int("N") for node in products) == 2 * (96 + 32 + 32 + 48 + 80 + 80 + 48) + 61


def test_a_written_student_is_compiled_alike(student: ir.Model, tmp_path: Path) -> None:
    ir.save(student, tmp_path / "student.onnx")
    first = compiled(student, tmp_path / "memory").model.read_bytes()
    assert compiled(tmp_path / "student.onnx", tmp_path / "file").model.read_bytes() == first


def test_the_same_seed_teaches_the_same(student: ir.Model) -> None:
    again = edgec.distill(decoder(), **FORM, **SHORT)
    for name, value in student.graph.initializers.items():
        np.testing.assert_array_equal(again.graph.initializers[name].const_value.numpy(), value.const_value.numpy())


def test_activations_and_caches_are_learned_with(tmp_path: Path) -> None:
    checkpoint = tmp_path / "state.pt"
    short = {**SHORT, "steps": 3, "texts": 4}
    made = edgec.distill(decoder(), **FORM, **short, activations=8, cache=4, checkpoint=checkpoint)
    assert checkpoint.is_file()
    other = edgec.distill(decoder(), **FORM, **short)
    name = "model.layers.0.mlp.down_proj.weight"
    assert (
        made.graph.initializers[name].const_value.numpy() != other.graph.initializers[name].const_value.numpy()
    ).any()
    with pytest.raises(OptionError, match="is of a distillation of another model, or with other options"):
        edgec.distill(decoder(), **FORM, **short, activations=8, cache=8, checkpoint=checkpoint)


def net() -> ir.Model:
    """Two products around a Relu, wide enough for blocks."""
    rng = np.random.default_rng(1)
    x = ir.Value(name="x", shape=ir.Shape(["n", 64]), type=ir.TensorType(ir.DataType.FLOAT))
    weights = [
        ir.Value(
            name=f"{name}.weight",
            shape=ir.Shape([64, 64]),
            type=ir.TensorType(ir.DataType.FLOAT),
            const_value=ir.Tensor(rng.standard_normal((64, 64)).astype(np.float32) / 8),
        )
        for name in ("first", "second")
    ]
    nodes = [ir.node("MatMul", [x, weights[0]], name="/first/MatMul")]
    nodes[0].outputs[0].name = "hidden"
    nodes.append(ir.node("Relu", [nodes[0].outputs[0]], name="/Relu"))
    nodes[1].outputs[0].name = "/Relu_output_0"
    nodes.append(ir.node("MatMul", [nodes[1].outputs[0], weights[1]], name="/second/MatMul"))
    y = nodes[2].outputs[0]
    y.name, y.type, y.shape = "y", ir.TensorType(ir.DataType.FLOAT), ir.Shape(["n", 64])
    graph = ir.Graph([x], [y], nodes=nodes, initializers=weights, opset_imports={"": 20}, name="net")
    return ir.Model(graph, ir_version=10)


def feeds(count: int, seed: int) -> list[dict[str, np.ndarray]]:
    rng, mixed = np.random.default_rng(seed), np.random.default_rng(0).standard_normal((8, 64))
    return [{"x": (rng.standard_normal((1, 8)) @ mixed).astype(np.float32)} for _ in range(count)]


@pytest.mark.parametrize(
    "how",
    [{}, {"features": ["/Relu_output_0"]}, {"logits": ["y"]}, {"blocks": ["/Relu_output_0"]}],
    ids=["outputs", "features", "logits", "blocks"],
)
def test_any_model_learns_on_samples(how: dict[str, Any]) -> None:
    """At 2 bits, on inputs of eight dimensions among 64."""
    x = np.concatenate([each["x"] for each in feeds(64, 5)])
    form = {"scheme": "w2", "block_size": 64, "target": "x86-64-vnni"}

    def run_float(model: ir.Model) -> np.ndarray:
        found: np.ndarray = ort.InferenceSession(ir.to_proto(model).SerializeToString()).run(None, {"x": x})[0]
        return found

    exact = run_float(net())
    start = edgec.distill(net(), samples=feeds(32, 1), steps=1, rate=0.0, scale_rate=0.0, threads=1, **form)
    taught = edgec.distill(net(), samples=feeds(64, 1), steps=150, rate=3e-3, threads=1, **form, **how)
    centred = (lambda y: y - y.mean(1, keepdims=True)) if "logits" in how else (lambda y: y)
    assert noise(centred(run_float(taught)), centred(exact)) < 0.5 * noise(centred(run_float(start)), centred(exact))


def test_what_was_pruned_stays_so() -> None:
    model = net()
    value = model.graph.initializers["first.weight"]
    pruned = value.const_value.numpy().copy()
    pruned[np.arange(64) % 4 >= 2] = 0  # 2:4 along K
    value.const_value = ir.Tensor(pruned, name=value.name)
    form = {"scheme": "w4", "block_size": 32, "target": "x86-64-vnni"}
    made = edgec.distill(model, samples=feeds(16, 1), steps=20, rate=3e-2, threads=1, **form)
    taught = {name: each.const_value.numpy() for name, each in made.graph.initializers.items()}
    assert (taught["first.weight"][pruned == 0] == 0).all()
    assert (taught["first.weight"] != pruned).mean() > 0.3
    assert (taught["second.weight"] == 0).mean() < 0.2


def test_what_was_learned_for_integers_is_forgotten_in_blocks(tmp_path: Path) -> None:
    """The params of another training are not of the weights that are learned here."""
    source = edgec.qat.to_model(edgec.qat.prepare(net(), target="x86-64-vnni", scheme="a8w8", calibration=feeds(8, 1)))
    made = edgec.distill(source, samples=feeds(8, 1), steps=1, threads=1, **FORM)
    assert "edgec.learned" in source.metadata_props
    assert "edgec.learned" not in made.metadata_props
    assert compiled(made, tmp_path / "out").manifest["scheme"] == "w2"


def test_integers_are_learned_and_carried(tmp_path: Path) -> None:
    """At 4 bits of both, nearer to float than what is rounded without learning."""
    x = np.concatenate([each["x"] for each in feeds(64, 5)])
    form = {"scheme": "a4w4", "target": "x86-64-vnni"}

    def answer(source: Any) -> np.ndarray:
        found: np.ndarray = ort.InferenceSession(source).run(None, {"x": x})[0]
        return found

    def shipped(model: ir.Model, name: str, **options: Any) -> np.ndarray:
        bundle = edgec.compile(model, output=tmp_path / name, prove=False, search=False, **options)
        return answer(str(bundle.model))

    exact = answer(ir.to_proto(net()).SerializeToString())
    rounded = shipped(net(), "rounded", calibration=feeds(64, 1), **form)
    taught = edgec.distill(net(), samples=feeds(64, 1), steps=150, rate=3e-3, threads=1, **form)
    learned = shipped(taught, "learned", target="x86-64-vnni")
    assert noise(learned, exact) < 0.7 * noise(rounded, exact)


def test_what_cannot_be_learned_is_refused() -> None:
    with pytest.raises(ModelError) as silent:
        edgec.distill(net())
    assert str(silent.value) == (
        "<onnx_ir.Model>: is no language model that could write its own texts. Give samples to learn from."
    )
    with pytest.raises(OptionError) as scheme:
        edgec.distill(net(), scheme="fp16")
    assert str(scheme.value) == (
        "scheme 'fp16': has nothing that is learned. Choose one of w8, w4, w3, w2, a8w8, a8w4, a16w8, a16w4, "
        "a6w6, a5w5, a4w8, a4w4, a3w3, a2w2."
    )
    with pytest.raises(OptionError) as twice:
        edgec.distill(net(), samples=feeds(2, 0), rotate=True)
    assert str(twice.value) == (
        "option 'rotate': would be done again when the student is compiled, which undoes what it learned. "
        "Leave it out; what is learned takes its place."
    )
    with pytest.raises(OptionError) as pruned:
        edgec.distill(net(), samples=feeds(2, 0), sparsity="2:4")
    assert str(pruned.value) == (
        "option 'sparsity': leaves parts of a model out, which comes before training. "
        "Compile with it under scheme float, and train the model of that bundle."
    )
    with pytest.raises(OptionError) as target:
        edgec.distill(net(), samples=feeds(2, 0), scheme="w8", target="web-webgpu")
    assert str(target.value) == (
        "scheme 'w8': stores no blocks of weights on this target. Choose w4, or another target."
    )
    with pytest.raises(OptionError) as cache:
        edgec.distill(net(), scheme="a8w8", samples=feeds(2, 0), cache=8)
    assert str(cache.value) == (
        "option 'cache': is for weights stored alone, and scheme a8w8 says how activations are computed. "
        "Leave it out, or choose one of w8, w4, w3, w2."
    )
    with pytest.raises(OptionError) as option:
        edgec.distill(net(), evaluation=[])
    assert str(option.value) == (
        "option 'evaluation': is not one of edgec.distill. "
        "Give what concerns the bundle (evaluation, contract, output) to edgec.compile."
    )
    with pytest.raises(OptionError) as feature:
        edgec.distill(net(), samples=feeds(2, 0), features=["nothing"])
    assert str(feature.value) == (
        "features 'nothing': is not a value of both the float graph and the student's. "
        "Name values that `edgec inspect` lists; some are fused away for the target."
    )
    with pytest.raises(OptionError, match=r"^blocks 'nothing': is not a value of both"):
        edgec.distill(net(), samples=feeds(2, 0), blocks=["nothing"])
    with pytest.raises(OptionError) as logits:
        edgec.distill(net(), samples=feeds(2, 0), logits=["hidden"])
    assert str(logits.value) == "logits 'hidden': is not an output that is compared. Name one of y."
    with pytest.raises(SamplesError):
        edgec.distill(net(), samples=[])


def test_a_checkpoint_without_a_folder_is_refused_before_anything_is_learned(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as error:
        edgec.distill(net(), samples=[], checkpoint=tmp_path / "none" / "state.pt")
    assert str(error.value) == (
        f"{tmp_path / 'none' / 'state.pt'}: has no folder {tmp_path / 'none'}. Make it, or name another file."
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": 0}, "steps: 0 is below 1. Give at least 1."),
        ({"length": 1}, "length: 1 is below 2. Give at least 2."),
        ({"batch": 1.5}, "batch: 1.5 is no whole number. Give one from 1."),
        ({"rate": -1.0}, "rate: -1.0 is no rate. Give a number from 0."),
        ({"cache": 1}, "cache: 1 is no number of bits. Give one from 2 to 16."),
    ],
)
def test_numbers_out_of_range_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as error:
        Teaching(**given)
    assert str(error.value) == message


def test_the_command_line_writes_a_student(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, file = tmp_path / "model.onnx", tmp_path / "taught.onnx"
    ir.save(decoder(), source)
    command = ["distill", str(source), "-o", str(file), "--block-size", "16", "--steps", "2", "--texts", "4"]
    command += ["--length", "6", "--batch", "2", "--format", "json"]
    assert run(command) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["file"] == str(file)
    assert said["texts"] == 4
    assert len(said["losses"]) == 2
    assert ir.load(file).graph.outputs[0].name == "logits"
    assert run(command) == 2
    assert capsys.readouterr().err.strip().endswith("exists. Give --overwrite to replace it, or another -o.")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["model.onnx", "taught.onnx"]
