"""Compiles with their ends baked in: bytes in, answers out, and the proof against numpy outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image
from support.classifier import CLASSES, classifier, save_npz

import edgec
from edgec.compiler.baking.bake import baking_of
from edgec.compiler.cli.app import run
from edgec.compiler.samples import ImagePreprocess
from edgec.errors import OptionError

NORMALIZED = "uint8,nhwc,mean=0.485,0.456,0.406,std=0.229,0.224,0.225"
WHOLE = "uint8,nhwc,scale=1,mean=128,std=100"


def photos(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3)).astype(np.uint8)


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[..., edgec.Bundle]:
    """Compile the classifier on 12 photos, proved on 6 others."""
    (tmp_path / "model.onnx").write_bytes(classifier().SerializeToString())
    save_npz(tmp_path / "calib.npz", image=photos(12))
    save_npz(tmp_path / "eval.npz", image=photos(6, 1), label=np.arange(6) % CLASSES)

    def call(inputs: str, outputs: str = "", **options: Any) -> edgec.Bundle:
        given: dict[str, Any] = {
            "calibration": tmp_path / "calib.npz", "evaluation": tmp_path / "eval.npz", "search": False,
            "scheme": "a8w8", "output": tmp_path / "out", "overwrite": True,
        }  # fmt: skip
        ends: dict[str, Any] = {"inputs": {"image": inputs}, "outputs": {"logits": outputs} if outputs else {}}
        return edgec.compile(tmp_path / "model.onnx", **given | ends | options)

    return call


def proof_of(bundle: edgec.Bundle) -> Any:
    return json.loads((bundle.proof / "proof.json").read_text(encoding="utf-8"))


def test_a_bundle_eats_bytes_and_is_proved_by_numpy(compiled: Callable[..., edgec.Bundle]) -> None:
    bundle = compiled(NORMALIZED, "softmax,topk=2")
    assert bundle.manifest["inputs"] == [{"name": "image", "dtype": "uint8", "shape": ["N", 8, 8, 3]}]
    names = [each["name"] for each in bundle.manifest["outputs"]]
    assert names == ["logits", "logits_indices"]
    assert bundle.golden()[0][0]["image"].dtype == np.uint8
    found = bundle.run({"image": photos(2, 3)})
    assert found["logits"].shape == (2, 2)
    assert found["logits_indices"].dtype == np.int64
    proof = proof_of(bundle)
    said = [note for note in proof["notes"] if note.startswith("the steps inside")]
    assert len(said) == 1
    assert said[0].endswith("logits_indices exact")
    assert proof["evaluation"]["outputs"]["logits"]["against_float"]["sqnr_db"] > 20
    assert proof["evaluation"]["metric"]["name"] == "top1"


def test_in_float_nothing_is_lost(compiled: Callable[..., edgec.Bundle]) -> None:
    """The bundle is the float model with its ends: against the float model in numpy's hands only rounding is left."""
    bundle = compiled(NORMALIZED, "softmax", scheme="float", calibration=None)
    against = proof_of(bundle)["evaluation"]["outputs"]["logits"]["against_float"]
    assert against["sqnr_db"] > 100


def test_bytes_are_codes_where_mean_and_std_are_one_whole_step(compiled: Callable[..., edgec.Bundle]) -> None:
    bundle = compiled(WHOLE, prove=False)
    graph = onnx.load(bundle.model).graph
    ops = [node.op_type for node in graph.node]
    assert not {"Cast", "Mul", "Add"} & set(ops)
    first = next(node for node in graph.node if "image" in node.input)
    assert first.op_type == "Transpose"
    # One Q per value that is computed: behind the convolution, the pooling and the flattening.
    assert ops.count("QuantizeLinear") == 3


def test_old_samples_are_turned_back(compiled: Callable[..., edgec.Bundle], tmp_path: Path) -> None:
    from_bytes = compiled(NORMALIZED, prove=False)
    old = baking_of(from_bytes.manifest).feeds({"image": photos(12)})
    assert old["image"].dtype == np.float32
    assert old["image"].shape == (12, 3, 8, 8)
    save_npz(tmp_path / "old.npz", **old)
    from_old = compiled(NORMALIZED, prove=False, calibration=tmp_path / "old.npz", output=tmp_path / "old")
    assert from_old.model.read_bytes() == from_bytes.model.read_bytes()
    assert (
        from_old.manifest["samples"]["calibration"]["digest"] == from_bytes.manifest["samples"]["calibration"]["digest"]
    )


