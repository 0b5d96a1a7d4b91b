"""Every exit code of the help page, each from a command line that really ends in it.

A row of the clause table without a case here fails `test_every_clause_has_a_case`.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
import pytest
from support.classifier import classifier, images, save_npz
from support.rebound import rebound

from edgec import errors, runtimes
from edgec.bundle import read_manifest
from edgec.compiler.clauses import CLAUSE_KINDS
from edgec.compiler.cli.help import EXIT_CODES, exit_code_rows
from edgec.runtimes import compilers
from edgec.runtimes.fake import FakeRuntime

Edgec: TypeAlias = Callable[..., Any]
# Prepares the folder it is called in, and returns the command line that breaks one clause.
Case: TypeAlias = Callable[[Edgec], tuple[str, ...]]

CASES: dict[str, Case] = {}
QUICK = ("--latency-runs", "10", "--threads", "1")
PROVE = ("prove", "out", "--evaluation", "eval.npz", "-m", "model.onnx", *QUICK)
IN_FLOAT = ("compile", "model.onnx", "--scheme", "float", "--evaluation", "eval.npz", "-o", "new")


def breaks(clause: str) -> Callable[[Case], Case]:
    def keep(case: Case) -> Case:
        CASES[clause] = case
        return case

    return keep


def limited(clause: str, *words: str) -> None:
    """A clause that one command line in the folder as it is breaks."""
    CASES[clause] = lambda edgec: words


limited("sqnr", *PROVE, "--min-sqnr", "90dB")
limited("cosine", *PROVE, "--min-cosine", "1cos")
limited("max_error", *PROVE, "--max-error", "0abs")
limited("size", *PROVE, "--max-size", "1KB")
limited("size_ratio", *PROVE, "--max-size-ratio", "1%")
limited("load_time", *PROVE, "--max-load-time", "0.001us")
limited("p95", *PROVE, "--max-p95", "0.001us")
limited("latency_ratio", *PROVE, "--max-latency-ratio", "0.0001x")
limited("p95_ratio", *PROVE, "--max-p95-ratio", "0.0001x")
limited("peak_memory", *PROVE, "--max-peak-memory", "1KB")
limited("opset", *PROVE, "--max-opset", "7")
limited("ir_version", *PROVE, "--max-ir-version", "3")
limited("opset", "prove", "out", *QUICK, "--max-opset", "5")
limited("ir_version", "prove", "out", *QUICK, "--max-ir-version", "3")
limited("integer_macs", *IN_FLOAT, "--min-integer-macs", "50%")


def regressed(edgec: Edgec) -> None:
    """`bad`: a bundle of an export whose classes are one off; and `many.npz`, labelled as the model answers."""
    import onnxruntime

    model = classifier()
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (logits,) = session.run(None, {"image": images(200, seed=2)})
    save_npz(Path("many.npz"), image=images(200, seed=2), label=logits.argmax(1))
    for weight in model.graph.initializer:
        if weight.name.startswith("head."):
            array = np.roll(onnx.numpy_helper.to_array(weight), 1, axis=0)
            weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
    onnx.save(model, "rolled.onnx")
    made = edgec("compile", "rolled.onnx", "--calibration", "calib.npz", "--no-prove", "-o", "bad")
    assert made.code == 0, made.err


@breaks("accuracy_drop")
def _accuracy_drop(edgec: Edgec) -> tuple[str, ...]:
    regressed(edgec)
    return ("prove", "bad", "--evaluation", "many.npz", "-m", "model.onnx", *QUICK, "--max-drop", "1pt")


@breaks("accuracy")
def _accuracy(edgec: Edgec) -> tuple[str, ...]:
    regressed(edgec)
    return ("prove", "bad", "--evaluation", "many.npz", *QUICK, "--min-accuracy", "95%")


@breaks("finite")
def _finite(edgec: Edgec) -> tuple[str, ...]:
    """The square root of what was positive when it was compiled."""
    save_text("root (float[1, 4] x) => (float[1, 4] y) { y = Sqrt(x) }", "root.onnx")
    save_npz(Path("positive.npz"), x=np.ones((2, 4), np.float32))
    save_npz(Path("negative.npz"), x=-np.ones((2, 4), np.float32))
    made = edgec("compile", "root.onnx", "--scheme", "float", "--calibration", "positive.npz", "--no-prove", "-o", "r")
    assert made.code == 0, made.err
    return ("prove", "r", "--evaluation", "negative.npz", *QUICK)


@breaks("golden")
def _golden(edgec: Edgec) -> tuple[str, ...]:
    """Golden outputs of another model, bound by a manifest written by hand."""
    made = edgec("compile", "model.onnx", "--calibration", "eval.npz", "--no-prove", "-o", "other")
    assert made.code == 0, made.err
    shutil.copy("other/golden/outputs.npz", "out/golden/outputs.npz")
    rebound(Path("out"))
    return ("prove", "out", *QUICK)


@breaks("oldest_onnxruntime")
def _oldest_onnxruntime(edgec: Edgec) -> tuple[str, ...]:
    """A model of an operator set that came after that release."""
    model = classifier()
    model.opset_import[0].version, model.ir_version = 22, 10
    onnx.save(model, "new.onnx")
    made = edgec("compile", "new.onnx", "--calibration", "calib.npz", "--no-prove", "-o", "new")
    assert made.code == 0, made.err
    return ("prove", "new", *QUICK, "--min-onnxruntime", "1.16")


@breaks("off_provider")
def _off_provider(edgec: Edgec) -> tuple[str, ...]:
    del edgec
    return (*on_a_phone(), "--max-off-provider", "0nodes")


@breaks("partitions")
def _partitions(edgec: Edgec) -> tuple[str, ...]:
    del edgec
    return (*on_a_phone(), "--max-partitions", "2partitions")


@breaks("oldest_onnxruntime")
def _oldest_onnxruntime(edgec: Edgec) -> tuple[str, ...]:
    """Weights in 4 bits, whose types came with operator set 21 and ONNX Runtime 1.18."""
    made = edgec("compile", "model.onnx", "--scheme", "a8w4", "--calibration", "calib.npz", "--no-prove", "-o", "new")
    assert made.code == 0, made.err
    return ("prove", "new", *QUICK, "--min-onnxruntime", "1.17")


@breaks("ort")
def _ort(edgec: Edgec) -> tuple[str, ...]:
    """model.ort of an older export."""
    for name, model in (("kept", "model.onnx"), ("older", halved())):
        made = edgec("compile", model, "--calibration", "calib.npz", "--ort", "--no-prove", "-o", name)
        assert made.code == 0, made.err
    shutil.copy("older/model.ort", "kept/model.ort")
    rebound(Path("kept"))
    return ("prove", "kept", *QUICK)


@breaks("context")
def _context(edgec: Edgec) -> tuple[str, ...]:
    """A context binary of an older export, which says that it is the model's."""
    if reason := runtimes.runtime("qnn-htp").available():
        pytest.skip(f"qnn-htp: {reason}")
    phone = ("--target", "snapdragon-8-gen-3", "--shape", "image=1,3,8,8", "--calibration", "calib.npz")
    for name, model in (("kept", "model.onnx"), ("older", halved())):
        made = edgec("compile", model, *phone, "--context", "--no-prove", "-o", name)
        assert made.code == 0, made.err
    manifest = read_manifest(Path("kept/manifest.json"))
    compiled = onnx.load("older/model_ctx.onnx")
    for entry in compiled.metadata_props:
        if entry.key == "edgec.context_of":
            entry.value = manifest["context"]["of"]
    onnx.save(compiled, "kept/model_ctx.onnx")
    for name in manifest["context"]["binaries"]:
        shutil.copy(f"older/{name}", f"kept/{name}")
    rebound(Path("kept"))
    return ("prove", "kept", *QUICK)


