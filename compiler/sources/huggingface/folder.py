"""A checkpoint folder as a model: configuration and weights are read where they lie, the tokenizer goes along."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx_ir as ir

from ....errors import ModelError
from ...loading.safetensors import read_safetensors
from ..built import Built
from ..decoder.build import build
from ..decoder.genai import GENAI_CONFIG, genai_config
from .config import decoder_config

__all__ = ["is_checkpoint", "read_checkpoint"]

_CONFIG = "config.json"
_GENERATION = "generation_config.json"
_INDEX = "model.safetensors.index.json"
_WHOLE = "model.safetensors"
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
# What a tokenizer is made of; chat templates tell how a conversation is written.
_TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", "chat_template.jinja", _GENERATION,
)  # fmt: skip
# Frequencies that old checkpoints keep although they follow from the configuration.
_DERIVED = "rotary_emb.inv_freq"


def is_checkpoint(path: Path) -> bool:
    """Whether a path is a folder with a configuration and weights of Hugging Face."""
    if not (path / _CONFIG).is_file():
        return False
    return any((path / name).is_file() for name in (_INDEX, _WHOLE, *_PICKLES)) or any(path.glob("model-*.safetensors"))


def read_checkpoint(folder: Path, origin: str) -> Built:
    """Build the model of a checkpoint.

    Args:
        folder: Absolute path of a folder for which `is_checkpoint` holds.
        origin: How messages call it.

    Raises:
        ModelError: It is of a kind that cannot be built, incomplete, or its parts do not belong together.
    """
    said = _read_json(folder / _CONFIG, f"{origin}/{_CONFIG}")
    generation = _read_json(folder / _GENERATION, f"{origin}/{_GENERATION}") if (folder / _GENERATION).is_file() else {}
    config = decoder_config(said, generation, f"{origin}/{_CONFIG}")
    shards = _shards(folder, origin)
    weights = _Weights(shards, origin)
    model = build(config, weights, origin=origin)
    tied = {"lm_head.weight"} if config.tied else set()
    left = sorted(name for name in weights if name not in weights.used | tied and not name.endswith(_DERIVED))
    if left:
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""
        raise ModelError(
            origin,
            f"has weights that a {config.architecture} of its configuration has not: {', '.join(left[:3])}{more}",
            remedy="Check that configuration and weights belong together",
        )
    beside = [folder / name for name in _TOKENIZER if (folder / name).is_file()]
    return Built(
        model=model,
        files=tuple(file.resolve() for file in (folder / _CONFIG, *shards, *beside)),
        companions={**{file.name: file.read_bytes() for file in beside}, GENAI_CONFIG: genai_config(config)},
    )


class _Weights(Mapping[str, ir.TensorProtocol]):
    """The weights of all shards; remembers which were asked for."""

    def __init__(self, shards: list[Path], origin: str) -> None:
        self.used: set[str] = set()
        self._tensors: dict[str, ir.TensorProtocol] = {}
        for shard in shards:
            where = f"{origin}/{shard.name}"
            for name, tensor in read_safetensors(shard, where).items():
                if not tensor.dtype.is_floating_point():
                    raise ModelError(
                        f"{where}, weight {name!r}",
                        f"holds {tensor.dtype.name}, not floats: the checkpoint is quantized already",
                        remedy="Give the checkpoint it was quantized from: --scheme says how small it becomes",
                    )
                self._tensors[name] = tensor

    def __getitem__(self, name: str) -> ir.TensorProtocol:
        self.used.add(name)
        return self._tensors[name]

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


def _shards(folder: Path, origin: str) -> list[Path]:
    """The files of weights."""
    if (folder / _INDEX).is_file():
        where = f"{origin}/{_INDEX}"
        named = _read_json(folder / _INDEX, where).get("weight_map")
        if not isinstance(named, Mapping) or not all(Path(str(each)).name == each for each in named.values()):
            raise ModelError(where, "names no files of this folder", remedy="Copy the checkpoint again")
        names = sorted(set(named.values()))
    elif (folder / _WHOLE).is_file():
        names = [_WHOLE]
    else:
        names = sorted(file.name for file in folder.glob("model-*.safetensors"))
    if not names:
        raise ModelError(
            origin,
            "holds pickled weights (pytorch_model.bin), which would run code when they are read",
            remedy="Save it again with model.save_pretrained(folder, safe_serialization=True)",
        )
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ModelError(origin, f"lacks {missing[0]!r}, which {_INDEX} names", remedy="Copy the checkpoint again")
    return [folder / name for name in names]


def _read_json(file: Path, where: str) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(where, f"cannot be read: {error}", remedy="Copy the checkpoint again") from error
    if not isinstance(values, dict):
        raise ModelError(where, "is not a JSON object", remedy="Copy the checkpoint again")
    return values
