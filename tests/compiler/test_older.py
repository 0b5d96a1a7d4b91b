"""What a contract says of old ONNX Runtimes: how a compile is held to it, what is said where it cannot be."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime
import pytest
from support.classifier import classifier, images, save_npz

import edgec
from edgec.bundle import Bundle
from edgec.compiler.contract import ClauseResult, Contract
from edgec.compiler.older import held_to, release_named
from edgec.compiler.proving.judge import judge
from edgec.compiler.proving.machine import Machine
from edgec.compiler.proving.older import file_versions, prove_older, shipped_model
from edgec.compiler.proving.older_proof import OlderProof, OlderRun
from edgec.compiler.proving.proof import Proof
from edgec.compiler.samples.base import State
from edgec.errors import ContractError, EdgecError, ExecutionRequiredError, OptionError
from edgec.targets import find_target
from edgec.targets.releases.facts import RELEASES
from edgec.targets.releases.reads import obstacles

HERE = int(onnxruntime.__version__.split(".")[1])


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEC_RUNTIMES", str(tmp_path / "runtimes"))


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    save_npz(tmp_path / "calib.npz", image=images(8, seed=1))
    return tmp_path / "calib.npz"


def compiled(folder: Path, calibration: Path, opset: int = 23, **options) -> Bundle:
    model = classifier()
    model.opset_import[0].version = opset
    model.ir_version = 11 if opset > 17 else 8
    onnx.save(model, folder / "model.onnx")
    made = {"calibration": calibration, "output": folder / "out", "overwrite": True, "prove": False, **options}
    return edgec.compile(folder / "model.onnx", target="host", **made)


# --- how a compile is held to it ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "opset", "ir_version"),
    [
        ({}, 26, 13),
        ({"min_onnxruntime": "1.31"}, 26, 13),
        ({"min_onnxruntime": "1.23"}, 22, 11),
        ({"min_onnxruntime": "1.16"}, 19, 9),
        ({"min_onnxruntime": "1.23", "max_opset": "17"}, 17, 11),
        ({"min_onnxruntime": "1.16", "max_opset": "22"}, 19, 9),
        ({"max_ir_version": "8"}, 26, 8),
    ],
)
def test_a_target_is_held_to_the_oldest(flags, opset, ir_version):
    target = find_target("x86-64-vnni")
    held = held_to(target, Contract.from_flags(**flags), "auto")
    assert (held.max_opset, held.max_ir_version, held.name) == (opset, ir_version, target.name)


def test_a_target_that_reads_less_stays_as_it_is():
    target = find_target("pixel-8")
    assert held_to(target, Contract.from_flags(min_onnxruntime="1.28"), "auto") == target


@pytest.mark.parametrize(
    ("flags", "scheme", "error", "message"),
    [
        (
            {"max_opset": "12"}, "auto", ContractError,
            "contract: opset: is 12, and target x86-64-vnni needs operator set 13. Write 13 or more.",
        ),
        (
            {"min_onnxruntime": "1.9"}, "auto", ContractError,
            "contract: oldest_onnxruntime: nothing is known of ONNX Runtime 1.9. Name one of 1.16 to 1.31.",
        ),
        (
            {"min_onnxruntime": "1.17"}, "a8w4", OptionError,
            "--scheme a8w4: needs the types of operator set 21, and ONNX Runtime 1.17 opens 20 at most. "
            "Choose a8w8, d8w8 or w8, or --min-onnxruntime 1.18.",
        ),
        (
            {"max_opset": "20"}, "a16w8", OptionError,
            "--scheme a16w8: needs the types of operator set 21, and the contract allows 20 at most. "
            "Choose a8w8, d8w8 or w8, or --max-opset 21.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_held_to_it(flags, scheme, error, message):
    with pytest.raises(EdgecError) as caught:
        held_to(find_target("x86-64-vnni"), Contract.from_flags(**flags), scheme)
    assert (type(caught.value), str(caught.value)) == (error, message)


def test_the_model_is_lowered_to_what_the_oldest_opens(tmp_path, calibration):
    newest = compiled(tmp_path, calibration)
    assert file_versions(newest.model) == {"opset": 23, "ir_version": 11}
    held = compiled(tmp_path, calibration, contract={"oldest_onnxruntime": "1.16"})
    assert file_versions(held.model) == {"opset": 19, "ir_version": 9}
    assert obstacles(shipped_model(held.model), release_named(16)) == ()


# --- what is proved -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_installed")
def test_what_is_not_installed_is_checked(tmp_path, calibration):
    bundle = compiled(tmp_path, calibration, opset=17)
    verdict = bundle.prove(contract=Contract.from_flags(min_onnxruntime="1.20"))
    result = next(each for each in verdict.results if each.id == "oldest_onnxruntime")
    assert (result.status, str(result.limit), result.measured) == ("unknown", "1.20", None)
    assert result.reason == ("checked, not executed: it is not installed: edgec runtime install onnxruntime-1.20")
    assert (verdict.word, verdict.exit_code) == ("checked", 0)


@pytest.mark.usefixtures("nothing_installed")
def test_execution_may_be_required(tmp_path, calibration):
    bundle = compiled(tmp_path, calibration, opset=17)
    with pytest.raises(ExecutionRequiredError) as caught:
        bundle.prove(contract=Contract.from_flags(min_onnxruntime="1.20", proof="executed"))
    assert str(caught.value) == (
        f"{bundle.path}: the contract asks for proof by execution, and ONNX Runtime 1.20 cannot be executed here: "
        'it is not installed: edgec runtime install onnxruntime-1.20. Install it, or accept proof = "checked"'
    )


@pytest.mark.usefixtures("nothing_installed")
def test_what_prevents_it_is_said_without_executing(tmp_path, calibration):
    bundle = compiled(tmp_path, calibration)
    verdict = bundle.prove(contract=Contract.from_flags(min_onnxruntime="1.20", max_opset="20", max_ir_version="11"))
    found = {each.id: (each.status, each.measured, each.reason) for each in verdict.results}
    assert found["oldest_onnxruntime"] == (
        "broken",
        None,
        "IR version 11, and ONNX Runtime 1.20 opens 10 at most; "
        "operator set 23, and ONNX Runtime 1.20 opens 21 at most; it opens from 1.24 on: --min-onnxruntime 1.24",
    )
    assert found["opset"] == ("broken", 23, "")
    assert found["ir_version"] == ("met", 11, "")
    assert (verdict.word, verdict.exit_code) == ("broken", 1)


@pytest.mark.skipif(HERE not in {each.minor for each in RELEASES}, reason="no facts of the ONNX Runtime here")
@pytest.mark.usefixtures("nothing_installed")
def test_the_release_of_this_process_needs_no_other(tmp_path, calibration):
    bundle = compiled(tmp_path, calibration, opset=17)
    found = prove_older(bundle, HERE, State())
    assert (found.missing, found.obstacles, found.first) == ("", (), "1.16")
    assert [(run.onnxruntime, run.exact, run.agrees) for run in found.runs] == [(onnxruntime.__version__, True, True)]
    verdict = bundle.prove(contract=Contract.from_flags(min_onnxruntime=f"1.{HERE}"))
    result = next(each for each in verdict.results if each.id == "oldest_onnxruntime")
    assert result.status == "met"
    assert result.reason == f"opened, golden outputs given: {onnxruntime.__version__}"
    assert verdict.word == "proved"


# --- how it is judged ---------------------------------------------------------------------------------------------


def judged(**values) -> ClauseResult:
    """The clause of a proof in which nothing but older releases was looked at."""
    plain = {"asked": "1.20", "obstacles": (), "first": "1.16", "mend": "", "missing": "", "runs": ()}
    older = OlderProof(**{**plain, **values})
    proof = Proof(
        bundle="", date="", machine=Machine.here(), versions={}, runtime="", providers=(), session_options={},
        unexecuted="", golden=None, placement=None, evaluation=None, size_bytes=0, float_bytes=None,
        load_seconds=None, opened=0, latency=(), older=older,
    )  # fmt: skip
    return judge(Contract.from_flags(min_onnxruntime="1.20"), proof).results[0]


def run(version: str, **values) -> OlderRun:
    return OlderRun(runtime="there", onnxruntime=version, steps=1, **{"agrees": True, **values})


@pytest.mark.parametrize(
    ("values", "status", "reason"),
    [
        (
            {"runs": (run("1.20.1", exact=True), run("1.24.4", sqnr_db=51.26))}, "met",
            "opened, golden outputs given: 1.20.1, 1.24.4 (51.3 dB apart)",
        ),
        (
            {"runs": (run("1.20.1", exact=True), run("1.21.1", sqnr_db=33.88, agrees=False))}, "broken",
            "ONNX Runtime 1.21.1 answers otherwise (33.9 dB apart)",
        ),
        (
            {"runs": (run("1.20.1", agrees=False),)}, "broken",
            "ONNX Runtime 1.20.1 answers otherwise (the outputs differ)",
        ),
        (
            {"runs": (run("1.20.1", refused="no kernel of Cast(21)", agrees=False),)}, "broken",
            "no kernel of Cast(21)",
        ),
        (
            {
                "runs": (run("1.20.1", refused="no kernel of Cast(21)", agrees=False),), "first": "1.23",
                "obstacles": ("Cast of set 21 with INT4 as input 0",), "mend": "compile it with --scheme a8w8",
            },
            "broken",
            "Cast of set 21 with INT4 as input 0; it opens from 1.23 on: --min-onnxruntime 1.23, "
            "or compile it with --scheme a8w8",
        ),
        ({"missing": "it is not installed"}, "unknown", "checked, not executed: it is not installed"),
        # The rules foresaw an obstacle; the release itself opened it.
        ({"obstacles": ("Cast",), "runs": (run("1.20.1", exact=True),)}, "met", "opened, golden outputs given: 1.20.1"),
    ],
)  # fmt: skip
def test_the_clause(values, status, reason):
    result = judged(**values)
    assert (result.id, result.status, result.reason) == ("oldest_onnxruntime", status, reason)
