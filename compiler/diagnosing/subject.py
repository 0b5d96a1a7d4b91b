"""One side of a comparison: a float model, a bundle, or anybody's quantized model, opened alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import onnx
import onnx_ir as ir

from ...bundle import MANIFEST, Bundle
from ..baking.bake import Baking, baking_of
from ..baking.learned_codes import with_centers
from ..load import load_model

__all__ = ["Subject", "SubjectSource", "open_subject"]

SubjectSource: TypeAlias = str | Path | Bundle | ir.Model | onnx.ModelProto


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A model to look into.

    Attributes:
        name: What messages and reports call it.
        model: The model; nobody changes it.
        carried: Outputs fed back as inputs, as a bundle's manifest says.
        session_options: Session config entries a bundle asks for.
        baking: What was baked into a bundle's model.
    """

    name: str
    model: ir.Model
    carried: Mapping[str, str] = field(default_factory=dict)
    session_options: Mapping[str, str] = field(default_factory=dict)
    baking: Baking = field(default_factory=Baking)


def open_subject(source: SubjectSource) -> Subject:
    """Open one side; quantized models are welcome.

    Args:
        source: An ONNX file, the folder of a bundle, a bundle, or a model in memory.

    Raises:
        ModelError: The model cannot be read.
        BundleError: The folder is no bundle.
    """
    if isinstance(source, str | Path) and (Path(source).is_dir() or Path(source).name == MANIFEST):
        source = Bundle.open(source)
    if isinstance(source, Bundle):
        manifest = source.manifest
        return Subject(
            name=source.path.name,
            model=load_model(source.model, already_quantized="accept").model,
            carried=dict(manifest["state"]),
            session_options=dict(manifest["session_options"]),
            baking=with_centers(baking_of(manifest), source.path),
        )
    loaded = load_model(source, already_quantized="accept")
    return Subject(name=Path(loaded.origin).name, model=loaded.model)
