"""`edgec compile` of a checkpoint's folder, with text to calibrate and prove with, and `edgec run --prompt`."""

from __future__ import annotations

import json
from pathlib import Path

import onnx_ir as ir
import pytest
from support.checkpoints import write_checkpoint
from support.decoders import tiny_config, tiny_weights

import edgec
from edgec.compiler.cli.app import run
from edgec.compiler.cli.unmatched import Unmatched
from edgec.compiler.request import CompileRequest
from edgec.passes.lower.stamp import Stamp
from edgec.targets.policy import Policy

pytest.importorskip("tokenizers")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("decoder")
    config = tiny_config()
    write_checkpoint(folder / "tiny", config, tiny_weights(config))
    text = " ".join(f"w{3 + (7 * index + index * index) % 58}" for index in range(400))
    (folder / "text.txt").write_text(text)
    edgec.compile(
        folder / "tiny",
        target="host",
        scheme="w8",
        calibration=folder / "text.txt",
        metric="perplexity",
        contract={"accuracy_drop": "5abs"},
        output=folder / "out",
        report=False,
    )
    return folder / "out"


def test_a_checkpoint_compiles_and_is_proved_by_its_perplexity(bundle: Path) -> None:
    proof = json.loads((bundle / "proof" / "proof.json").read_text())
    manifest = edgec.Bundle.open(bundle).manifest

    assert proof["evaluation"]["metric"]["name"] == "perplexity"
    assert proof["golden"] == {"exact": True, "sqnr_db": None, "nonfinite": 0, "steps": 8, "agrees": True}
    assert {"tokenizer.json", "genai_config.json"} < set(manifest["files"])
    assert manifest["state"] == {
        f"past_key_values.{layer}.{what}": f"present.{layer}.{what}" for layer in (0, 1) for what in ("key", "value")
    }
    carried = {name: said["carried"] for name, said in proof["evaluation"]["outputs"].items()}
    assert carried == {"logits": False} | dict.fromkeys(manifest["state"].values(), True)


def test_the_likeliest_words_are_told_alike_again(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", str(bundle), "--prompt", "w5 w6 w7", "--max-new-tokens", "6"]) == 0
    first = capsys.readouterr()
    assert run(["run", str(bundle), "--prompt", "w5 w6 w7", "--max-new-tokens", "6", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)

    assert told["text"].strip() == first.out.strip()
    assert told["prompt_tokens"] == [1, 5, 6, 7]
    assert len(told["tokens"]) <= 6
    assert told["text"].split() == [f"w{token}" for token in told["tokens"] if token > 2]
    assert first.err.startswith("edgec: prompt: 4 tokens, ")


def test_seeded_draws_repeat(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for seed in ("1", "1", "2"):
        assert run(["run", str(bundle), "--prompt", "w5", "--temperature", "3", "--top-k", "50", "--seed", seed]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] != said[2]


def test_the_golden_sample_is_replayed_without_a_prompt(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", str(bundle)]) == 0
    assert capsys.readouterr().out == "golden: 8 steps, identical\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--prompt", "w5", "--top-p", "2"],
            "--top-p: 2 is not above 0 and at most 1. Give one like --temperature 0.8 --top-p 0.95.",
        ),
        (
            ["--prompt", "w5", "--input", "a.npz"],
            "--prompt: and --input/--output say what is fed twice. Give one of them.",
        ),
        (["--prompt", "w5", "--max-new-tokens", "0"], "--max-new-tokens: 0 is not a positive number. Give at least 1."),
        (
            ["--prompt", " ".join(["w5"] * 50)],
            "--prompt: is 51 tokens; the context has room for 40, answer included. Give a shorter one.",
        ),
    ],
)
def test_what_cannot_be_told_is_refused(
    bundle: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["run", str(bundle), *words]) == 2
    assert capsys.readouterr().err == f"edgec: error: {message}\n"


def test_a_cache_in_int8_is_asked_for_by_name(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = bundle.parent / "tiny", bundle.parent / "int8"
    words = ["compile", str(source), "--scheme", "float", "--kv-cache", "int8", "-o", str(out), "--no-report"]
    assert run([*words, "--calibration", str(bundle.parent / "text.txt"), "--metric", "perplexity"]) == 0
    capsys.readouterr()
    manifest = edgec.Bundle.open(out).manifest
    proof = json.loads((out / "proof" / "proof.json").read_text())

    assert {said["dtype"] for said in manifest["inputs"] if said["name"] in manifest["state"]} == {"int8"}
    said = proof["evaluation"]["outputs"]
    assert said["logits"]["against_float"]["sqnr_db"] > 30
    assert said["present.0.key"]["against_float"] is None
    assert run(["run", str(out), "--prompt", "w5 w6 w7", "--max-new-tokens", "6"]) == 0
    told = capsys.readouterr().out
    assert run(["run", str(bundle), "--prompt", "w5 w6 w7", "--max-new-tokens", "6"]) == 0
    assert capsys.readouterr().out.split()[:2] == told.split()[:2]


def test_a_cache_in_int8_needs_samples_and_a_kernel(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compile", str(bundle.parent / "tiny"), "--scheme", "float", "--kv-cache"]
    assert run([*words, "int4", "-o", str(bundle.parent / "no")]) == 2
    assert capsys.readouterr().err == (
        "edgec: error: --kv-cache: 'int4' is not one of float, int8. Choose one of them.\n"
    )
    assert run([*words, "int8", "-o", str(bundle.parent / "no")]) == 2
    assert capsys.readouterr().err == (
        "edgec: error: --kv-cache int8: goes by calibration samples, and there are none. Give --calibration (a text, "
        "or rows of tokens), or leave it out.\n"
    )
    words += ["int8", "--calibration", str(bundle.parent / "text.txt")]
    assert run([*words, "-t", "web-wasm", "-o", str(bundle.parent / "no")]) == 2
    assert capsys.readouterr().err == (
        "edgec: error: --kv-cache: int8 has no kernel on target 'web-wasm': its cache stays float. Leave it out, or "
        "compile for a processor and a newer ONNX Runtime.\n"
    )


def test_a_model_without_a_cache_is_told(tmp_path: Path) -> None:
    text = '<ir_version: 10, opset_import: ["": 20]> g (float[1, 2] x) => (float[1, 2] y) { y = Relu (x) }'
    model = ir.from_onnx_text(text)
    watcher = Unmatched(request=CompileRequest(model=model, policy=Policy(scheme="float", kv_cache="int8")))

    watcher.before(Stamp(target="host", scheme="float", max_ir_version=10), model)

    assert watcher.found == ["--kv-cache int8: the model has no attention with a cache to keep in it"]


def test_a_bundle_without_a_tokenizer_answers_no_prompt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tiny_config(layers=1)
    write_checkpoint(tmp_path / "tiny", config, tiny_weights(config), tokenizer=False)
    edgec.compile(tmp_path / "tiny", scheme="float", output=tmp_path / "out", prove=False)

    assert run(["run", str(tmp_path / "out"), "--prompt", "w5"]) == 2
    assert capsys.readouterr().err == (
        f"edgec: error: {tmp_path / 'out'}: answers no prompt: it has no tokenizer.json. Compile the folder of a "
        "checkpoint with its tokenizer.\n"
    )
