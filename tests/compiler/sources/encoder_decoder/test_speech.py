"""Whisper checkpoints: two models of one folder, which answer as their equations do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.speech import logits, small_config, small_weights, states, write_whisper

from edgec.compiler.load import load_model
from edgec.compiler.materialize import materialize
from edgec.compiler.sources.encoder_decoder.config import EncoderDecoderConfig
from edgec.errors import ModelError
from edgec.runtimes.base import Session
from edgec.runtimes.ort import OrtCpu

FEATURES = np.random.default_rng(5).standard_normal((2, 6, 20)).astype(np.float32)
TOKENS = np.random.default_rng(6).integers(0, 37, (2, 9))


def said_step_by_step(config: EncoderDecoderConfig, encoder: Session, decoder: Session) -> np.ndarray:
    """Logits of a prompt of four tokens, and of those after it one by one; the encoder runs once."""
    known = encoder.run({"audio_features": FEATURES})
    size = config.hidden // config.decoder_heads
    feeds = {name.replace("present", "past"): each for name, each in known.items() if "_cross_" in name}
    for number in range(config.decoder_layers):
        for kind in ("key", "value"):
            feeds[f"past_{kind}_self_{number}"] = np.zeros((2, config.decoder_heads, 0, size), np.float32)
    parts = []
    for tokens in (TOKENS[:, :4], *np.split(TOKENS[:, 4:], 5, axis=1)):
        answer = decoder.run({**feeds, "input_ids": tokens.astype(np.int32)})
        parts.append(answer.pop("logits"))
        feeds |= {name.replace("present", "past"): each for name, each in answer.items()}
    return np.concatenate(parts, 1)


def open_part(folder: Path, part: str) -> Session:
    with materialize(load_model(f"{folder}#{part}").model) as opened:
        return OrtCpu().open(opened)


@pytest.mark.parametrize("scaled", [False, True])
def test_both_answer_as_their_equations_do(tmp_path: Path, scaled: bool) -> None:
    config = small_config(scaled=scaled)
    weights = small_weights(config)
    folder = write_whisper(tmp_path / "small", config, weights)
    encoder, decoder = (open_part(folder, part) for part in ("encoder", "decoder"))

    heard = [states(config, weights, each) for each in FEATURES]
    wanted = np.stack([logits(config, weights, each, row) for each, row in zip(heard, TOKENS, strict=True)])
    found = encoder.run({"audio_features": FEATURES})["hidden_states"]

    assert np.abs(found - np.stack(heard)).max() < 1e-5 * np.abs(heard).max()
    assert np.abs(said_step_by_step(config, encoder, decoder) - wanted).max() < 1e-5 * np.abs(wanted).max()


def test_keys_and_values_across_are_inputs_of_the_decoder_and_never_computed_there(tmp_path: Path) -> None:
    config = small_config()
    decoder = load_model(f"{write_whisper(tmp_path / 'small', config, small_weights(config))}#decoder").model

    stored = [name for name in decoder.graph.initializers if ".encoder_attn.k_proj" in name or "_attn.v_proj" in name]

    assert [name for name in stored if "encoder_attn" in name] == []
    assert decoder.graph.inputs[-1].name == "past_value_cross_2"


def test_parts_differ_in_their_digest_and_share_their_files(tmp_path: Path) -> None:
    config = small_config()
    folder = write_whisper(tmp_path / "small", config, small_weights(config))
    encoder, decoder = (load_model(f"{folder}#{part}") for part in ("encoder", "decoder"))

    assert encoder.files == decoder.files == (folder / "config.json", folder / "model.safetensors")
    assert encoder.digest != decoder.digest


@pytest.mark.torch
def test_both_answer_as_transformers_does(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs edgec[torch]")
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    config = small_config()
    weights = small_weights(config)
    folder = write_whisper(tmp_path / "small", config, weights)
    encoder, decoder = (open_part(folder, part) for part in ("encoder", "decoder"))

    module = transformers.WhisperForConditionalGeneration.from_pretrained(folder).eval()
    with torch.no_grad():
        wanted = module(input_features=torch.tensor(FEATURES), decoder_input_ids=torch.tensor(TOKENS)).logits.numpy()

    assert np.abs(said_step_by_step(config, encoder, decoder) - wanted).max() < 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize(
    ("part", "changed", "message"),
    [
        (
            "",
            {},
            "small: has an encoder and a decoder, which are two models. "
            "Name one: small#encoder or small#decoder; `edgec compile small` makes both.",
        ),
        (
            "#encoder",
            {"activation_function": "relu"},
            "small/config.json: has the activation 'relu'; built is gelu. "
            "Export it to ONNX with the code that defines it, and give the .onnx file.",
        ),
        (
            "#decoder",
            {"d_model": 25},
            "small/config.json: describes no model that runs: hidden: 25 is no multiple of encoder_heads, 4. "
            "Export it to ONNX with the code that defines it, and give the .onnx file.",
        ),
        (
            "#encoder",
            {"decoder_start_token_id": 37},
            "small/config.json: describes no model that runs: token 37 is beyond its vocabulary of 37. "
            "Export it to ONNX with the code that defines it, and give the .onnx file.",
        ),
        ("#decoder", {"d_model": None}, "small/config.json: has no 'd_model'. Copy the checkpoint again."),
        (
            "#encoder",
            {"max_source_positions": 11},
            "small, weight 'model.encoder.embed_positions.weight': is [10, 24], its configuration needs [11, 24]. "
            "Check that configuration and weights belong together.",
        ),
        (
            "#encoder",
            {"decoder_layers": 2},
            "small: has weights that a whisper of its configuration has not: "
            "model.decoder.layers.2.encoder_attn.k_proj.weight, model.decoder.layers.2.encoder_attn.out_proj.bias, "
            "model.decoder.layers.2.encoder_attn.out_proj.weight and 21 more. "
            "Check that configuration and weights belong together.",
        ),
        (
            "#decoder",
            {"decoder_layers": 4},
            "small: has no weight 'model.decoder.layers.3.encoder_attn.k_proj.weight'. "
            "Copy the checkpoint again, or check its configuration.",
        ),
    ],
)
def test_what_cannot_be_built_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, changed: dict[str, object], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    config = small_config()
    write_whisper(tmp_path / "small", config, small_weights(config), **changed)

    with pytest.raises(ModelError) as caught:
        load_model(f"small{part}")
    assert str(caught.value) == message


def test_a_checkpoint_of_one_model_has_no_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    from support.checkpoints import write_checkpoint
    from support.decoders import tiny_config, tiny_weights

    config = tiny_config()
    write_checkpoint(tmp_path / "tiny", config, tiny_weights(config))

    with pytest.raises(ModelError) as caught:
        load_model("tiny#encoder")
    assert str(caught.value) == "tiny: has no encoder of its own: it is one model. Leave #encoder out of the path."
