"""Adapters into a bundle: which targets take them, and their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...bundle import adapter_file, adapter_golden
from ...errors import OptionError
from ...targets.spec import TargetSpec
from .adapt import Adapter

if TYPE_CHECKING:
    from ..request import CompileRequest

__all__ = ["check_adapters", "pack_adapters"]

_IN_PROCESS = "onnxruntime-cpu"


def check_adapters(request: CompileRequest, target: TargetSpec) -> None:
    """Refuse adapters where they could not be switched on.

    Raises:
        OptionError: The target's runtime has none, or the model is also written in a form without them.
    """
    if not request.adapters:
        return
    if target.runtime != _IN_PROCESS or target.static_shapes:
        raise OptionError(
            "--adapter",
            f"is switched on by ONNX Runtime's CPU provider, and target {target.name} runs elsewhere",
            remedy="Merge it into the weights with --merge-adapter FOLDER, one bundle for each",
        )
    for option, asked in (("--context", request.context), ("--ort", request.ort)):
        if asked:
            raise OptionError(
                "--adapter", f"and {option} do not go together", remedy=f"Leave {option} out, or merge the adapter"
            )


def pack_adapters(folder: Path, adapters: Sequence[Adapter]) -> dict[str, Path]:
    """Write the files of adapters into a bundle, and make room for their golden outputs; files by name."""
    from ...runtimes.adapters import write_adapter

    files = {each.name: folder / adapter_file(each.name) for each in adapters}
    for each in adapters:
        for file in (files[each.name], folder / adapter_golden(each.name)):
            file.parent.mkdir(parents=True, exist_ok=True)
        write_adapter(files[each.name], each.parameters)
    return files
