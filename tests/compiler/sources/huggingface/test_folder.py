"""Checkpoint folders: the model that was saved, or what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.checkpoints import config_json, write_checkpoint, write_safetensors
from support.decoders import feeds_of, reference_logits, tiny_config, tiny_weights

from edgec.compiler.load import load_model
from edgec.compiler.materialize import materialize
from edgec.compiler.sources.decoder import Rope
from edgec.compiler.sources.huggingface import is_checkpoint, read_checkpoint
from edgec.compiler.sources.huggingface.config import decoder_config
from edgec.errors import ModelError
from edgec.runtimes.ort import OrtCpu

TOKENS = np.random.default_rng(7).integers(0, 61, 9)


@pytest.mark.parametrize(("dtype", "shards"), [("float32", 1), ("float16", 2), ("bfloat16", 3)])
def test_a_folder_answers_as_its_equations_do(tmp_path: Path, dtype: str, shards: int) -> None:
    config = tiny_config()
    folder = write_checkpoint(tmp_path / "tiny", config, tiny_weights(config), dtype=dtype, shards=shards)
    loaded = load_model(folder)

    with materialize(loaded.model) as opened:
        answer = OrtCpu().open(opened).run(feeds_of(config, TOKENS))["logits"][0]

    stored = {
        name: array.astype("float16" if dtype == "float16" else np.float32)
        for name, array in tiny_weights(config).items()
    }
    if dtype == "bfloat16":
        stored = {name: _bfloat16(array) for name, array in stored.items()}
    wanted = reference_logits(config, stored, TOKENS)
    assert np.abs(answer - wanted).max() < 1e-5 * np.abs(wanted).max()
    assert loaded.files[0].name == "config.json"
    assert len(loaded.files) == 1 + shards + 1  # and the tokenizer


def test_the_tokenizer_and_a_configuration_for_genai_go_along(tmp_path: Path) -> None:
    config = tiny_config(tied=True)
    folder = write_checkpoint(tmp_path / "tiny", config, tiny_weights(config))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 5], "bos_token_id": None}))

    companions = load_model(folder).companions

    assert sorted(companions) == ["genai_config.json", "generation_config.json", "tokenizer.json"]
    assert companions["tokenizer.json"] == (folder / "tokenizer.json").read_bytes()
    said = json.loads(companions["genai_config.json"])
    assert said["model"] == {
        "type": "llama",
        "bos_token_id": 1,
        "eos_token_id": [2, 5],
        "pad_token_id": 2,
        "context_length": 40,
        "vocab_size": 61,
        "decoder": {
            "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
            "filename": "model.onnx",
            "head_size": 16,
            "hidden_size": 48,
            "num_attention_heads": 6,
            "num_hidden_layers": 2,
            "num_key_value_heads": 2,
            "inputs": {
                "input_ids": "input_ids",
                "attention_mask": "attention_mask",
                "past_key_names": "past_key_values.%d.key",
                "past_value_names": "past_key_values.%d.value",
            },
            "outputs": {
                "logits": "logits",
                "present_key_names": "present.%d.key",
                "present_value_names": "present.%d.value",
            },
        },
    }
    assert said["search"] == {"max_length": 40, "past_present_share_buffer": True, "do_sample": False}


def test_the_digest_is_that_of_configuration_and_weights(tmp_path: Path) -> None:
    config = tiny_config()
    first = load_model(write_checkpoint(tmp_path / "a", config, tiny_weights(config))).digest
    again = load_model(write_checkpoint(tmp_path / "b", config, tiny_weights(config))).digest
    other = load_model(write_checkpoint(tmp_path / "c", config, tiny_weights(config, seed=1))).digest

    assert first == again != other
    (tmp_path / "b" / "tokenizer.json").write_text("{}")
    assert load_model(tmp_path / "b").digest != first


def test_defaults_are_those_of_transformers() -> None:
    said = {
        "model_type": "qwen2",
        "vocab_size": 10,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "max_position_embeddings": 32,
        "sliding_window": 16,
        "use_sliding_window": False,
        "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e6},
    }

    found = decoder_config(said, {}, "config.json")

    assert (found.kv_heads, found.head_size, found.window, found.epsilon) == (4, 16, 0, 1e-6)
    assert (found.qkv_bias, found.output_bias, found.tied, found.qk_norm) == (True, False, False, False)
    assert found.rope == Rope(theta=1e6, scaling="linear", factor=2.0)
    assert (found.bos, found.eos, found.pad) == (None, (), None)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"model_type": "gpt2"},
            "tiny/config.json: is a model of type 'gpt2'; built are llama, mistral, qwen2, qwen3. Export it to ONNX "
            "with the code that defines it, and give the .onnx file.",
        ),
        (
            {"architectures": ["LlamaForSequenceClassification"]},
            "tiny/config.json: is a LlamaForSequenceClassification, which is no language model with a head. Export it "
            "to ONNX with the code that defines it, and give the .onnx file.",
        ),
        (
            {"quantization_config": {"quant_method": "gptq"}},
            "tiny/config.json: says that the weights are quantized already (gptq). Give the checkpoint it was "
            "quantized from: --scheme says how small it becomes.",
        ),
        (
            {"hidden_act": "gelu"},
            "tiny/config.json: has the activation 'gelu'; built is silu. Export it to ONNX with the code that defines "
            "it, and give the .onnx file.",
        ),
        (
            {"rope_scaling": {"type": "yarn", "factor": 4.0}},
            "tiny/config.json: has rotary positions that cannot be built: scaling: 'yarn' is not one of default, "
            "linear, llama3. Export it to ONNX with the code that defines it, and give the .onnx file.",
        ),
        (
            {"partial_rotary_factor": 0.5},
            "tiny/config.json: turns a part of every head only (partial_rotary_factor 0.5). Export it to ONNX with "
            "the code that defines it, and give the .onnx file.",
        ),
        (
            {"hidden_size": "48"},
            "tiny/config.json: hidden_size: '48' is not a whole number. Copy the checkpoint again.",
        ),
        ({"vocab_size": None}, "tiny/config.json: has no 'vocab_size'. Copy the checkpoint again."),
        (
            {"eos_token_id": ["</s>"]},
            "tiny/config.json: eos_token_id: ['</s>'] is no token. Mend it: tokens are numbers from 0.",
        ),
        (
            {"head_dim": 12},
            "tiny/config.json: describes no decoder that runs: head_size: 12 is no multiple of 8, as the kernel of "
            "GroupQueryAttention needs. Export it to ONNX with the code that defines it, and give the .onnx file.",
        ),
        (
            {"num_hidden_layers": 1},
            "tiny: has weights that a llama of its configuration has not: model.layers.1.input_layernorm.weight, "
            "model.layers.1.mlp.down_proj.weight, model.layers.1.mlp.gate_proj.weight and 6 more. Check that "
            "configuration and weights belong together.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_refused_by_name(tmp_path: Path, changed: dict[str, object], message: str) -> None:
    config = tiny_config()
    folder = write_checkpoint(tmp_path / "tiny", config, tiny_weights(config), **changed)
    with pytest.raises(ModelError) as error:
        read_checkpoint(folder, "tiny")
    assert str(error.value) == message


def test_files_that_are_not_there_or_not_floats_are_refused(tmp_path: Path) -> None:
    config = tiny_config()
    weights = tiny_weights(config)

    sharded = write_checkpoint(tmp_path / "sharded", config, weights, shards=2)
    (sharded / "model-00002-of-00002.safetensors").unlink()
    assert _refused(sharded) == (
        "folder: lacks 'model-00002-of-00002.safetensors', which model.safetensors.index.json names. Copy the "
        "checkpoint again."
    )

    outside = write_checkpoint(tmp_path / "outside", config, weights, shards=2)
    (outside / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../b.safetensors"}}))
    assert _refused(outside) == (
        "folder/model.safetensors.index.json: names no files of this folder. Copy the checkpoint again."
    )

    packed = write_checkpoint(tmp_path / "packed", config, weights)
    write_safetensors(packed / "model.safetensors", {"lm_head.weight": np.zeros((61, 48), np.int8)})
    assert _refused(packed) == (
        "folder/model.safetensors, weight 'lm_head.weight': holds INT8, not floats: the checkpoint is quantized "
        "already. Give the checkpoint it was quantized from: --scheme says how small it becomes."
    )

    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text(json.dumps(config_json(config)))
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x02")
    assert _refused(pickled) == (
        "folder: holds pickled weights (pytorch_model.bin), which would run code when they are read. Save it again "
        "with model.save_pretrained(folder, safe_serialization=True)."
    )

    broken = write_checkpoint(tmp_path / "broken", config, weights)
    (broken / "config.json").write_text("[]")
    assert _refused(broken) == "folder/config.json: is not a JSON object. Copy the checkpoint again."


def test_other_folders_are_no_checkpoints(tmp_path: Path) -> None:
    assert not is_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert not is_checkpoint(tmp_path)
    assert not is_checkpoint(tmp_path / "config.json")


def _refused(folder: Path) -> str:
    with pytest.raises(ModelError) as error:
        read_checkpoint(folder, "folder")
    return str(error.value)


def _bfloat16(array: np.ndarray) -> np.ndarray:
    """Rounded to the nearest number with 8 bits of significand, ties to even: the upper half of a float32's bits."""
    bits = array.astype(np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16
    return rounded.astype(np.uint32).view(np.float32)
