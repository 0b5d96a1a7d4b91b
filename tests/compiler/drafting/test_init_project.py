"""The project file made of a model: read by our own reader, as it stands and with every comment in force."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.classifier import classifier, images

from edgec.compiler.build_project import build_projects
from edgec.compiler.clauses import CLAUSE_KINDS
from edgec.compiler.drafting.lines import entry, table
from edgec.compiler.init_project import init_project
from edgec.compiler.project import Project
from edgec.errors import ModelError, OutputError, SamplesError, TargetError
from edgec.targets import ALIASES, target_names
from edgec.targets.strict import read_toml

Save = Callable[[str], Path]
# Lines that say a key or a table, and are not prose.
_COMMENTED = re.compile(r'^# ((?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)+") = .*|\[[^\]]+\].*)$', re.MULTILINE)


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(graph: str) -> Path:
        path = tmp_path / "net.onnx"
        onnx.save(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> {graph}'), path)
        return path

    return write


def in_force(file: Path) -> Project:
    """The project with every commented key taken in."""
    full = file.with_name("full.toml")
    full.write_text(_COMMENTED.sub(r"\1", file.read_text(encoding="utf-8")), encoding="utf-8")
    return Project.load(full)


def test_a_classifier(tmp_path: Path) -> None:
    onnx.save(classifier(), tmp_path / "model.onnx")
    (tmp_path / "calibration.npz").touch()
    begun = init_project(tmp_path / "model.onnx", tmp_path / "edgec.toml")
    assert begun.missing == ("evaluation.npz",)
    assert begun.guesses == ("logits scores 4 classes", "image: the free first axis is the batch")
    project = Project.load(begun.file)
    assert project.model is not None
    assert Path(project.model.path) == tmp_path / "model.onnx"
    assert list(project.targets) == ["host"]
    assert project.contract.to_json() == {"accuracy_drop": "1pt", "latency_ratio": "1.1x", "proof": "checked"}
    full = in_force(begun.file)
    assert full.model is not None
    assert (full.model.name, full.model.license) == (tmp_path.name, "Apache-2.0")
    assert full.metric is not None
    assert (full.metric.name, full.metric.output) == ("top1", "logits")
    assert full.compile.shapes == {"image": (1, 3, 8, 8)}


@pytest.mark.parametrize("empty", [False, True])
def test_what_samples_and_targets_need_is_in_force(save: Save, tmp_path: Path, *, empty: bool) -> None:
    model = save("g (float[N, 1, 32, 32] image) => (float[N, 1, 32, 32] y) { y = Relu(image) }")
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "labels.csv").touch()
    if not empty:
        (photos / "one.JPG").touch()
    app = tmp_path / "app"
    app.mkdir()
    begun = init_project(model, app / "edgec.toml", samples=photos, targets=["iphone-15", "host"])
    assert begun.missing == ()
    project = Project.load(begun.file)
    assert list(project.targets) == ["iphone-15", "host"]
    assert project.compile.shapes == {"image": (1, 1, 32, 32)}
    assert project.calibration is not None
    assert project.calibration.path == str(app / "../photos")
    assert project.evaluation is None
    assert list(project.inputs) == ([] if empty else ["image"])
    full = in_force(begun.file)
    assert set(full.targets) == set(target_names()) - set(ALIASES)
    assert full.evaluation is not None


@pytest.mark.parametrize(
    ("labels", "clause"),
    [("", "sqnr"), ("inside", "accuracy_drop"), ("beside", "accuracy_drop"), ("array", "accuracy_drop")],
)
def test_without_labels_outputs_are_compared_with_those_of_float(tmp_path: Path, labels: str, clause: str) -> None:
    onnx.save(classifier(), tmp_path / "model.onnx")
    folder = tmp_path / "photos"
    folder.mkdir()
    np.savez(folder / "one.npz", image=images(1)[0], **({"label": np.array(1)} if labels == "array" else {}))
    if labels in ("inside", "beside"):
        (folder / "labels.csv" if labels == "inside" else tmp_path / "labels.csv").write_text("file,label\none.npz,1\n")
    for samples in (folder, folder / "one.npz") if labels in ("", "array") else (folder,):
        begun = init_project(tmp_path / "model.onnx", tmp_path / "edgec.toml", samples=samples, force=True)
        assert next(iter(Project.load(begun.file).contract.to_json())) == clause


def test_half_floats_are_half_the_size_and_more(digits: Path, tmp_path: Path) -> None:
    limits = []
    for target in ("host", "iphone-15"):
        file = init_project(digits / "digits.onnx", tmp_path / f"{target}.toml", targets=[target]).file
        limits.append(Project.load(file).contract.to_json()["size_ratio"])
    assert limits == ["0.5x", "0.6x"]


def test_a_target_of_the_user(save: Save, tmp_path: Path) -> None:
    (tmp_path / "kiosk.toml").write_text('name = "kiosk"\nbase = "raspberry-pi-5"\n', encoding="utf-8")
    model = save("g (float[1, 4] x) => (float[1, 4] y) { y = Relu(x) }")
    project = Project.load(init_project(model, tmp_path / "edgec.toml", targets=[str(tmp_path / "kiosk.toml")]).file)
    assert list(project.targets) == ["kiosk"]
    assert project.for_target("kiosk").compile.target == str(tmp_path / "kiosk.toml")


def test_samples_and_targets_that_are_not_there(save: Save, tmp_path: Path) -> None:
    model = save("g (float[1, 4] x) => (float[1, 4] y) { y = Relu(x) }")
    (tmp_path / "photos").mkdir()
    with pytest.raises(SamplesError) as raised:
        init_project(model, tmp_path / "edgec.toml", samples=tmp_path / "fotos")
    assert str(raised.value) == (
        f"{tmp_path}/fotos: does not exist, did you mean 'photos'? Name an .npz, a .parquet, or a folder of .npy, "
        ".npz or image files."
    )
    with pytest.raises(TargetError):
        init_project(model, tmp_path / "edgec.toml", targets=["hosts"])
    assert not (tmp_path / "edgec.toml").exists()


def test_every_key_and_every_target_is_offered(save: Save, tmp_path: Path) -> None:
    file = init_project(save("g (float[1, 3, 32, 32] image) => (float[1, 3, 32, 32] y) { y = Relu(image) }"),
                        tmp_path / "edgec.toml").file  # fmt: skip
    full = in_force(file)
    assert {clause.id for clause in full.contract.clauses} == {kind.id for kind in CLAUSE_KINDS.values() if kind.flag}
    assert full.contract.proof == "executed"
    assert set(full.targets) == set(target_names()) - set(ALIASES)
    assert set(read_toml(file.with_name("full.toml"))) == {
        "model", "inputs", "calibration", "evaluation", "metric", "contract", "compile", "targets",
    }  # fmt: skip
    image = full.inputs["image"]
    assert (image.resize, image.layout, image.channels, len(image.mean)) == ((32, 32), "nchw", "rgb", 3)


@pytest.mark.parametrize(
    ("shape", "sides", "macs"),
    [
        ("N, 3, H, W", "any size", ""),
        ("1, 3, 64, W", "64 x any", ""),
        ("N, 3, 64, 32", "64 x 32", "24.6 k MACs, "),  # 64 * 32 * 4 * 3, of one sample
    ],
)
def test_what_is_said_of_free_sizes(save: Save, tmp_path: Path, shape: str, sides: str, macs: str) -> None:
    out = shape.replace("3", "4", 1)
    graph = f"g (float[{shape}] x, float[4, 3, 1, 1] w) => (float[{out}] y) {{ y = Conv(x, w) }}"
    begun = init_project(save(graph), tmp_path / "edgec.toml")
    assert begun.guesses[0] == f"x is an RGB image of {sides}, NCHW"
    assert f" parameters, {macs}" in begun.file.read_text(encoding="utf-8")


def test_state_and_many_inputs(save: Save, tmp_path: Path) -> None:
    graph = """g (float[1, 4] x, int64[N, T] ids, float[1, P] past_k, float[1, 4] h_in)
        => (float[1, 4] y, float[1, P1] present_k, float[1, 4] h_out, int64[N, T] z) {
        y = Add(x, h_in)
        present_k = Concat<axis = 1>(past_k, x)
        h_out = Identity(y)
        z = Identity(ids)
    }"""
    full = in_force(init_project(save(graph), tmp_path / "edgec.toml").file)
    assert dict(full.state.carried) == {"past_k": "present_k", "h_in": "h_out"}
    assert {name: array.shape for name, array in full.state.start.items()} == {"past_k": (1, 0)}
    assert full.compile.shapes == {"ids": (1, 128)}
    assert full.inputs == {}


def test_a_model_that_is_quantized_already(save: Save, tmp_path: Path) -> None:
    graph = """g (float[1, 4] x) => (float[1, 4] y)
        <float s = {0.1}, uint8 z = {128}> {
        q = QuantizeLinear(x, s, z)
        y = DequantizeLinear(q, s, z)
    }"""
    project = Project.load(init_project(save(graph), tmp_path / "edgec.toml").file)
    assert project.compile.policy == {"scheme": "float"}
    assert project.contract.clauses == ()


def test_the_build_says_what_is_still_to_bring(tmp_path: Path) -> None:
    onnx.save(classifier(), tmp_path / "model.onnx")
    file = init_project(tmp_path / "model.onnx", tmp_path / "edgec.toml").file
    (outcome,) = build_projects([file], tmp_path / "build")
    assert (outcome.exit_code, outcome.error) == (
        2,
        f"edgec.toml: calibration.path, evaluation.path: {tmp_path}/calibration.npz and {tmp_path}/evaluation.npz do "
        "not exist. Bring these samples, or name others: an .npz, a folder of .npy, .npz or image files, a .parquet, "
        "or `module:function`.",
    )
    (tmp_path / "calibration.npz").touch()
    (outcome,) = build_projects([file], tmp_path / "build")
    assert outcome.error.startswith(f"edgec.toml: evaluation.path: {tmp_path}/evaluation.npz does not exist. ")


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    onnx.save(classifier(), tmp_path / "model.onnx")
    file = tmp_path / "edgec.toml"
    file.write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError) as caught:
        init_project(tmp_path / "model.onnx", file)
    assert str(caught.value) == f"{file}: exists. Give --force to replace it, or another -o."
    assert file.read_text(encoding="utf-8") == "mine"
    init_project(tmp_path / "model.onnx", file, force=True)
    assert Project.load(file).model is not None
    assert sorted(each.name for each in tmp_path.iterdir()) == ["edgec.toml", "model.onnx"]


def test_what_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        init_project(tmp_path / "missing.onnx", tmp_path / "edgec.toml")
    onnx.save(classifier(), tmp_path / "model.onnx")
    with pytest.raises(OutputError) as caught:
        init_project(tmp_path / "model.onnx", tmp_path / "nowhere" / "edgec.toml")
    assert str(caught.value) == (
        f"{tmp_path}/nowhere/edgec.toml: cannot be written: No such file or directory. Give another -o."
    )


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(TEXT, TEXT, st.lists(st.integers(0, 2**40), max_size=4), TEXT)
def test_any_name_and_value_reads_back(tmp_path_factory, head, name, numbers, text):
    file = tmp_path_factory.mktemp("toml") / "a.toml"
    lines = [table(head), entry(name, {"list": numbers, text: "a\tb", "flag": True}, "a note")]
    file.write_text("\n".join(lines), encoding="utf-8", newline="\n")
    assert read_toml(file) == {head: {name: {"list": numbers, text: "a\tb", "flag": True}}}


@pytest.mark.zoo
def test_every_model_of_the_zoo(zoo: Path, tmp_path: Path) -> None:
    for meta in sorted((zoo / "models").glob("*/model.onnx")):
        file = tmp_path / f"{meta.parent.name}.toml"
        begun = init_project(meta, file)
        project = Project.load(file)
        assert project.model is not None
        assert Path(project.model.path).resolve() == meta.resolve()
        full = in_force(file)
        names = {each.name for each in onnx.load(meta, load_external_data=False).graph.input}
        said = {*full.inputs, *full.compile.shapes, *full.state.carried}
        assert said <= names
        assert begun.missing == ("calibration.npz", "evaluation.npz")
        (outcome,) = build_projects([file], tmp_path / "build")
        assert "calibration.npz and " in outcome.error
        assert "do not exist. Bring these samples" in outcome.error
