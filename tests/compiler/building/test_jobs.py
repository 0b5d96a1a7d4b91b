"""Which bundles a project asks for, and what it says of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgec.compiler.building.job import jobs_of, request_of_job
from edgec.errors import ContractError, OptionError


def test_one_bundle_a_target(project: Path, tmp_path: Path) -> None:
    jobs = jobs_of([project], tmp_path / "build")
    assert [job.name for job in jobs] == ["faces/host", "faces/small"]
    assert [job.output for job in jobs] == [tmp_path / "build/faces/host", tmp_path / "build/faces/small"]
    assert [job.name for job in jobs_of([project], tmp_path, only=["small"])] == ["faces/small"]


def test_what_a_target_says_goes_over_the_project(project: Path, tmp_path: Path) -> None:
    text = project.read_text(encoding="utf-8")
    project.write_text(
        text + '[targets.small.contract]\nsqnr = "9dB"\nsize_ratio = "0.5x"\n[compile]\nscheme = "a8w8"\nseed = 3\n',
        encoding="utf-8",
    )
    plain, small = (request_of_job(job) for job in jobs_of([project], tmp_path))
    assert (plain.target, plain.policy.scheme, plain.seed) == ("host", "a8w8", 3)
    assert (small.target, small.policy.scheme, small.seed) == ("host", "w8", 3)
    assert plain.contract.to_json() == {"sqnr": "5dB", "proof": "checked"}
    assert small.contract.to_json() == {"sqnr": "9dB", "size_ratio": "0.5x", "proof": "checked"}
    assert plain.calibration == str(project.parent / "calib.npz")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("model.onnx", "project"),
        ("net.onnx", "net"),
        ("model.onnx\nname = x", "x"),
        ("../faces/model.onnx", "faces"),
        ("app/../model.onnx", "project"),
        ("/model.onnx", "model"),
    ],
)
def test_bundles_are_called_as_the_model(project: Path, file: str, name: str) -> None:
    path, _, said = file.partition("\n")
    title = f'name = "{said[7:]}"' if said else ""
    project.write_text(f'[model]\npath = "{path}"\n{title}\n[targets.host]\n', encoding="utf-8")
    (job,) = jobs_of([project], Path("b"))
    assert (job.name, job.output) == (f"{name}/host", Path("b") / name / "host")


def test_the_target_of_compile_where_there_are_no_targets(project: Path) -> None:
    project.write_text('[model]\npath = "model.onnx"\n[compile]\ntarget = "arm64"\n', encoding="utf-8")
    assert [job.target for job in jobs_of([project], Path("b"))] == ["arm64"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[targets.host]", 'FILE: names no model. Write [model] with path = "model.onnx"'),
        (
            '[model]\npath = "m.onnx"',
            "FILE: names no target. Write [targets.host], or another of `edgec targets`.",
        ),
        (
            '[model]\npath = "m.onnx"\n[targets]\nhost = 3',
            "edgec.toml: targets.host: is not a table. Write it under [targets.host].",
        ),
        (
            '[model]\npath = "m.onnx"\n[targets.host]\ncontract = 3',
            "edgec.toml: targets.host.contract: is not a table. Write it under [targets.host.contract].",
        ),
        (
            '[model]\npath = "m.onnx"\n[targets.host]\nschema = "w8"',
            "edgec.toml: targets.host.schema: unknown key, did you mean 'scheme'? Keys here: ",
        ),
        (
            '[model]\npath = "m.onnx"\n[targets."a/b"]',
            "edgec.toml: targets.a/b: is no name of a folder. Name the table otherwise, and the device with target.",
        ),
    ],
)
def test_mistakes(project: Path, text: str, message: str) -> None:
    project.write_text(text, encoding="utf-8")
    with pytest.raises(ContractError) as caught:
        jobs_of([project], Path("b"))
    assert str(caught.value).startswith(message.replace("FILE", str(project)))


def test_two_models_of_one_name(project: Path) -> None:
    other = project.with_name("other.toml")
    other.write_text(project.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ContractError) as caught:
        jobs_of([project, other], Path("b"))
    assert str(caught.value) == (f"{other}: calls its bundles 'faces', as {project} does. Give [model] another name.")


def test_a_target_nobody_has(project: Path) -> None:
    with pytest.raises(OptionError) as caught:
        jobs_of([project], Path("b"), only=["smal"])
    assert str(caught.value) == (
        "--target smal: is no target of the project, did you mean 'small'? Its targets are host, small."
    )