def test_image_files_become_bytes(compiled: Callable[..., edgec.Bundle], tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number, photo in enumerate(photos(4)):
        Image.fromarray(photo).save(folder / f"{number}.png")
    trained = ImagePreprocess(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    bundle = compiled(NORMALIZED, prove=False, calibration=folder, preprocess={"image": trained})
    np.testing.assert_array_equal(bundle.golden()[0][0]["image"], photos(4)[:1])
    with pytest.raises(OptionError) as raised:
        compiled(NORMALIZED, prove=False, calibration=folder, preprocess={"image": ImagePreprocess(std=(0.5,))})
    assert str(raised.value) == (
        "inputs.image: has another scale, mean or std than what is baked into the model. "
        'Say them once: with dtype = "uint8" and scale = 1 files become bytes.'
    )


def test_a_proof_later_reads_the_manifest(compiled: Callable[..., edgec.Bundle], tmp_path: Path) -> None:
    bundle = compiled(NORMALIZED, "argmax", prove=False)
    verdict = edgec.prove(bundle, evaluation=tmp_path / "eval.npz", float_model=tmp_path / "model.onnx")
    assert verdict.word == "proved"
    metric = proof_of(bundle)["evaluation"]["metric"]
    assert metric["name"] == "top1"
    assert metric["float_value"] == pytest.approx(metric["value"], abs=0.2)


def test_a_planted_mistake_is_found(compiled: Callable[..., edgec.Bundle], tmp_path: Path) -> None:
    """Numbers of the manifest that are not those of the graph: the proof must say so."""
    bundle = compiled(NORMALIZED, scheme="float", calibration=None, prove=False)
    file = bundle.path / "manifest.json"
    values = json.loads(file.read_text(encoding="utf-8"))
    said = values["additional_metadata"]["edgec"] if "additional_metadata" in values else values
    said["baked"]["inputs"]["image"]["channels"] = "bgr"
    file.write_text(json.dumps(values), encoding="utf-8")
    edgec.prove(edgec.Bundle.open(bundle.path), evaluation=tmp_path / "eval.npz", float_model=tmp_path / "model.onnx")
    against = proof_of(bundle)["evaluation"]["outputs"]["logits"]["against_float"]
    assert against["sqnr_db"] < 30


def test_comparing_bakes_the_other_side_too(compiled: Callable[..., edgec.Bundle], tmp_path: Path) -> None:
    bundle = compiled(NORMALIZED, prove=False)
    found = edgec.compare(tmp_path / "model.onnx", bundle.path, tmp_path / "eval.npz")
    assert found.values[-1].distance.sqnr_db > 15


def test_a_repair_keeps_the_ends(compiled: Callable[..., edgec.Bundle], tmp_path: Path) -> None:
    bundle = compiled(NORMALIZED, "argmax", prove=False)
    words = [
        "diagnose", bundle.path, "--model", tmp_path / "model.onnx", "--calibration", tmp_path / "calib.npz",
        "--evaluation", tmp_path / "eval.npz", "--apply", "-o", tmp_path / "repaired", "-q",
    ]  # fmt: skip
    assert run([str(word) for word in words]) == 0
    repaired = edgec.Bundle.open(tmp_path / "repaired")
    assert repaired.manifest["baked"] == bundle.manifest["baked"]
    assert repaired.manifest["inputs"] == bundle.manifest["inputs"]


def test_flags_and_project_say_the_same(
    compiled: Callable[..., edgec.Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = compiled(NORMALIZED, "softmax", prove=False)
    common = [
        "compile",
        "model.onnx",
        "--calibration",
        "calib.npz",
        "--no-prove",
        "--no-search",
        "--scheme",
        "a8w8",
        "-q",
    ]
    monkeypatch.chdir(tmp_path)
    flags = ["--input", f"image:{NORMALIZED}", "--postprocess", "logits:softmax"]
    assert run([*common, *flags, "-o", "flags"]) == 0
    (tmp_path / "edgec.toml").write_text(
        '[model]\npath = "model.onnx"\n[model.inputs.image]\nmean = [0.485, 0.456, 0.406]\n'
        "std = [0.229, 0.224, 0.225]\n[model.outputs.logits]\nsoftmax = true\n"
    )
    assert run([*common, "-o", "project"]) == 0
    for name in ("flags", "project"):
        assert (tmp_path / name / "model.onnx").read_bytes() == wanted.model.read_bytes(), name


def test_a_plan_knows_the_size_of_its_samples(tmp_path: Path) -> None:
    """Shapes that samples bring are those of bytes; the model's own are what has to be fixed."""
    model = classifier()
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = "size"
    save_npz(tmp_path / "calib.npz", image=photos(4))
    found = edgec.plan(model, calibration=tmp_path / "calib.npz", inputs={"image": NORMALIZED})
    assert found.notes[-1] == "input 'image' takes uint8 nhwc: mean and std are Mul and Add in float"
    assert found.schemes[0].activation_bytes >= 4 * 16 * 8 * 8  # what the convolution writes, in float
