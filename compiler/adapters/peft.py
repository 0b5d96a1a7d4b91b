"""Read a PEFT folder: `adapter_config.json` and `adapter_model.safetensors` become low-rank factors by module name.

W' = W + s B A, A (r, K) and B (N, r) as PEFT keeps them, s = alpha / r, or alpha / sqrt(r) with `use_rslora` (Hu 2022,
section 4.1; Kalajdzievski 2023, equation 8; peft 0.21.2, tuners/lora/layer.py, `update_layer`). What a product of two
matrices does not say is refused, never left out: weights trained whole, biases, DoRA, embeddings, convolutions.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...bundle import sha256_of
from ...errors import ModelError
from ..loading.file_tensor import FileTensor
from ..loading.safetensors import read_safetensors

__all__ = ["LowRank", "Peft", "read_peft"]

_CONFIG, _TENSORS, _PICKLE = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
_PREFIX = "base_model.model."
_FACTOR = re.compile(r"(?P<module>.+)\.lora_(?P<which>[AB])(?:\.[^.]+)?\.weight")
# Of `r` and `lora_alpha`, where the file does not say (peft 0.21.2, LoraConfig).
_DEFAULT = 8
# Initializations that change the base they were trained on, unless it is converted back when the adapter is saved.
_MOVES_BASE = ("pissa", "olora", "corda", "loftq")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LowRank:
    """What is added to one linear: x A B.

    Attributes:
        a: float32, (K, r).
        b: float32, (r, N), with the scale in it.
    """

    a: np.ndarray
    b: np.ndarray

    @property
    def rank(self) -> int:
        """Columns of A, rows of B."""
        return int(self.a.shape[1])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Peft:
    """An adapter as it was trained.

    Attributes:
        origin: The folder as given.
        digest: sha256, hex, of both its files.
        modules: What is added, by the name of the module; names as in the base model.
        notes: What the user should know.
    """

    origin: str
    digest: str
    modules: Mapping[str, LowRank]
    notes: tuple[str, ...] = ()


def read_peft(folder: str | Path) -> Peft:
    """Read an adapter; the scale is folded into B.

    Raises:
        ModelError: The folder is none of PEFT's, or holds what no product of two matrices says.
    """
    path, where = Path(folder), str(folder)
    config = _config(path, where)
    _check_config(config, f"{where}/{_CONFIG}")
    if not (path / _TENSORS).is_file():
        pickled = (path / _PICKLE).is_file()
        raise ModelError(
            where,
            f"has {_PICKLE}, a pickle, which runs code when it is read" if pickled else f"has no {_TENSORS}",
            remedy="Load it in peft and save it with save_pretrained(FOLDER, safe_serialization=True)"
            if pickled
            else "Give the folder that peft's save_pretrained wrote",
        )
    tensors = read_safetensors(path / _TENSORS, f"{where}/{_TENSORS}")
    modules = {
        module: _low_rank(pair, module, config, where)
        for module, pair in _pairs(tensors, f"{where}/{_TENSORS}").items()
    }
    if not modules:
        raise ModelError(where, "adds nothing: it has no lora_A and lora_B", remedy="Give an adapter that was trained")
    text = "\n".join(f"{sha256_of(path / name)}  {name}" for name in (_CONFIG, _TENSORS))
    started = str(config.get("init_lora_weights", ""))
    notes: tuple[str, ...] = ()
    if started.lower().startswith(_MOVES_BASE):
        notes = (f"{where} was started by {started}, which changes the base: compile the base it was trained on",)
    return Peft(origin=where, digest=hashlib.sha256(text.encode()).hexdigest(), modules=modules, notes=notes)


def _config(path: Path, where: str) -> dict[str, Any]:
    try:
        values = json.loads((path / _CONFIG).read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(
            where, f"has no {_CONFIG} that can be read", remedy="Give the folder that peft's save_pretrained wrote"
        ) from error
    except ValueError as error:
        raise ModelError(f"{where}/{_CONFIG}", f"is not JSON: {error}", remedy="Save the adapter again") from error
    if not isinstance(values, dict):
        raise ModelError(f"{where}/{_CONFIG}", "is not a JSON object", remedy="Save the adapter again")
    return values


def _check_config(config: Mapping[str, Any], where: str) -> None:
    """Refuse what is more than W + s B A."""
    kind = config.get("peft_type")
    refused = {
        f"is of type {kind}, not LORA": kind != "LORA",
        "is DoRA: it scales every column of the merged weight": config.get("use_dora"),
        f"trained biases ({config.get('bias')!r})": config.get("bias", "none") != "none" or config.get("lora_bias"),
        f"trained whole modules: {_named(config.get('modules_to_save'))}": config.get("modules_to_save"),
        "trained single tokens of the embedding": config.get("trainable_token_indices"),
        f"changes parameters, not modules: {_named(config.get('target_parameters'))}": config.get("target_parameters"),
        "repeats layers of the base": config.get("layer_replication"),
    }
    for problem, is_so in refused.items():
        if is_so:
            raise ModelError(
                where,
                problem,
                affects="An adapter beside the model adds x A B to linears and nothing else",
                remedy="Merge it in peft (merge_and_unload), export the merged model and compile that",
            )


def _named(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _pairs(tensors: Mapping[str, FileTensor], where: str) -> dict[str, dict[str, FileTensor]]:
    """A and B by module.

    Raises:
        ModelError: A tensor is something else, or one of the two is missing.
    """
    pairs: dict[str, dict[str, FileTensor]] = {}
    for name, tensor in tensors.items():
        found = _FACTOR.fullmatch(name.removeprefix(_PREFIX))
        if found is None or len(tensor.shape) != 2:
            raise ModelError(
                f"{where}, tensor {name!r}",
                f"is no factor of a linear: shape {list(tensor.shape.numpy())}",
                affects="An adapter beside the model adds x A B to linears and nothing else",
                remedy="Train it with target_modules that are linears, or merge it in peft and compile that",
            )
        pairs.setdefault(found["module"], {})[found["which"]] = tensor
    for module, pair in pairs.items():
        for which in "AB":
            if which not in pair:
                raise ModelError(f"{where}, module {module!r}", f"has no lora_{which}", remedy="Save the adapter again")
    return pairs


def _low_rank(pair: Mapping[str, FileTensor], module: str, config: Mapping[str, Any], where: str) -> LowRank:
    a, b = (pair[which].numpy().astype(np.float32) for which in "AB")
    rank = _pattern(config, "rank_pattern", "r", module)
    alpha = _pattern(config, "alpha_pattern", "lora_alpha", module)
    if not (a.shape[0] == b.shape[1] == rank):
        raise ModelError(
            f"{where}, module {module!r}",
            f"has rank {a.shape[0]} in lora_A, {b.shape[1]} in lora_B and {rank:g} in {_CONFIG}",
            remedy="Save the adapter again",
        )
    for which, array in (("A", a), ("B", b)):
        if not np.isfinite(array).all():
            raise ModelError(
                f"{where}, module {module!r}",
                f"has NaN or Inf in lora_{which}",
                remedy="Train it again, or leave it out",
            )
    scale = alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank
    return LowRank(a=np.ascontiguousarray(a.T), b=np.ascontiguousarray(b.T * np.float32(scale)))


def _pattern(config: Mapping[str, Any], patterns: str, default: str, module: str) -> float:
    """The value of the first pattern a module's name ends in, else the default (peft 0.21.2, `get_pattern_key`)."""
    said: Mapping[str, float] = config.get(patterns) or {}
    key = next((key for key in said if re.match(rf"(.*\.)?({key})$", module)), None)
    return float(config.get(default, _DEFAULT) if key is None else said[key])
