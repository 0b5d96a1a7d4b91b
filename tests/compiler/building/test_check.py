"""The gate: a planted regression fails with its clause in every form, what is untouched passes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from support.checkpoints import write_checkpoint
from support.classifier import images, save_npz
from support.decoders import tiny_config, tiny_weights

from edgec.bundle import MANIFEST, Bundle, read_manifest, sha256_of
from edgec.compiler.build_project import BuildOptions, build_projects
from edgec.compiler.building.baseline import Baseline, Kept
from edgec.compiler.building.outcome import Outcome
from edgec.compiler.check_project import check_projects
from edgec.compiler.clauses import CLAUSE_KINDS
from edgec.compiler.contract import ClauseResult, Limit, Verdict
from edgec.compiler.report.junit import junit_xml
from edgec.compiler.report.markdown import markdown_summary
from edgec.compiler.report.sarif import sarif_json
from edgec.errors import ContractError, OptionError

SQNR = CLAUSE_KINDS["sqnr"].exit_code


@pytest.fixture(scope="module")
def built_once(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, built."""
    folder = tmp_path_factory.mktemp("built") / "project"
    shutil.copytree(written, folder)
    build_projects([folder / "edgec.toml"], folder / "build", options=BuildOptions(cache=False))
    return folder


@pytest.fixture
def built(built_once: Path, tmp_path: Path) -> Path:
    """The built project's file, in a folder of its own."""
    shutil.copytree(built_once, tmp_path / "project")
    return tmp_path / "project" / "edgec.toml"


def check(project: Path, **options: Any) -> list[Outcome]:
    return check_projects([project], project.parent / "build", **options)


