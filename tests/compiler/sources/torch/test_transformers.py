"""Checkpoints that `transformers` builds, offline: text, pictures, sound, and decoders with their cache."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from edgec.compiler.load import load_model
from edgec.compiler.sources.torch.model import TorchModel, is_torch
from edgec.errors import ModelError, OptionError

torch = pytest.importorskip("torch", reason="needs edgec[torch]")
pytest.importorskip("onnxscript", reason="needs edgec[torch]")
safetensors = pytest.importorskip("safetensors.torch", reason="needs edgec[torch]")
transformers = pytest.importorskip("transformers", reason="needs edgec[transformers]")
pytestmark = pytest.mark.torch

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
TEXT = {**SMALL, "vocab_size": 40, "max_position_embeddings": 48}
SPEECH = {"conv_dim": (8, 8), "conv_stride": (5, 4), "conv_kernel": (10, 8), "num_feat_extract_layers": 2}


def checkpoint(folder: Path, kind: str, **config: object) -> Path:
    """A folder of random weights, saved as their users save it."""
    model_type = getattr(transformers, kind)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        model_type(model_type.config_class(**config)).save_pretrained(folder)
    return folder


def run(model: ir.Model, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds), strict=True))


def near(made: np.ndarray, wanted: object) -> bool:
    want = wanted.detach().numpy()  # type: ignore[attr-defined]
    return bool(made.shape == want.shape and np.abs(made - want).max() <= 1e-4 * np.abs(want).max())


def test_an_encoder_of_text(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "bert", "BertForSequenceClassification", **TEXT)
    (folder / "vocab.txt").write_text("a\nb\n", encoding="utf-8")
    assert is_torch(folder)
    built = TorchModel(given=folder).export()
    assert {str(value.name): str(value.shape) for value in built.model.graph.inputs} == dict.fromkeys(
        ("input_ids", "attention_mask", "token_type_ids"), "[batch,length]"
    )
    assert built.companions["vocab.txt"] == b"a\nb\n"
    names = {node.name for node in built.model.graph}
    assert "/bert/encoder/layer.0/attention/self/query/MatMul" in names
    ids = np.arange(14).reshape(2, 7)
    mask = np.ones_like(ids)
    mask[1, 4:] = 0
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    module = transformers.BertForSequenceClassification.from_pretrained(folder).eval()
    wanted = module(**{name: torch.from_numpy(value) for name, value in feeds.items()})
    assert near(run(built.model, feeds)["logits"], wanted.logits)


def test_a_vision_transformer_in_the_form_that_runtimes_fuse(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "vit", "ViTForImageClassification", **SMALL, image_size=16, patch_size=8)
    built = TorchModel(given=folder).export()
    ops = [node.op_type for node in built.model.graph]
    assert (ops.count("LayerNormalization"), ops.count("Gelu"), ops.count("Softmax")) == (3, 1, 1)
    assert not {"Where", "Erf", "IsNaN", "Sqrt", "ReduceMean"} & set(ops)
    image = np.random.default_rng(0).random((3, 3, 16, 16), dtype=np.float32)
    wanted = transformers.ViTForImageClassification.from_pretrained(folder).eval()(torch.from_numpy(image))
    assert near(run(built.model, {"pixel_values": image})["logits"], wanted.logits)


def test_an_encoder_of_speech(tmp_path: Path) -> None:
    folder = checkpoint(
        tmp_path / "speech", "Wav2Vec2ForCTC", **SMALL, **SPEECH, vocab_size=12, num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    built = TorchModel(given=folder).export()
    assert str(built.model.graph.inputs[0].shape) == "[batch,samples]"
    sound = np.random.default_rng(0).standard_normal((1, 5000)).astype(np.float32)
    wanted = transformers.Wav2Vec2ForCTC.from_pretrained(folder).eval()(torch.from_numpy(sound))
    assert near(run(built.model, {"input_values": sound})["logits"], wanted.logits)


def test_a_decoder_keeps_its_cache_outside(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "neox", "GPTNeoXForCausalLM", **TEXT)
    model = TorchModel(given=folder).export().model
    shapes = {str(value.name): str(value.shape) for value in model.graph.inputs}
    assert shapes == {
        "input_ids": "[batch,length]",
        "attention_mask": "[batch,total]",
        "past_key_values.0.key": "[batch,2,past,8]",
        "past_key_values.0.value": "[batch,2,past,8]",
    }
    assert "/gpt_neox/layers.0/attention/query_key_value/MatMul" in {node.name for node in model.graph}
    ids = np.arange(1, 7)[None]
    whole = transformers.GPTNeoXForCausalLM.from_pretrained(folder).eval()(torch.from_numpy(ids)).logits
    empty = np.zeros((1, 2, 0, 8), np.float32)
    past = {"past_key_values.0.key": empty, "past_key_values.0.value": empty}
    first = run(model, {"input_ids": ids[:, :4], "attention_mask": np.ones((1, 4), np.int64), **past})
    past = {f"past_key_values.0.{kind}": first[f"present.0.{kind}"] for kind in ("key", "value")}
    rest = run(model, {"input_ids": ids[:, 4:], "attention_mask": np.ones((1, 6), np.int64), **past})
    assert near(np.concatenate([first["logits"], rest["logits"]], 1), whole)


def refusal(model: TorchModel) -> str:
    with pytest.raises((ModelError, OptionError)) as caught:
        model.export()
    return str(caught.value).replace(str(model.given), "folder")


def test_folders_that_cannot_be_built(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "opt", "GPTNeoXForCausalLM", **TEXT)
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    shutil.copy(folder / "config.json", pickled)
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x02")
    assert refusal(TorchModel(given=pickled)) == (
        "folder: holds pickled weights (pytorch_model.bin), which would run code when they are read. Save it again "
        "with model.save_pretrained(folder, safe_serialization=True)."
    )
    assert refusal(TorchModel(given=folder, weights=Path("w.pth"))) == (
        "--weights w.pth: does not go with folder: its folder has them. Leave it out."
    )
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "newer", "architectures": ["NewerModel"]}))
    install = "Install the transformers that it was saved with, or give the code that builds it: package.module:build."
    version = transformers.__version__
    assert refusal(TorchModel(given=folder)) == (
        f"folder/config.json: architectures: transformers {version} has no model 'NewerModel'. {install}"
    )
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "newer", "architectures": None}))
    said = refusal(TorchModel(given=folder))
    assert said.startswith(f"folder: cannot be built by transformers {version}: ")
    assert said.endswith(f". {install}")


def test_weights_that_a_checkpoint_lacks_are_not_made_up(tmp_path: Path) -> None:
    """transformers draws them at random; what only training reads may be missing."""
    folder = checkpoint(tmp_path / "bert", "BertModel", **TEXT)
    stored = safetensors.load_file(folder / "model.safetensors")
    lost = "encoder.layer.0.attention.self.query.weight"
    left = {name: weight for name, weight in stored.items() if name != lost}
    safetensors.save_file(left, folder / "model.safetensors", metadata={"format": "pt"})
    assert refusal(TorchModel(given=folder)) == (
        f"folder: lacks weights of a BertModel: {lost}. Copy the checkpoint again, or name the class that it was saved "
        "from under architectures in config.json."
    )
    heard = checkpoint(tmp_path / "wav2vec2", "Wav2Vec2Model", **SMALL, **SPEECH)
    stored = safetensors.load_file(heard / "model.safetensors")
    del stored["masked_spec_embed"]
    safetensors.save_file(stored, heard / "model.safetensors", metadata={"format": "pt"})
    assert load_model(heard).digest == load_model(heard).digest


def test_what_ships_with_a_model_counts_in_its_digest(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "bert", "BertModel", **TEXT)
    digests = [load_model(folder).digest]
    for words in ("a\nb\n", "a\nc\n"):
        (folder / "vocab.txt").write_text(words, encoding="utf-8")
        digests.append(load_model(folder).digest)
    assert len(set(digests)) == 3


def test_decoders_that_are_built_here_stay_here(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "llama", "LlamaForCausalLM", **TEXT)
    assert not is_torch(folder)
