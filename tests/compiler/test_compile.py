"""The whole story on the shipped example: what a compile promises, whatever the model."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

import edgec
from edgec.compiler.compile import compile_request
from edgec.compiler.observers import VerifyEach
from edgec.compiler.request import CompileRequest
from edgec.compiler.samples.base import State
from edgec.errors import BundleError, ModelError, OptionError, OutputError
from edgec.targets.policy import Policy


def payload(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file() and "proof" not in file.parts)
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def compile_digits(digits: Path, output: Path, **options: object) -> edgec.Bundle:
    return edgec.compile(
        digits / "digits.onnx", calibration=digits / "calibration.npz", output=output, prove=False, **options
    )


def test_the_bundle_answers_like_float(digits: Path, tmp_path: Path) -> None:
    request = CompileRequest(
        model=digits / "digits.onnx",
        calibration=digits / "calibration.npz",
        evaluation=digits / "evaluation.npz",
        output=tmp_path / "out",
    )
    result = compile_request(request)
    assert result.scheme == "a8w8"
    assert result.verdict is not None
    assert result.verdict.word == "proved"
    proof = json.loads((result.bundle.proof / "proof.json").read_text())
    assert proof["bundle"] == result.bundle.digest
    with np.load(digits / "evaluation.npz") as archive:
        images, labels = archive["image"], archive["label"]
    logits = result.bundle.run({"image": images})["logits"]
    assert (logits.argmax(1) == labels).mean() > 0.97


def test_the_same_input_gives_the_same_bytes(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_digits(digits, tmp_path / "one")
    monkeypatch.chdir(tmp_path)
    script = (
        "import edgec; "
        f"edgec.compile({str(digits / 'digits.onnx')!r}, calibration={str(digits / 'calibration.npz')!r}, "
        f"output={str(tmp_path / 'two')!r}, prove=False, threads=1)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
    assert payload(tmp_path / "one") == payload(tmp_path / "two")


def test_verifying_each_pass_changes_no_byte(digits: Path, tmp_path: Path) -> None:
    plain = compile_digits(digits, tmp_path / "plain")
    verified = compile_digits(digits, tmp_path / "verified", observers=(VerifyEach(),))
    assert payload(plain.path) == payload(verified.path)


def test_a_lock_replays(digits: Path, tmp_path: Path) -> None:
    first = compile_digits(digits, tmp_path / "one", exclude_nodes=("conv|Conv",), only_ops=("Gemm",))
    again = compile_digits(digits, tmp_path / "two", recipe=first.path)
    assert first.model.read_bytes() == again.model.read_bytes()


def test_a_lock_that_observes_needs_samples(digits: Path, tmp_path: Path) -> None:
    first = compile_digits(digits, tmp_path / "one")
    with pytest.raises(OptionError) as error:
        edgec.compile(digits / "digits.onnx", recipe=first.path, output=tmp_path / "two", prove=False)
    assert str(error.value) == (
        "--recipe: observes 8 values, and there are no calibration samples. "
        "Give --calibration, or a recipe of scheme d8w8 or w8."
    )
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize("kind", ["ir", "proto"])
def test_the_callers_model_is_not_changed(digits: Path, tmp_path: Path, kind: str) -> None:
    proto = onnx.load(digits / "digits.onnx")
    model = ir.serde.deserialize_model(proto) if kind == "ir" else proto

    def image() -> bytes:
        return (ir.serde.serialize_model(model) if isinstance(model, ir.Model) else model).SerializeToString()

    before = image()
    bundle = edgec.compile(model, calibration=digits / "calibration.npz", output=tmp_path / "out", prove=False)
    assert image() == before
    assert bundle.model.is_file()


def test_golden_replays_and_digests_bind_every_file(digits: Path, tmp_path: Path) -> None:
    bundle = compile_digits(digits, tmp_path / "out")
    bundle.verify()
    (feeds,), (expected,) = bundle.golden()
    np.testing.assert_array_equal(bundle.run(feeds)["logits"], expected["logits"])
    data = bytearray(bundle.model.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.model.write_bytes(bytes(data))
    with pytest.raises(BundleError) as error:
        bundle.verify()
    assert str(error.value) == f"{bundle.model}: does not have the sha256 of the manifest. Compile the bundle again."


def test_an_output_that_exists_is_replaced_only_when_told(digits: Path, tmp_path: Path) -> None:
    bundle = compile_digits(digits, tmp_path / "out")
    before = payload(bundle.path)
    with pytest.raises(OutputError) as error:
        compile_digits(digits, tmp_path / "out", reduce_range=True)
    assert str(error.value) == f"{tmp_path / 'out'}: exists. Give --overwrite to replace it, or another -o."
    assert payload(bundle.path) == before
    compile_digits(digits, tmp_path / "out", reduce_range=True, overwrite=True)
    assert payload(bundle.path) != before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_is_no_bundle_is_never_replaced(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="exists and is not a bundle"):
        compile_digits(digits, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "thesis.tex").read_text() == "years of work"


def test_a_failure_leaves_nothing(digits: Path, tmp_path: Path) -> None:
    def calibration() -> object:
        yield {"image": np.zeros((1, 1, 24, 24), np.float32)}
        yield {"image": np.full((1, 1, 24, 24), np.nan, np.float32)}

    with pytest.raises(edgec.errors.SamplesError):
        edgec.compile(digits / "digits.onnx", calibration=calibration, output=tmp_path / "out", prove=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("scheme", "op"), [("w8", "Cast"), ("d8w8", "DynamicQuantizeLinear")])
def test_without_calibration_samples(digits: Path, tmp_path: Path, scheme: str, op: str) -> None:
    result = compile_request(
        CompileRequest(model=digits / "digits.onnx", policy=Policy(scheme=scheme), output=tmp_path / "out", prove=False)
    )
    proto = onnx.load(result.bundle.model)
    assert op in {node.op_type for node in proto.graph.node}
    assert result.bundle.size_bytes < 0.5 * (digits / "digits.onnx").stat().st_size
    assert result.bundle.manifest["samples"] == {"calibration": None, "golden": "generated"}


def test_the_choice_without_samples_is_said(digits: Path, tmp_path: Path) -> None:
    result = compile_request(CompileRequest(model=digits / "digits.onnx", output=tmp_path / "out", prove=False))
    assert result.scheme == "w8"
    assert result.reason == (
        "no calibration samples, and most MACs are not in MatMul or Gemm: only weights are stored in 8 bits"
    )


def test_static_needs_samples(digits: Path) -> None:
    with pytest.raises(OptionError) as error:
        edgec.compile(digits / "digits.onnx", scheme="a8w8")
    assert str(error.value) == (
        "--scheme a8w8: needs calibration samples: static ranges are measured, never guessed. "
        "Give --calibration, or choose d8w8 (ranges taken at run time) or w8 (weights only)."
    )


def test_one_set_of_samples_is_split(digits: Path, tmp_path: Path) -> None:
    bundle = edgec.compile(digits / "digits.onnx", calibration=digits / "evaluation.npz", output=tmp_path / "out")
    assert bundle.manifest["samples"]["calibration"]["count"] == 250
    assert bundle.manifest["notes"][-1] == (
        "no evaluation samples: 250 of the calibration samples were held out to prove with, 250 were observed (seed 0)"
    )


def test_an_overlap_stands_in_the_verdict(digits: Path, tmp_path: Path) -> None:
    data = digits / "evaluation.npz"
    bundle = edgec.compile(
        digits / "digits.onnx", calibration=data, evaluation=data, samples=40, output=tmp_path / "out"
    )
    notes = json.loads((bundle.proof / "verdict.json").read_text())["notes"]
    assert "40 of 500 evaluation samples were also observed: the verdict is flattered" in notes


def test_options_may_be_written_short(digits: Path, tmp_path: Path) -> None:
    bundle = edgec.compile(
        digits / "digits.onnx",
        calibration=digits / "calibration.npz",
        evaluation=digits / "evaluation.npz",
        contract={"accuracy_drop": "1pt", "size_ratio": "0.4x"},
        metric="top1",
        output=str(tmp_path / "out"),
    )
    verdict = json.loads((bundle.proof / "verdict.json").read_text())
    assert verdict["word"] == "proved"
    assert {"accuracy_drop", "size_ratio"} < {clause["id"] for clause in verdict["results"]}


def test_an_unknown_option_names_the_nearest(digits: Path) -> None:
    with pytest.raises(OptionError, match="option 'calibratoin': is unknown, did you mean 'calibration'"):
        edgec.compile(digits / "digits.onnx", calibratoin=digits / "calibration.npz")


def test_a_limit_that_does_not_fit_the_metric_is_found_before_any_work(digits: Path, tmp_path: Path) -> None:
    from edgec.compiler.contract import Contract
    from edgec.compiler.metrics import metric_named

    with pytest.raises(edgec.errors.ContractError):
        edgec.compile(
            tmp_path / "absent.onnx",
            contract=Contract.from_flags(max_drop="1pt"),
            metric=metric_named("psnr"),
            output=tmp_path / "out",
        )


def test_a_model_without_work_for_integers(tmp_path: Path) -> None:
    model = ir.from_onnx_text(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[1, 4] x) => (float[1, 4] y) { y = Tanh(x) }'
    )
    samples = [{"x": np.ones((1, 4), np.float32)}]
    with pytest.raises(ModelError, match="has no operator that runs in integers"):
        edgec.compile(model, calibration=samples, output=tmp_path / "out", prove=False)


@pytest.mark.parametrize("scheme", ["w8", "d8w8"])
def test_a_model_without_weights(tmp_path: Path, scheme: str) -> None:
    model = ir.from_onnx_text(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[1, 4] x) => (float[1, 4] y) { y = Tanh(x) }'
    )
    with pytest.raises(ModelError) as error:
        edgec.compile(model, scheme=scheme, output=tmp_path / "out", prove=False)
    assert str(error.value) == (
        f"g: has nothing that scheme {scheme} stores in integers. "
        "Pack it as it is with --scheme float, or choose another scheme."
    )


def test_state_is_carried_everywhere(recurrent: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    sequences = [[{"x": rng.normal(size=(1, 8)).astype(np.float32)} for _ in range(5)] for _ in range(6)]
    state = State(carried={"state": "state_out"})
    bundle = edgec.compile(
        recurrent, calibration=sequences[:3], evaluation=sequences[3:], state=state, output=tmp_path / "out"
    )
    assert bundle.manifest["state"] == {"state": "state_out"}
    feeds, outputs = bundle.golden()
    assert len(feeds) == 5
    for before, after in zip(outputs, feeds[1:], strict=False):
        np.testing.assert_array_equal(before["state_out"], after["state"])
    # The state was observed over whole sequences: it grows step by step, and still lies in the range.
    proto = onnx.load(bundle.model)
    assert {node.op_type for node in proto.graph.node} >= {"QuantizeLinear", "DequantizeLinear"}
    proof = json.loads((bundle.proof / "proof.json").read_text())
    assert min(output["against_float"]["sqnr_db"] for output in proof["evaluation"]["outputs"].values()) > 15
    assert (proof["evaluation"]["samples"], proof["evaluation"]["steps"]) == (3, 15)