def noise(bundle: Path) -> None:
    """Plant a regression: weights are noised, and the manifest says they are what they should be."""
    model = onnx.load(bundle / "model.onnx")
    draw = np.random.default_rng(0)
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.int8 and array.size > 16:
            noised = np.clip(array + draw.integers(-90, 90, array.shape), -128, 127).astype(np.int8)
            tensor.CopyFrom(numpy_helper.from_array(noised, tensor.name))
    onnx.save(model, bundle / "model.onnx")
    manifest = read_manifest(bundle / MANIFEST)
    file = bundle / "model.onnx"
    manifest["files"]["model.onnx"] = {"sha256": sha256_of(file), "bytes": file.stat().st_size}
    opened = Bundle.open(bundle)
    feeds, _ = opened.golden()
    outputs = [opened.run(step) for step in feeds]
    np.savez(bundle / "golden/outputs.npz", **{f"{n}@{i}": a for i, o in enumerate(outputs) for n, a in o.items()})
    file = bundle / "golden/outputs.npz"
    manifest["files"]["golden/outputs.npz"] = {"sha256": sha256_of(file), "bytes": file.stat().st_size}
    (bundle / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def test_what_is_untouched_passes_and_stays_untouched(built: Path) -> None:
    folder = built.parent / "build"
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    outcomes = check(built)
    assert [(outcome.job.name, outcome.exit_code) for outcome in outcomes] == [("faces/host", 0), ("faces/small", 0)]
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_a_planted_regression_is_named_in_every_form(built: Path) -> None:
    noise(built.parent / "build/faces/host")
    outcomes = check(built)
    assert [outcome.exit_code for outcome in outcomes] == [SQNR, 0]
    suites = ElementTree.fromstring(junit_xml(outcomes))
    assert [(suite.get("name"), suite.get("failures"), suite.get("errors")) for suite in suites] == [
        ("faces/host", "1", "0"), ("faces/small", "0", "0"),
    ]  # fmt: skip
    (case,) = [case for case in suites.iter("testcase") if case.find("failure") is not None]
    assert (case.get("classname"), case.get("name")) == ("faces/host", "sqnr")
    assert ", limit 5dB, worst output: " in str(case.find("failure").get("message"))  # type: ignore[union-attr]
    (result,) = json.loads(sarif_json(outcomes, built.parent))["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("sqnr", "error")
    assert result["message"]["text"].startswith("faces/host: sqnr is broken: ")
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "edgec.toml"
    assert result["locations"][0]["logicalLocations"] == [{"name": "host", "fullyQualifiedName": "faces/host"}]
    rows = markdown_summary(outcomes).splitlines()
    assert rows[4].startswith("| faces/host | **broken** | sqnr (")
    assert rows[4].endswith(", limit 5dB) |")
    assert rows[5] == "| faces/small | **proved** |  |"
    assert any(row.startswith("| ✗ | sqnr | 5dB | ") for row in rows)


def test_sarif_is_what_its_schema_asks(built: Path) -> None:
    """The properties that SARIF 2.1.0 requires, of a run without results too."""
    document = json.loads(sarif_json(check(built), built.parent))
    assert (document["version"], len(document["runs"])) == ("2.1.0", 1)
    run = document["runs"][0]
    assert run["results"] == []
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == [*CLAUSE_KINDS, "bundle"]
    assert all(rule["shortDescription"]["text"] for rule in run["tool"]["driver"]["rules"])


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda folder: shutil.rmtree(folder), "was not built. Build it: edgec build"),
        (lambda folder: (folder / "manifest.json").unlink(), "is not a bundle: manifest.json is missing"),
        (lambda folder: (folder / "recipe.lock").write_text(""), "does not have the sha256 of the manifest"),
    ],
)
def test_a_bundle_that_cannot_be_checked(built: Path, spoil: Any, problem: str) -> None:
    spoil(built.parent / "build/faces/host")
    outcomes = check(built)
    assert [outcome.exit_code for outcome in outcomes] == [2, 0]
    assert problem in outcomes[0].error
    suite = next(iter(ElementTree.fromstring(junit_xml(outcomes))))
    assert (suite.get("tests"), suite.get("errors")) == ("1", "1")
    (result,) = json.loads(sarif_json(outcomes, built.parent))["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("bundle", "error")
    assert "| faces/host | **failed** | " in markdown_summary(outcomes)


def test_a_bundle_of_another_model(built: Path) -> None:
    file = built.parent / "model.onnx"
    model = onnx.load(file)
    model.doc_string = "another"
    onnx.save(model, file)
    outcomes = check(built)
    assert outcomes[0].error == (
        f"{built.parent}/build/faces/host: was not compiled from {file} as it is now. Build it again: edgec build."
    )


class TestAnotherProject:
    """Another project may build another bundle of the same model and name to the same folder."""

    @pytest.mark.parametrize(
        ("old", "new", "problem"),
        [
            ('target = "host"', 'target = "pixel-8"', "its target is host, the project says pixel-8"),
            ('scheme = "w8"', 'scheme = "w4"', 'it was compiled with scheme = w8, the project says w4'),
            (
                '[calibration]\npath = "calib.npz"\n',
                "",
                "it was compiled with calibration samples, the project says without calibration samples",
            ),
            (
                '[contract]\n',
                '[model.inputs.image]\ndtype = "uint8"\nlayout = "nchw"\n[contract]\n',
                "of its inputs it has baked {}, the project says ",
            ),
        ],
    )  # fmt: skip
    def test_says_another_thing(self, built: Path, old: str, new: str, problem: str) -> None:
        text = built.read_text(encoding="utf-8")
        assert old in text
        built.write_text(text.replace(old, new), encoding="utf-8")
        outcome = check(built, only=["small"])[0]
        assert outcome.exit_code == 2
        assert outcome.error.startswith(f"{built.parent}/build/faces/small: is not of {built}: {problem}")
        assert outcome.error.endswith(". Build it again: edgec build; or name the folder of its own build with -o."), (
            outcome.error
        )

    def test_has_other_samples_by_the_same_name(self, built: Path) -> None:
        save_npz(built.parent / "calib.npz", image=images(seed=9))
        (outcome,) = check(built, only=["host"])
        assert outcome.exit_code == 2
        assert f"is not of {built}: its calibration samples have the digest " in outcome.error

    def test_other_limits_and_samples_that_are_not_here_are_no_other_project(self, built: Path) -> None:
        (built.parent / "calib.npz").unlink()
        built.write_text(built.read_text(encoding="utf-8").replace("5dB", "4dB"), encoding="utf-8")
        assert [outcome.exit_code for outcome in check(built)] == [0, 0]


class TestHeldOut:
    """A project without evaluation samples: its build observes one half of the others and proves with the other."""

    @pytest.fixture
    def halved(self, project: Path) -> Path:
        text = project.read_text(encoding="utf-8")
        project.write_text(text.replace('[evaluation]\npath = "eval.npz"\n', ""), encoding="utf-8")
        build_projects([project], project.parent / "build", only=["host"], options=BuildOptions(cache=False))
        return project

    def test_what_proved_proves_again(self, halved: Path) -> None:
        (outcome,) = check(halved, only=["host"])
        assert outcome.exit_code == 0
        file = halved.parent / "build/faces/host/proof/verdict.json"
        kept = json.loads(file.read_text(encoding="utf-8"))
        assert outcome.verdict is not None
        sqnr, before = (
            next(result for result in verdict["results"] if result["id"] == "sqnr")
            for verdict in (outcome.verdict, kept)
        )
        assert (sqnr["measured"], sqnr["n"]) == (before["measured"], before["n"])
        assert outcome.verdict["notes"][0] == kept["notes"][0]
        assert outcome.verdict["notes"][0].startswith("no evaluation samples: ")

    def test_samples_that_came_since_may_have_been_observed(self, halved: Path) -> None:
        save_npz(halved.parent / "calib.npz", image=images(30))
        (outcome,) = check(halved, only=["host"])
        folder = halved.parent
        assert (outcome.exit_code, outcome.error) == (
            2,
            f"{folder}/build/faces/host: was compiled on other samples than {folder}/calib.npz as they are now. "
            "What is held out of them to prove with may have been observed. Build it again: edgec build.",
        )


@pytest.mark.parametrize("evaluation", ["", '[evaluation]\npath = "text.txt"\n'])
def test_a_decoder_and_its_text(tmp_path: Path, evaluation: str) -> None:
    """Its samples are read by the tokenizer in the bundle, its cache is state by its signature, here kept in int8."""
    pytest.importorskip("tokenizers")
    config = tiny_config()
    write_checkpoint(tmp_path / "tiny", config, tiny_weights(config))
    text = " ".join(f"w{3 + (7 * index + index * index) % 58}" for index in range(300))
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    project = tmp_path / "edgec.toml"
    project.write_text(
        '[model]\npath = "tiny"\n[calibration]\npath = "text.txt"\n' + evaluation + '[contract]\nsize_ratio = "0.9x"\n'
        '[compile]\nscheme = "w8"\nkv_cache = "int8"\n[targets.host]\n',
        encoding="utf-8",
    )
    (built,) = build_projects([project], tmp_path / "build", options=BuildOptions(cache=False))
    assert (built.exit_code, built.error) == (0, "")
    (outcome,) = check(project)
    assert (outcome.exit_code, outcome.error) == (0, "")
    (tmp_path / "text.txt").write_text(text[::-1], encoding="utf-8")
    (outcome,) = check(project)
    assert outcome.exit_code == 2


def test_the_folder_of_the_one_bundle(built: Path) -> None:
    (outcome,) = check(built, only=["host"], alone=built.parent / "build/faces/host")
    assert (outcome.exit_code, outcome.bundle) == (0, built.parent / "build/faces/host")
    with pytest.raises(OptionError) as raised:
        check(built, alone=built.parent / "build/faces/host")
    assert str(raised.value) == (
        "--bundle: names one folder, and there are 2 bundles: faces/host, faces/small. Choose one with --target, or "
        "give -o for all of them."
    )


class TestBaseline:
    def test_a_check_against_itself_passes(self, built: Path, tmp_path: Path) -> None:
        Baseline.of(check(built)).save(tmp_path / "verdicts.lock")
        baseline = Baseline.load(tmp_path / "verdicts.lock")
        assert set(baseline.verdicts) == {"faces/host", "faces/small"}
        assert baseline.verdicts["faces/host"]["sqnr"].tolerated == 0
        assert [outcome.exit_code for outcome in check(built, baseline=baseline)] == [0, 0]

    @pytest.mark.parametrize(
        ("clause", "limit", "before", "tolerated", "now", "status"),
        [
            ("sqnr", "5dB", 30.0, 1.0, 29.5, "met"),
            ("sqnr", "5dB", 30.0, 1.0, 28.9, "broken"),
            ("sqnr", "5dB", 30.0, 0.0, 31.0, "met"),
            ("size", "9MB", 1.0, 0.1, 1.05, "met"),
            ("size", "9MB", 1.0, 0.1, 1.2, "broken"),
            ("size", "9MB", 1.0, 0.0, 0.5, "met"),
        ],
    )
    def test_worse_than_tolerated_is_broken(
        self, clause: str, limit: str, before: float, tolerated: float, now: float, status: str
    ) -> None:
        bound = Limit.parse(limit, CLAUSE_KINDS[clause], where="")
        kept = Kept(measured=before, unit=bound.unit, tolerated=tolerated)
        verdict = Verdict.of([ClauseResult(id=clause, limit=bound, measured=now, status="met", reason="here")])
        found = Baseline(verdicts={"m/host": {clause: kept}}).compared("m/host", verdict)
        assert found.results[0].status == status
        assert found.exit_code == (CLAUSE_KINDS[clause].exit_code if status == "broken" else 0)
        if status == "broken":
            worse = abs(now - before)
            assert found.results[0].reason == (
                f"worse than the baseline's {before:.4g} by {worse:.4g}, where {tolerated:.4g} is tolerated; here"
            )
        assert Baseline(verdicts={}).compared("m/host", verdict) is verdict

    def test_another_unit_is_not_compared(self) -> None:
        bound = Limit.parse("9MB", CLAUSE_KINDS["size"], where="")
        verdict = Verdict.of([ClauseResult(id="size", limit=bound, measured=8.0, status="met")])
        kept = Kept(measured=1.0, unit="KB", tolerated=0.0)
        assert Baseline(verdicts={"m": {"size": kept}}).compared("m", verdict) is verdict

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("[]", "list indices must be integers or slices, not str"),
            ('{"schema_version": "9"}', "schema_version is '9', not '1'"),
            (
                '{"schema_version": "1", "verdicts": {"a": {"b": {"measured": 1, "unit": "x", "tolerated": -1}}}}',
                "measured and tolerated must be numbers, tolerated not below 0",
            ),
        ],
    )
    def test_what_is_no_baseline(self, tmp_path: Path, text: str, problem: str) -> None:
        file = tmp_path / "verdicts.lock"
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ContractError) as caught:
            Baseline.load(file)
        remedy = "Mend it, or write it again with --update-baseline."
        assert str(caught.value) == f"{file}: is no baseline: {problem}. {remedy}"
