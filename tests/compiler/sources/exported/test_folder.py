"""A folder of an exported decoder and a tokenizer compiles, and answers prompts as the decoder does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from support.checkpoints import write_tokenizer
from support.exported import CONTEXT, VOCABULARY, exported
from support.numerics import run as answers

import edgec
from edgec.compiler.cli.app import run
from edgec.errors import ModelError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mine"
    made.mkdir()
    ir.save(exported(), made / "model.onnx")
    write_tokenizer(made / "tokenizer.json", VOCABULARY)
    (made / "generation_config.json").write_text(json.dumps({"bos_token_id": 1, "eos_token_id": [2, 3]}))
    return made


def greedy(tokens: list[int], most: int) -> list[int]:
    """The likeliest tokens by the decoder as it was exported, fed everything each time."""
    model, made = exported(), list(tokens)
    for _ in range(most):
        logits = answers(model, {"tokens": np.asarray([made])})["scores"]
        made.append(int(np.argmax(logits[0, -1])))
    return made[len(tokens) :]


def test_it_answers_prompts(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tokenizers", reason="needs edgec[llm]")
    bundle = edgec.compile(
        folder, target="host", scheme="float", output=tmp_path / "out", prove=False, cache=False, report=False
    )

    assert "tokens are read with a cache: 2 layers, at most 32 tokens" in bundle.manifest["notes"]
    assert run(["run", str(bundle.path), "--prompt", "w5 w6 w7", "--max-new-tokens", "8"]) == 0
    expected = [token for token in greedy([1, 5, 6, 7], 8) if token > 2]
    said = capsys.readouterr().out.split()
    assert said == [f"w{token}" for token in expected][: len(said)]
    assert said
    model = json.loads((bundle.path / "genai_config.json").read_text())["model"]
    assert (model["context_length"], model["vocab_size"], model["bos_token_id"]) == (CONTEXT, VOCABULARY, 1)
    assert model["eos_token_id"] == [2, 3]
    assert model["decoder"]["num_key_value_heads"] == 2


def test_the_same_files_make_the_same_digest(folder: Path) -> None:
    from edgec.compiler.load import load_model

    first = load_model(folder).digest

    assert load_model(folder).digest == first
    write_tokenizer(folder / "tokenizer.json", VOCABULARY - 1)
    assert load_model(folder).digest != first


def test_tokens_of_another_tokenizer(folder: Path) -> None:
    from edgec.compiler.load import load_model

    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": 64}))

    with pytest.raises(ModelError) as caught:
        load_model(folder)

    assert str(caught.value) == (
        f"{folder}: eos_token_id: [64] is beyond the 64 tokens of the model's logits."
        " Put the tokenizer of this model beside it."
    )


def test_a_folder_without_a_tokenizer_is_none(folder: Path) -> None:
    from edgec.compiler.sources.exported.folder import is_exported

    (folder / "tokenizer.json").unlink()

    assert not is_exported(folder)
