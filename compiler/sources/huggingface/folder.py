"""A checkpoint folder as a model: configuration and weights are read where they lie, the tokenizer goes along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ....errors import ModelError
from ..built import Built
from ..decoder.build import build
from ..decoder.genai import GENAI_CONFIG, genai_config
from ..encoder_decoder.config import PARTS, Part
from .config import decoder_config
from .reading import read_json
from .shards import INDEX, PICKLES, WHOLE, Shards, shards_of
from .speech import WHISPER, joining_files, read_speech

__all__ = ["files_beside", "is_checkpoint", "part_of", "parts_of", "read_checkpoint"]

_CONFIG = "config.json"
_GENERATION = "generation_config.json"
# What a tokenizer is made of; chat templates tell how a conversation is written.
_TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", "chat_template.jinja", _GENERATION,
)  # fmt: skip
# Frequencies that old checkpoints keep although they follow from the configuration.
_DERIVED = ("rotary_emb.inv_freq",)


def is_checkpoint(path: Path) -> bool:
    """Whether a path is a folder with a configuration and weights of Hugging Face."""
    if not (path / _CONFIG).is_file():
        return False
    return any((path / name).is_file() for name in (INDEX, WHOLE, *PICKLES)) or any(path.glob("model-*.safetensors"))


def part_of(path: Path) -> tuple[Path, Part | None]:
    """`folder#encoder` or `folder/#encoder` → the folder of a checkpoint, and which part of it; others as they are."""
    name, mark, part = path.name.rpartition("#")
    folder = path.with_name(name) if name else path.parent
    for each in PARTS:
        if mark and each == part and not path.exists() and is_checkpoint(folder):
            return folder, each
    return path, None


def parts_of(folder: Path, origin: str) -> tuple[Part, ...]:
    """The models of a checkpoint that has several; empty where it is one.

    Raises:
        ModelError: Its configuration cannot be read.
    """
    said, _ = _configuration(folder, origin)
    return PARTS if said.get("model_type") == WHISPER else ()


def files_beside(folder: Path, origin: str) -> dict[str, bytes]:
    """What ships beside the models of a checkpoint that has several, by name.

    Raises:
        ModelError: The checkpoint is incomplete.
    """
    said, generation = _configuration(folder, origin)
    tokenizer = {name: file.read_bytes() for name, file in _tokenizer(folder).items()}
    return {**tokenizer, **joining_files(folder, origin, said=said, generation=generation)}


def read_checkpoint(folder: Path, origin: str, part: Part | None = None) -> Built:
    """Build the model of a checkpoint.

    Args:
        folder: Absolute path of a folder for which `is_checkpoint` holds.
        origin: How messages call it.
        part: Which, of a checkpoint with an encoder and a decoder.

    Raises:
        ModelError: It is of a kind that cannot be built, incomplete, its parts do not belong together, or the part is
            missing in the path or in the checkpoint.
    """
    where = f"{origin}/{_CONFIG}"
    said, generation = _configuration(folder, origin)
    if said.get("model_type") == WHISPER:
        return read_speech(folder, origin, part, said=said, generation=generation)
    if part is not None:
        raise ModelError(origin, f"has no {part} of its own: it is one model", remedy=f"Leave #{part} out of the path")
    config = decoder_config(said, generation, where)
    files, beside = shards_of(folder, origin), _tokenizer(folder)
    weights = Shards(files, origin)
    model = build(config, weights, origin=origin)
    weights.check_all_used(("lm_head.weight",) if config.tied else (), _DERIVED, origin, config.architecture)
    return Built(
        model=model,
        files=tuple(file.resolve() for file in (folder / _CONFIG, *files, *beside.values())),
        companions={
            **{name: file.read_bytes() for name, file in beside.items()},
            GENAI_CONFIG: genai_config(config),
        },
    )


def _configuration(folder: Path, origin: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the checkpoint says of the model, and of how text is made with it."""
    said = read_json(folder / _CONFIG, f"{origin}/{_CONFIG}")
    file = folder / _GENERATION
    return said, read_json(file, f"{origin}/{_GENERATION}") if file.is_file() else {}


def _tokenizer(folder: Path) -> dict[str, Path]:
    """What the tokenizer is made of, by name."""
    return {name: folder / name for name in _TOKENIZER if (folder / name).is_file()}
