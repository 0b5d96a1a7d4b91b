"""A checkpoint of two models on the command line: both are made, joined, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.speech import small_config, small_weights, write_whisper

from edgec.bundle import Bundle
from edgec.compiler.load import load_model

Edgec = Callable[..., Any]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    config = small_config()
    write_whisper(tmp_path / "small", config, small_weights(config))
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "samples.npz",
        audio_features=rng.standard_normal((4, 6, 20)).astype(np.float32),
        input_ids=rng.integers(3, 37, (4, 12)),
    )
    return tmp_path


def test_makes_both_bundles_and_what_joins_them(edgec: Edgec, here: Path) -> None:
    made = edgec(
        "compile", "small", "--scheme", "w8", "-o", "out", "--calibration", "samples.npz", "--metric", "perplexity",
        "--max-drop", "50%", "--rounding", "gptq", "--depfile", "out.d", "--no-report", "--no-probe", "--format",
        "json",
    )  # fmt: skip

    assert made.code == 0, made.err
    told = json.loads(made.out)["components"]
    bundles = {name: Bundle.open(here / "out" / name) for name in ("encoder", "decoder")}
    joined = json.loads((here / "out" / "components.json").read_text())
    assert {name: each["digest"] for name, each in told.items()} == {n: b.digest for n, b in bundles.items()}
    assert joined["components"] == {name: {"digest": bundle.digest} for name, bundle in bundles.items()}
    assert sorted(joined["files"]) == ["audio_processor_config.json", "genai_config.json"]
    clauses = {name: {each["id"] for each in told[name]["verdict"]["results"]} for name in bundles}
    assert ("accuracy_drop" in clauses["decoder"], "accuracy_drop" in clauses["encoder"]) == (True, False)
    assert "components.json" in (here / "out.d").read_text()
    assert len(np.load(bundles["decoder"].path / "golden" / "inputs.npz").files) > 8


def test_genai_reads_the_two_by_their_names(edgec: Edgec, here: Path) -> None:
    assert edgec("compile", "small", "--scheme", "float", "-o", "out", "--no-prove").code == 0

    model = json.loads((here / "out" / "genai_config.json").read_text())["model"]
    for part in ("encoder", "decoder"):
        graph = load_model(here / "out" / model[part]["filename"]).model.graph
        named = {**model[part]["inputs"], **model[part]["outputs"]}
        values = {str(value.name) for value in (*graph.inputs, *graph.outputs)}
        assert {each.replace("%d", "0") for each in named.values()} <= values
    assert (model["type"], model["eos_token_id"], model["decoder_start_token_id"]) == ("whisper", 2, 3)


def test_what_reads_one_bundle_names_the_two(edgec: Edgec, here: Path) -> None:
    assert edgec("compile", "small", "--scheme", "w8", "-o", "out", "--no-prove").code == 0

    answer = edgec("run", "out")

    assert answer.code == 2
    assert " ".join(answer.err.split()) == (
        "edgec: error: out: holds several bundles: decoder, encoder. Name one of them: the folder that is in it."
    )


def test_the_same_twice_is_the_same_bytes(edgec: Edgec, here: Path) -> None:
    for name in ("one", "two"):
        assert edgec("compile", "small", "--scheme", "w4", "-o", name, "--no-prove", "--no-cache").code == 0

    assert (here / "one" / "components.json").read_bytes() == (here / "two" / "components.json").read_bytes()


def test_replaces_what_it_made_and_nothing_else(edgec: Edgec, here: Path) -> None:
    words = ("compile", "small", "--scheme", "w8", "--no-prove", "--overwrite", "-o")
    (here / "mine").mkdir()
    (here / "mine" / "notes.txt").write_text("mine")

    refused = edgec(*words, "mine")

    assert [edgec(*words, "out").code for _ in range(2)] == [0, 0]
    assert (refused.code, (here / "mine" / "notes.txt").read_text()) == (2, "mine")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--shape", "audio_features=1,6,20"),
            "edgec: error: --shape: is for one model, and small has two. "
            "Compile small#encoder and small#decoder, each with its own.",
        ),
        (
            ("--calibration", "features.npz"),
            "edgec: error: features.npz: input 'input_ids' is missing; there is 'audio_features'. "
            "The data must give 'audio_features', 'input_ids'.",
        ),
        (
            ("--calibration", "others.npz"),
            "edgec: error: others.npz[0], input 'input_ids': has tokens from 0 to 90, the model's are 0 to 36. "
            "Make them with the tokenizer of this checkpoint.",
        ),
        (
            ("--calibration", "short.npz"),
            "edgec: error: short.npz[0], input 'input_ids': has one token, behind which none is said. "
            "Give the token that starts a text, and those that should be said.",
        ),
    ],
)
def test_refuses_in_words(edgec: Edgec, here: Path, words: tuple[str, ...], message: str) -> None:
    heard = np.zeros((2, 6, 20), np.float32)
    np.savez(here / "features.npz", audio_features=heard)
    np.savez(here / "others.npz", audio_features=heard, input_ids=[[0, 90], [1, 2]])
    np.savez(here / "short.npz", audio_features=heard, input_ids=[[3], [4]])

    answer = edgec("compile", "small", "--scheme", "w8", "-o", "out", *words)

    assert answer.code == 2
    assert " ".join(answer.err.split()) == message
    assert not (here / "out").exists()


def test_a_slash_behind_the_folder_changes_nothing(edgec: Edgec, here: Path) -> None:
    words = ("--scheme", "w8", "--no-prove", "--calibration", "samples.npz", "-o")
    made = [edgec("compile", folder, *words, name) for folder, name in (("small", "one"), ("small/", "two"))]

    assert [each.code for each in made] == [0, 0], made[1].err
    assert (here / "one" / "components.json").read_bytes() == (here / "two" / "components.json").read_bytes()
    assert load_model("small/#decoder").digest == load_model("small#decoder").digest
    assert " ".join(edgec("plan", "small/").err.split()) == (
        "edgec: error: small/: has an encoder and a decoder, which are two models. Name one: small#encoder or "
        "small#decoder; `edgec compile small` makes both."
    )


def test_what_joins_them_is_read_before_anything_is_compiled(
    edgec: Edgec, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "small" / "preprocessor_config.json").write_text('{"n_fft": "x"}')
    monkeypatch.setattr("edgec.compiler.components.compile_request", None)

    answer = edgec("compile", "small", "--scheme", "w8", "-o", "out")

    assert answer.code == 2
    assert " ".join(answer.err.split()) == (
        "edgec: error: small/preprocessor_config.json: n_fft: 'x' is not a whole number. Copy the checkpoint again."
    )
    assert sorted(path.name for path in here.iterdir()) == ["samples.npz", "small"]


def test_a_compile_that_fails_behind_the_encoder_leaves_nothing(
    edgec: Edgec, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgec.compiler import components

    whole = components.compile_request

    def encoder_only(request: Any) -> Any:
        if str(request.model).endswith("#decoder"):
            raise KeyboardInterrupt
        return whole(request)

    monkeypatch.setattr(components, "compile_request", encoder_only)
    assert edgec("compile", "small", "--scheme", "w8", "--no-prove", "-o", "out").code == 130
    assert sorted(path.name for path in here.iterdir()) == ["samples.npz", "small"]
