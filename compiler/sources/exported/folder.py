"""A folder with an exported decoder and its tokenizer: `model.onnx` or `model.pt2`, and `tokenizer.json`."""

from __future__ import annotations

from pathlib import Path

from ....errors import ModelError
from ..built import Built
from ..decoder.genai import GENAI_CONFIG, genai_config
from ..huggingface.reading import read_json, token_ids
from .adopt import Adopted, adopt

__all__ = ["is_exported", "read_exported"]

_TOKENIZER = "tokenizer.json"
_MODELS = ("model.onnx", "model.pt2")
# What tells which tokens begin and end a text, the first that does.
_SAYING = ("generation_config.json", "config.json")
_BESIDE = (_TOKENIZER, "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", *_SAYING)


def is_exported(path: Path) -> bool:
    """Whether a path is a folder with an exported model and a tokenizer."""
    return (path / _TOKENIZER).is_file() and any((path / name).is_file() for name in _MODELS)


def read_exported(folder: Path, origin: str) -> Built:
    """Make a decoder with a cache of what was exported.

    Args:
        folder: Absolute path of a folder for which `is_exported` holds.
        origin: How messages call it.

    Raises:
        ModelError: The model cannot be read, or is no decoder.
    """
    from ...load import load_model

    name = next(name for name in _MODELS if (folder / name).is_file())
    loaded = load_model(folder / name)
    found = adopt(loaded.model, f"{origin}/{name}")
    beside = {each: folder / each for each in _BESIDE if (folder / each).is_file()}
    said = _said(beside, origin)
    kept = {each: file.read_bytes() for each, file in beside.items() if each not in _SAYING}
    cached = "tokens are read with a cache: " if found.added else "its caches are kept in place: "
    return Built(
        model=loaded.model,
        files=tuple(dict.fromkeys((*loaded.files, *(file.resolve() for file in beside.values())))),
        companions={**kept, GENAI_CONFIG: genai_config(_described(found, said, origin))},
        notes=(*loaded.notes, f"{cached}{found.layers} layers, at most {found.context} tokens"),
    )


def _said(beside: dict[str, Path], origin: str) -> dict[str, tuple[int, ...]]:
    """Which tokens begin, end and fill up a text."""
    made: dict[str, tuple[int, ...]] = {}
    for name in _SAYING:
        if name in beside:
            where = f"{origin}/{name}"
            values = read_json(beside[name], where)
            for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
                made[key] = made.get(key) or token_ids(values, key, where)
    return made


def _described(found: Adopted, said: dict[str, tuple[int, ...]], origin: str) -> Adopted:
    """What was found, with the tokens that begin and end a text."""
    for key, ids in said.items():
        if any(each >= found.vocabulary for each in ids):
            raise ModelError(
                origin,
                f"{key}: {list(ids)} is beyond the {found.vocabulary} tokens of the model's logits",
                remedy="Put the tokenizer of this model beside it",
            )
    bos, pad = said.get("bos_token_id", ()), said.get("pad_token_id", ())
    return found.with_tokens(bos=bos[0] if bos else None, eos=said.get("eos_token_id", ()), pad=pad[0] if pad else None)
