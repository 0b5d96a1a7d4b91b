"""CoreML on this Mac: the provider that ONNX Runtime's macOS builds carry, in a host of this interpreter."""

from __future__ import annotations

import sys
from pathlib import Path

from .host.launch import Launch
from .install.place import Place
from .plugin_ep import Plugin

__all__ = ["OPTIONS", "PROVIDER", "coreml_places"]

PROVIDER = "CoreMLExecutionProvider"
# Those a bundle for an iPhone asks for, so that what is taken here is what is taken there.
OPTIONS = {"ModelFormat": "MLProgram", "MLComputeUnits": "ALL", "RequireStaticInputShapes": "1"}


def coreml_places() -> tuple[Place, ...]:
    """The CoreML provider of the installed onnxruntime; nothing is fetched."""
    return (
        Place(
            name="coreml",
            about="ONNX Runtime's CoreML provider on this Mac",
            needs=(),
            starts=_starts,
            unfit=_unfit,
            providers=(PROVIDER, "CPUExecutionProvider"),
        ),
    )


def _starts(home: Path) -> Launch:
    del home
    return Launch(
        command=(sys.executable,),
        plugin=Plugin(provider=PROVIDER, module="", options=OPTIONS),
        mend=f"Install a build that has it: {sys.executable} -m pip install --force-reinstall onnxruntime",
    )


def _unfit() -> str | None:
    system: str = sys.platform  # of any machine, not of the one where types are checked
    if system != "darwin":
        return f"it needs macOS, this system is {system}"
    import onnxruntime

    if PROVIDER not in onnxruntime.get_available_providers():
        return f"the installed onnxruntime {onnxruntime.__version__} has no {PROVIDER}"
    return None
