"""Write a bundle's weights as a GGUF file: its blocks as Q4_0, Q4_1 or Q8_0, everything else as floats."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import Bundle
from ..errors import ModelError, OptionError, OutputError
from ..passes.weight_only.blocks import Blocks
from ..targets.policy import MEASURED_CODEBOOKS
from .exporting.decoder import Rotary, decoder_metadata, in_pairs
from .exporting.gguf_blocks import Packed, pack
from .exporting.matrices import Weight, unpack, weights_of
from .exporting.tokenizer import tokenizer_metadata
from .exporting.write_gguf import write_gguf
from .generating.tokenizer import TOKENIZER
from .load import load_model
from .sources.decoder.genai import GENAI_CONFIG
from .sources.gguf.names import gguf_name

__all__ = ["Exported", "export"]

_SUFFIX = ".gguf"
_TABLES = ("cos_cache", "sin_cache")


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        file: The file.
        types: How many tensors there are of each type.
        lost: The largest relative change of a scale or minimum, which GGUF keeps as halves; 0 where all were.
        notes: What the user should know.
    """

    file: Path
    types: Mapping[str, int]
    lost: float
    notes: tuple[str, ...]


def export(bundle: Bundle | str | Path, file: str | Path, *, overwrite: bool = False) -> Exported:
    """Write a bundle's weights as GGUF. A decoder that edgec built is a model that reads back; others are tensors.

    Args:
        bundle: The bundle, or its folder.
        file: Where to; its name ends in `.gguf`.
        overwrite: Replace a file that is there.

    Raises:
        BundleError: It is no bundle.
        ModelError: A weight is stored with corrections that GGUF has no place for.
        MissingExtraError: The `gguf` package is not installed.
        OptionError: The file is called otherwise.
        OutputError: It is there already, or cannot be written.
    """
    opened = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
    file = Path(file)
    if file.suffix != _SUFFIX:
        raise OptionError(str(file), "is no name of a GGUF file", remedy="Let it end in .gguf")
    if file.exists() and not overwrite:
        raise OutputError(str(file), "is there already", remedy="Give another name, or --overwrite")
    scheme = str(opened.manifest.get("scheme", ""))
    if scheme in MEASURED_CODEBOOKS:
        raise ModelError(
            str(opened.path),
            f"stores its matrices behind a change of their inputs (scheme {scheme}), which GGUF has no place for",
            remedy="Compile it with another scheme, say w3 or w4",
        )
    model = load_model(opened.model, opset_floor=1, already_quantized="accept").model
    unpack(model)
    decoder = decoder_metadata(opened, model)
    metadata, rotary = decoder or ({"general.architecture": "edgec"}, Rotary(0.0, None))
    notes: tuple[str, ...] = ()
    if decoder is None:
        notes += ("no decoder that edgec built: tensors by their names, no model",)
    tensors: dict[str, Packed | np.ndarray] = {}
    lost = 0.0
    for weight in weights_of(model):
        if decoder is not None and weight.name in _TABLES:
            continue
        stored, why = _stored(weight, str(opened.path))
        heads = in_pairs(metadata, weight.name) if decoder is not None else 0
        if heads:
            stored = _in_pairs(stored, heads)
        if isinstance(stored, Packed):
            lost = max(lost, stored.lost)
        notes += why
        tensors[gguf_name(weight.name) or weight.name] = stored
    if rotary.factors is not None:
        tensors["rope_freqs.weight"] = rotary.factors
    if decoder is not None:
        tokens, said = _tokenizer(opened)
        metadata, notes = {**metadata, **tokens}, (*notes, *said)
    try:
        write_gguf(file, metadata, tensors)
    except OSError as error:
        raise OutputError(
            str(file), f"cannot be written ({error.strerror or error})", remedy="Check the folder and its permissions"
        ) from error
    kinds = Counter(each.kind if isinstance(each, Packed) else _floats(each) for each in tensors.values())
    return Exported(file=file, types=dict(sorted(kinds.items())), lost=lost, notes=notes)


def _stored(weight: Weight, where: str) -> tuple[Packed | np.ndarray, tuple[str, ...]]:
    """A weight as GGUF has it, and a note where it has no type for its blocks."""
    if re.search(r"_rest(_|/|$)", weight.name):
        raise ModelError(
            f"{where}, weight {weight.name!r}",
            "is what blocks with minima leave over, which GGUF has no place for beside them",
            remedy="Give the GGUF file it was compiled from",
        )
    if not isinstance(weight.value, Blocks):
        return _narrow(weight.value), ()
    packed = pack(weight.value)
    if isinstance(packed, Packed):
        return packed, ()
    return weight.value.real, (f"{weight.name}: {packed}, it is written as floats",)


def _narrow(array: np.ndarray) -> np.ndarray:
    """A matrix of numbers that are halves all as halves."""
    if array.ndim == 1 or array.dtype != np.float32:
        return array
    with np.errstate(over="ignore"):
        halves = array.astype(np.float16)
    return halves if np.array_equal(halves.astype(np.float32), array) else array


def _in_pairs(stored: Packed | np.ndarray, heads: int) -> Packed | np.ndarray:
    """Rows of halves per head as pairs of neighbours."""
    rows = len(stored.data) if isinstance(stored, Packed) else len(stored)
    order = np.arange(rows).reshape(heads, 2, -1).swapaxes(1, 2).reshape(-1)
    if isinstance(stored, Packed):
        return Packed(kind=stored.kind, data=stored.data[order], lost=stored.lost)
    return stored[order]


def _tokenizer(bundle: Bundle) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The tokenizer's metadata, and a note where there are none."""
    file = bundle.path / TOKENIZER
    said = tokenizer_metadata(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None
    if said is None:
        return {"tokenizer.ggml.model": "no_vocab"}, ("no tokenizer that GGUF has a name for goes along",)
    model = json.loads((bundle.path / GENAI_CONFIG).read_text(encoding="utf-8"))["model"]
    eos = model.get("eos_token_id")
    first = eos[0] if isinstance(eos, list) and eos else eos
    ends = {"bos": model.get("bos_token_id"), "eos": first}
    ids = {f"tokenizer.ggml.{name}_token_id": k for name, k in ends.items() if isinstance(k, int)}
    whole = json.loads(file.read_text(encoding="utf-8")).get("post_processor") or {}
    begins = any("SpecialToken" in each for each in whole.get("single", ())[:1])
    return {**said, **ids, "tokenizer.ggml.add_bos_token": begins}, ()


def _floats(array: np.ndarray) -> str:
    return "F16" if array.dtype == np.float16 else "F32"