def save_text(graph: str, name: str) -> str:
    """A model from a graph's text."""
    onnx.save(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> {graph}'), name)
    return name


def halved() -> str:
    """`halved.onnx`: the model with the weights of its last layer halved."""
    model = classifier()
    for weight in model.graph.initializer:
        if weight.name == "head.weight":
            array = onnx.numpy_helper.to_array(weight) * np.float32(0.5)
            weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
    onnx.save(model, "halved.onnx")
    return "halved.onnx"


def on_a_phone() -> tuple[str, ...]:
    """A compile for a provider that has no Sin, which lies between two convolutions; nothing is executed there."""
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["": 17]>
        waves (float[1, 3, 8, 8] image) => (float[1, 3, 8, 8] out) {
            [first] a = Conv<kernel_shape = [1, 1]>(image, w)
            [middle] b = Sin(a)
            [last] out = Conv<kernel_shape = [1, 1]>(b, w)
        }""")
    weights = np.random.default_rng(0).standard_normal((3, 3, 1, 1)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    onnx.save(model, "waves.onnx")
    return ("compile", "waves.onnx", "-t", "pixel-8-nnapi", "--calibration", "calib.npz", "--no-search", "-o", "phone")


# --- one clause -------------------------------------------------------------------------------------------------------

MARKS = {"context": pytest.mark.targets}


def test_every_clause_has_a_case() -> None:
    assert set(CASES) == set(CLAUSE_KINDS)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("clause", [pytest.param(each, marks=MARKS.get(each, ())) for each in CASES])
def test_the_clause_that_is_broken_alone_is_the_exit_code(clause: str, edgec: Edgec) -> None:
    answer = edgec(*CASES[clause](edgec), "--format", "json")
    verdict = json.loads(answer.out)["verdict"]
    assert [each["id"] for each in verdict["results"] if each["status"] == "broken"] == [clause], answer.err
    assert answer.code == verdict["exit_code"] == CLAUSE_KINDS[clause].exit_code


# --- the others -------------------------------------------------------------------------------------------------------


def word(answer: Any) -> str:
    found: str = json.loads(answer.out)["verdict"]["word"]
    return found


@pytest.mark.usefixtures("folder")
def test_0_when_all_is_kept(edgec: Edgec) -> None:
    answer = edgec(*PROVE, "--min-sqnr", "10dB", "--max-size", "1MB", "--proof", "executed", "--format", "json")
    assert (answer.code, word(answer)) == (0, "proved")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "limits",
    [
        ("--max-size", "1KB", "--min-sqnr", "90dB"),
        ("--max-error", "0abs", "--min-cosine", "1cos", "--max-p95", "1us", "--max-peak-memory", "1KB"),
    ],
)
def test_1_when_several_are_broken(limits: tuple[str, ...], edgec: Edgec) -> None:
    answer = edgec(*PROVE, *limits, "--format", "json")
    assert (answer.code, word(answer)) == (1, "broken")


@pytest.mark.usefixtures("folder")
def test_a_broken_clause_goes_over_an_undecided_one(edgec: Edgec) -> None:
    save_npz(Path("bare.npz"), image=images(6, seed=1))
    answer = edgec("prove", "out", "--evaluation", "bare.npz", *QUICK, "--max-drop", "1pt", "--max-size", "1KB")
    assert answer.code == 15


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "clause", "status"),
    [
        # Six labels no model knows: the interval of one or two of them right is wide.
        ((*PROVE, "--max-drop", "0pt"), "accuracy_drop", "inconclusive"),
        # Milliseconds are of one device, and this is another interpreter.
        ((*PROVE, "--on", f"python:{sys.executable}", "--max-p95", "1s"), "p95", "unknown"),
        # Without the float model nothing is said against it.
        (("prove", "out", "--evaluation", "eval.npz", *QUICK, "--min-sqnr", "1dB"), "sqnr", "unknown"),
        (("prove", "out", *QUICK, "--min-accuracy", "1%"), "accuracy", "unknown"),
    ],
)
def test_5_when_samples_or_the_place_do_not_decide(
    words: tuple[str, ...], clause: str, status: str, edgec: Edgec
) -> None:
    answer = edgec(*words, "--format", "json")
    results = {each["id"]: each["status"] for each in json.loads(answer.out)["verdict"]["results"]}
    assert (answer.code, word(answer), results[clause]) == (5, "inconclusive", status)


@pytest.mark.usefixtures("folder")
def test_0_where_the_target_can_only_be_checked_and_3_where_it_must_be_executed(edgec: Edgec) -> None:
    answer = edgec(*on_a_phone(), "--max-p95", "1ms", "--format", "json")
    assert (answer.code, word(answer)) == (0, "checked")
    answer = edgec(*on_a_phone()[:-1], "again", "--proof", "executed")
    assert answer.code == 3
    assert "the contract asks for proof by execution, which is not possible here" in answer.err
    Path("edgec.toml").write_text('[contract]\nproof = "executed"\n', encoding="utf-8")
    assert edgec("prove", "phone").code == 3


@pytest.mark.usefixtures("folder")
def test_3_where_the_place_is_not_installed(edgec: Edgec, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = FakeRuntime(answer=dict, inputs=(), outputs=(), name="qnn-htp", reason="it is not installed")
    monkeypatch.setitem(runtimes.RUNTIMES, "qnn-htp", lambda: absent)
    monkeypatch.setitem(compilers.COMPILERS, "QNNExecutionProvider", lambda options: absent)  # type: ignore[arg-type,return-value]
    assert edgec("prove", "out", "--on", "qnn-htp").code == 3


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "words",
    [
        ("compile", "missing.onnx", "-o", "new"),
        ("prove", "out", "--max-drop", "1"),
        ("prove", "out", "--max-dorp", "1pt"),
        ("prove", "out", "--min-integer-macs", "200%"),
        ("compile", "model.onnx", "-o", "out"),
        ("nonsense",),
    ],
)
def test_2_when_what_was_given_cannot_be_used(words: tuple[str, ...], edgec: Edgec) -> None:
    answer = edgec(*words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("edgec: error: ")
    assert "Traceback" not in answer.err


@pytest.mark.usefixtures("folder")
def test_4_when_we_fail(edgec: Edgec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("edgec.compiler.prove.judge", lambda *arguments: 1 / 0)
    answer = edgec(*PROVE)
    assert answer.code == 4
    (report,) = tmp_path.glob("edgec-failure-*.txt")
    assert str(report) in answer.err


@pytest.mark.usefixtures("folder")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals to a process")
def test_130_when_it_is_interrupted(edgec: Edgec) -> None:
    text = f"import signal\ndef feeds():\n    signal.raise_signal({signal.SIGINT.value})\n    yield {{}}\n"
    Path("stop.py").write_text(text, encoding="utf-8")
    answer = edgec("compile", "model.onnx", "--calibration", "stop.py:feeds", "-o", "new")
    assert (answer.code, answer.out, answer.err) == (130, "", "edgec: interrupted\n")
    assert not Path("new").exists()


# --- the table --------------------------------------------------------------------------------------------------------


def test_help_shows_the_table_of_the_code(edgec: Edgec) -> None:
    page = edgec("--help").out.partition("Exit codes:\n")[2]
    rows: list[list[str]] = []
    for line in page.splitlines():
        code, _, text = line.strip().partition(" ")
        if line.startswith("  ") and not line.startswith("   "):
            rows.append([code, text.strip()])
        elif line.strip():
            rows[-1][1] += " " + line.strip()
    assert [tuple(row) for row in rows] == exit_code_rows()


def test_the_table_and_the_errors_agree() -> None:
    kinds = [each for name in errors.__all__ if issubclass(each := getattr(errors, name), errors.EdgecError)]
    assert {each.exit_code for each in kinds} == {2, 3, 4}
    assert [int(code) for code, _ in EXIT_CODES] == [0, 1, 2, 3, 4, 5, 130]
    codes = [kind.exit_code for kind in CLAUSE_KINDS.values()]
    assert len(set(codes)) == len(codes)
    assert all(10 <= code <= 39 for code in codes)
    assert [code for code, _ in exit_code_rows()] == ["0", "1", "2", "3", "4", "5", *map(str, sorted(codes)), "130"]
