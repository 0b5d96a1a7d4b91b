"""What a source becomes: a model, and the files that ship beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import onnx_ir as ir

__all__ = ["Built"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """A model that was built from a source.

    Attributes:
        model: The model; its weights stay in the source's files.
        files: What it was built from, real paths, the one that names it first.
        companions: Files that ship with it, bytes by name: a tokenizer, `genai_config.json`.
        notes: What the user should know.
        stored: Its weights are in the form that the source stores them in, which is small already.
        part: Which of several models of the source it is; empty where there is one.
    """

    model: ir.Model
    files: tuple[Path, ...]
    companions: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    stored: bool = False
    part: str = ""
