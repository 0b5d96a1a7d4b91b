"""What is exported: a module with what it is called on, however it was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["Dims", "Program"]

# What the user says of an input's dimensions: a name is free, a number is fixed.
Dims = Sequence[str | int]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Program:
    """A module and an example of what it takes.

    Attributes:
        origin: How messages call it.
        module: What is run to know what is right, on the CPU, in evaluation mode.
        inputs: What `forward` is called on, by its names, in its order: tensors, or lists, tuples and dicts of them.
        exported: The module captured already (.pt2).
        positional: How many of `inputs` are given by place, not by name.
        others: More of the same in other sizes, to compare on.
        names: What the tensors of `inputs` are called, in order; () calls them by their arguments.
        wrapper: Where the user's module is in `module`, where that is ours: left out of names.
        dynamic: Names of dimensions that follow from the kind of model; the user's go over them.
        files: What it was built from, real paths.
        companions: Files that ship with the model, bytes by name.
        notes: What the user should know.
    """

    origin: str
    module: torch.nn.Module
    inputs: Mapping[str, Any]
    exported: torch.export.ExportedProgram | None = None
    positional: int = 0
    others: tuple[Mapping[str, Any], ...] = ()
    names: tuple[str, ...] = ()
    wrapper: str = ""
    dynamic: Mapping[str, Dims] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    companions: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
