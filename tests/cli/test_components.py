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
    ],
)
def test_refuses_in_words(edgec: Edgec, here: Path, words: tuple[str, ...], message: str) -> None:
    np.savez(here / "features.npz", audio_features=np.zeros((2, 6, 20), np.float32))

    answer = edgec("compile", "small", "--scheme", "w8", "-o", "out", *words)

    assert answer.code == 2
    assert " ".join(answer.err.split()) == message
    assert not (here / "out").exists()
