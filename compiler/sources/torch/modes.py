"""A module as it is exported: in evaluation mode, on the CPU, in float32. The caller's stays as it was."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["evaluating", "in_float32"]


@contextmanager
def evaluating(module: torch.nn.Module) -> Iterator[None]:
    """Inside, dropout is off and statistics stay; what was training trains on behind."""
    training = [part for part in module.modules() if part.training]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True


def in_float32(module: torch.nn.Module) -> tuple[torch.nn.Module, tuple[str, ...]]:
    """The module itself where its weights are float32 on the CPU, else a copy of which that holds; and a note."""
    import torch

    tensors = [*module.parameters(), *module.buffers()]
    kinds = {tensor.dtype for tensor in tensors if tensor.is_floating_point()} - {torch.float32}
    if not kinds and all(tensor.device.type == "cpu" for tensor in tensors):
        return module, ()
    named = ", ".join(sorted(str(kind).removeprefix("torch.") for kind in kinds))
    notes = (f"weights of {named} are computed in float32",) if kinds else ()
    return copy.deepcopy(module).cpu().float(), notes
