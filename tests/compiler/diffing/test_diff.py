"""`edgec diff` on real bundles: what was changed is what is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from support.classifier import classifier, images, save_npz

import edgec
from edgec.compiler.cli.app import run
from edgec.compiler.diff import BundleDiff, Side, diff
from edgec.compiler.diffing.values import Change
from edgec.compiler.diffing.weights import Weights, compare_weights
from edgec.compiler.report.diffed import diff_markdown
from edgec.errors import BundleError

# What follows from a weight: its source's digest stands in the notice and in the bill of materials.
CHANGED = ["NOTICE.txt", "golden/outputs.npz", "model.onnx", "sbom.cdx.json"]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`a` in a8w8, `b` of weights with one layer moved, `float` of the first model; each proved."""
    folder = tmp_path_factory.mktemp("bundles")
    model = classifier()
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    for tensor in model.graph.initializer:
        if tensor.name == "head.weight":
            moved = onnx.numpy_helper.to_array(tensor) * np.float32(1.1)
            tensor.CopyFrom(onnx.numpy_helper.from_array(moved, tensor.name))
    (folder / "other").mkdir()
    (folder / "other" / "model.onnx").write_bytes(model.SerializeToString())
    save_npz(folder / "calib.npz", image=images(12))
    common = {"calibration": folder / "calib.npz", "search": False}
    edgec.compile(folder / "model.onnx", scheme="a8w8", output=folder / "a", **common)
    edgec.compile(folder / "other" / "model.onnx", scheme="a8w8", output=folder / "b", **common)
    edgec.compile(folder / "model.onnx", scheme="float", output=folder / "float", **common)
    return folder


def test_a_bundle_is_itself(bundles: Path) -> None:
    found = diff(bundles / "a", bundles / "a")
    assert not found.differs
    assert found.weights.changed == ()
    assert found.weights.same > 0
    for part in ("origin", "versions", "files", "recipe", "contract", "verdict", "measured"):
        assert getattr(found, part) == (), part


def test_the_layer_that_moved_is_named(bundles: Path) -> None:
    found = diff(bundles / "a", bundles / "b")
    assert found.differs
    changed = {each.name: each for each in found.weights.changed}
    head = changed["head.weight"]
    assert head.layer == "head"
    assert head.sqnr_db == pytest.approx(20.0, abs=0.5)  # a tenth of it: 20 dB
    assert "conv.weight" not in changed
    assert [each.name for each in found.origin] == ["source.digest"]
    assert [each.name for each in found.files] == CHANGED
    assert any(each.name == "against_float.logits.sqnr_db" for each in found.measured)


def test_schemes_compare_in_real_numbers(bundles: Path) -> None:
    found = diff(bundles / "float", bundles / "a")
    changed = {each.name: each for each in found.weights.changed}
    weight = changed["head.weight"]
    assert (weight.old, weight.new) == ("float [4, 16]", "int8 [4, 16]")
    assert weight.sqnr_db is not None
    assert weight.sqnr_db > 35  # 8 bits with a scale per channel
    assert {"scheme", "options.scheme"} <= {each.name for each in found.origin}
    assert any(each.name == "InsertQdq" and each.old is None for each in found.recipe)


def test_blocks_and_axes_are_read(tmp_path: Path) -> None:
    codes = np.arange(-8, 8, dtype=np.int8).reshape(4, 4)

    def model(file: str, scale: np.ndarray, **how: int) -> Path:
        nodes = [
            onnx.helper.make_node("DequantizeLinear", ["w_quantized", "s"], ["w"], **how),
            onnx.helper.make_node("MatMul", ["x", "w"], ["y"], name="product"),
        ]
        floats = onnx.TensorProto.FLOAT
        graph = onnx.helper.make_graph(
            nodes, "g",
            [onnx.helper.make_tensor_value_info("x", floats, [1, 4])],
            [onnx.helper.make_tensor_value_info("y", floats, [1, 4])],
            [onnx.numpy_helper.from_array(codes, "w_quantized"), onnx.numpy_helper.from_array(scale, "s")],
        )  # fmt: skip
        opset = [onnx.helper.make_opsetid("", 21)]
        path = tmp_path / file
        path.write_bytes(onnx.helper.make_model(graph, ir_version=10, opset_imports=opset).SerializeToString())
        return path

    plain = tmp_path / "plain.onnx"
    scale = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32)
    real = codes * np.repeat(scale, 2, axis=0)
    text = '<ir_version: 10, opset_import: ["": 21]> g (float[1,4] x) => (float[1,4] y) { [product] y = MatMul(x, w) }'
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(real.astype(np.float32), "w"))
    plain.write_bytes(proto.SerializeToString())
    blocks = compare_weights(plain, model("blocks.onnx", scale, axis=0, block_size=2))
    assert [(each.name, each.max_error) for each in blocks.changed] == [("w", 0.0)]
    columns = compare_weights(plain, model("columns.onnx", scale[0], axis=1))
    assert columns.changed[0].max_error == np.abs(real - codes * scale[0]).max()


