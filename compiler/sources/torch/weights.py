"""A state dict put into a module: `.safetensors`, or `.pt` and `.pth` without anything that would run code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....errors import MissingExtraError, ModelError
from .explain import first_line
from .quiet import quiet

if TYPE_CHECKING:
    import torch

__all__ = ["load_weights"]

_SAVE = "Save it again: torch.save(module.state_dict(), 'weights.pth')"
# Where training scripts keep the state dict among other things.
_INSIDE = ("state_dict", "model_state_dict", "model")


def load_weights(module: torch.nn.Module, file: Path) -> None:
    """Load a file of weights into a module.

    Raises:
        ModelError: It cannot be read, holds objects that run code, or has other weights than the module.
        MissingExtraError: It needs a package that is not installed.
    """
    where = str(file)
    if not file.is_file():
        raise ModelError(where, "does not exist", remedy="Check --weights")
    state = _safetensors(file) if file.suffix == ".safetensors" else _torch(file)
    expected = module.state_dict()
    missing = [name for name in expected if name not in state]
    unexpected = [name for name in state if name not in expected]
    if missing or unexpected:
        parts = [f"lacks {_named(missing)}"] if missing else []
        parts += [f"has {_named(unexpected)}, which the module has not"] if unexpected else []
        raise ModelError(
            where, " and ".join(parts), remedy="Build the module that these weights were saved from, or rename them"
        )
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape:
            raise ModelError(
                f"{where}, weight {name!r}",
                f"has shape {list(tensor.shape)}, the module's is {list(expected[name].shape)}",
                remedy="Build the module in the size that these weights were saved from",
            )
        if tensor.is_complex() and not expected[name].is_complex():
            raise ModelError(
                f"{where}, weight {name!r}",
                "is complex, the module's is not",
                remedy="Build the module that these weights were saved from",
            )
    module.load_state_dict(dict(state))


def _safetensors(file: Path) -> Mapping[str, torch.Tensor]:
    try:
        from safetensors.torch import load_file
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(file), "safetensors", "torch") from error
    try:
        loaded: Mapping[str, Any] = load_file(file)
    except Exception as error:  # its own error is private to Rust
        raise ModelError(
            str(file), f"is no safetensors file: {first_line(error)}", remedy="Download or save it again"
        ) from error
    return loaded


def _torch(file: Path) -> Mapping[str, torch.Tensor]:
    import pickle

    import torch

    try:
        with quiet():
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            str(file),
            "holds more than weights: unpickling it would run code",
            remedy=_SAVE,
        ) from error
    except Exception as error:  # a torn zip, a file of something else
        raise ModelError(str(file), f"cannot be read by torch: {first_line(error)}", remedy=_SAVE) from error
    if isinstance(loaded, Mapping):
        for key in _INSIDE:
            if isinstance(loaded.get(key), Mapping):
                loaded = loaded[key]
                break
    if not isinstance(loaded, Mapping) or not all(isinstance(each, torch.Tensor) for each in loaded.values()):
        raise ModelError(str(file), "holds no state dict", remedy=_SAVE)
    return loaded


def _named(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(repr(name) for name in names[:3]) + more