FLOATS = "(float[1, 2] x) => (float[1, 2] y)"


def written(path: Path, nodes: str, signature: str = FLOATS, **weights: np.ndarray) -> Path:
    proto = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 21]> g {signature} {{ {nodes} }}')
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in weights.items())
    path.write_bytes(proto.SerializeToString())
    return path


def test_codes_that_float_kernels_expand_are_read(tmp_path: Path) -> None:
    codes, steps = np.array([[1, -2], [3, 4]], np.int8), np.array([[0.5], [2.0]], np.float32)
    left = written(tmp_path / "float.onnx", "[product] y = MatMul(x, w)", w=codes * steps)
    expanded = "[cast] c = Cast <to = 1> (w_quantized) [mul] w = Mul(c, w_steps) [product] y = MatMul(x, w)"
    right = written(tmp_path / "expanded.onnx", expanded, w_quantized=codes, w_steps=steps)
    (change,) = compare_weights(left, right).changed
    assert (change.name, change.layer, change.old, change.new) == ("w", "product", "float [2, 2]", "int8 [2, 2]")
    assert (change.max_error, change.peak) == (0.0, 8.0)
    other = written(tmp_path / "other.onnx", expanded, w_quantized=codes, w_steps=2 * steps)
    (change,) = compare_weights(right, other).changed
    assert (change.max_error, change.sqnr_db) == (8.0, pytest.approx(0.0))


@pytest.mark.parametrize("dtype", [np.float16, np.int8])
def test_what_a_cast_alone_expands_is_the_same_weight(tmp_path: Path, dtype: type[np.generic]) -> None:
    numbers = np.array([[1, -2], [3, 4]], np.float32)
    left = written(tmp_path / "float.onnx", "[product] y = MatMul(x, w)", w=numbers)
    name = f"w_{np.dtype(dtype).name}"
    expanded = f"[cast] w = Cast <to = 1> ({name}) [product] y = MatMul(x, w)"
    right = written(tmp_path / "narrow.onnx", expanded, **{name: numbers.astype(dtype)})
    (change,) = compare_weights(left, right).changed
    assert (change.name, change.layer, change.max_error) == ("w", "product", 0.0)


def test_codes_of_an_unknown_scale_are_no_real_numbers(tmp_path: Path) -> None:
    codes = np.array([[1, 2], [3, 4]], np.int8)
    left = written(tmp_path / "float.onnx", "[product] y = MatMul(x, w)", w=codes.astype(np.float32))
    integers, signature = "[product] y = MatMulInteger(x, w_quantized)", "(int8[1, 2] x) => (int32[1, 2] y)"
    right = written(tmp_path / "integer.onnx", integers, signature, w_quantized=codes)
    (change,) = compare_weights(left, right).changed
    assert (change.name, change.sqnr_db, change.max_error, change.peak) == ("w", None, None, None)
    other = written(tmp_path / "other.onnx", integers, signature, w_quantized=codes + np.int8(1))
    (change,) = compare_weights(right, other).changed
    assert (change.max_error, change.peak) == (1.0, 4.0)


def test_a_side_without_proof_is_said(bundles: Path, tmp_path: Path) -> None:
    shutil.copytree(bundles / "a", tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "proof")
    found = diff(bundles / "a", tmp_path / "bare")
    assert found.unproved == (str(tmp_path / "bare"),)
    assert found.verdict == ()
    assert not found.differs


def test_what_is_no_bundle_is_refused(bundles: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError) as raised:
        diff(bundles / "a", tmp_path)
    assert str(raised.value) == (
        f"{tmp_path}: is not a bundle: manifest.json is missing. Give the folder that `edgec compile -o` wrote."
    )
    shutil.copytree(bundles / "a", tmp_path / "broken")
    (tmp_path / "broken" / "proof" / "proof.json").write_text("[]")
    with pytest.raises(BundleError) as raised:
        diff(bundles / "a", tmp_path / "broken")
    assert str(raised.value) == (
        f"{tmp_path}/broken/proof/proof.json: is no JSON object. Prove or compile the bundle again."
    )


def test_a_payload_that_was_altered_is_not_called_the_same(bundles: Path, tmp_path: Path) -> None:
    shutil.copytree(bundles / "a", tmp_path / "altered")
    with (tmp_path / "altered" / "NOTICE.txt").open("a") as file:
        file.write("more")
    with pytest.raises(BundleError) as raised:
        diff(bundles / "a", tmp_path / "altered")
    assert str(raised.value) == (
        f"{tmp_path}/altered/NOTICE.txt: does not have the sha256 of the manifest. Compile the bundle again."
    )


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def call(*words: object) -> tuple[int, str]:
        capsys.readouterr()
        return run(["diff", *map(str, words)]), capsys.readouterr().out

    return call


def test_exit_codes_are_those_of_git(bundles: Path, command: Callable[..., tuple[int, str]]) -> None:
    a, b = bundles / "a", bundles / "b"
    assert command(a, b)[0] == 0
    assert command(a, b, "--exit-code")[0] == 1
    assert command(a, a, "--exit-code")[0] == 0
    assert command(a, bundles)[0] == 2


def test_what_people_and_machines_read(bundles: Path, command: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    a, b, summary = bundles / "a", bundles / "b", tmp_path / "summary.md"
    said = command(a, b, "--markdown", summary, "--top", 1)[1]
    assert "another payload, 1x the size" in said
    assert "head.weight" in said
    text = summary.read_text()
    assert text.startswith("### edgec diff\n\n| | bundle | payload | model |\n|---|---|---|---|\n| old | ")
    assert "| head.weight | head | int8 [4, 16] | int8 [4, 16] | 20.0 dB |" in text
    values = json.loads(command(a, b, "--format", "json")[1])
    assert values["differs"] is True
    assert [each["name"] for each in values["files"]] == CHANGED
    assert json.loads(command(a, a, "--format", "json")[1])["differs"] is False


def test_what_was_measured_stands_in_its_unit() -> None:
    """Values of `proof.json` by the last part of their name; what has no unit as JSON writes it."""
    measured = [
        ("latency.1 threads.p50", 0.00123, 1.5, "1.23 ms", "1.50 s"),
        ("latency.1 threads.p95", None, 2e-5, "–", "20.0 us"),
        ("latency.1 threads.ratio", 0.5, 1, "0.50x", "1.00x"),
        ("size.bundle_bytes", 74093, 252193, "74.1 kB", "252 kB"),
        ("placement.integer_mac_share", 0.9995, 1.0, "99.9%", "100%"),
        ("against_float.y.sqnr_db", 31.22, None, "31.2 dB", "–"),
        ("metric.value", 0.98765432, 1.0, "0.9877", "1"),
        ("place", "onnxruntime-cpu", ["a"], "onnxruntime-cpu", '["a"]'),
    ]
    changed = tuple(Change(name=name, old=old, new=new) for name, old, new, *_ in measured)
    same = Side(name="a", digest="d", size_bytes=1)
    nothing: Any = dict.fromkeys(("origin", "versions", "files", "recipe", "contract", "verdict"), ())
    found = BundleDiff(
        old=same, new=same, measured=changed, weights=Weights(changed=(), same=0), unproved=(), machines=(),
        **nothing,
    )  # fmt: skip
    rows = [line for line in diff_markdown(found, top=None).splitlines() if line.startswith("| ")][4:]
    assert rows == [f"| {name} | {old} | {new} |" for name, _, _, old, new in measured]


def test_nothing_is_changed_by_looking(bundles: Path) -> None:
    before = ir.load(bundles / "a" / "model.onnx")
    diff(bundles / "a", bundles / "b")
    edgec.Bundle.open(bundles / "a").verify()
    assert ir.to_proto(ir.load(bundles / "a" / "model.onnx")) == ir.to_proto(before)
