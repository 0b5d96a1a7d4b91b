"""Offline compilation in a host: what a provider's backend makes of a model, for the chip its options name.

The result is a model of `EPContext` nodes and the binaries they name; a session opens it without compiling anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import HostError
from ..base import SessionSettings
from .process import Host
from .refusal import refusal
from .source import source_of

__all__ = ["CompiledContext", "compile_context"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CompiledContext:
    """What a backend compiled.

    Attributes:
        files: Bytes by name, the model first.
        seconds: What it took.
        onnxruntime: Version that did it.
    """

    files: Mapping[str, np.ndarray]
    seconds: float
    onnxruntime: str


def compile_context(host: Host, model: Path, name: str) -> CompiledContext:
    """Compile a model with a host's plugin.

    Args:
        host: Where.
        model: The model.
        name: What the compiled one is called; its binaries are named after it.

    Raises:
        HostError: The host has no plugin, or fails.
        ModelError: Nothing of it can be compiled.
    """
    plugin = host.launch.plugin
    if plugin is None:
        raise HostError(
            f"runtime {host.name!r}", "has no provider that compiles a model offline", remedy="Leave --context out"
        )
    more, arrays = source_of(model, shares_files=host.launch.shares_files)
    settings = SessionSettings()
    request = {"do": "compile", "name": name, "settings": settings.options(), "plugin": plugin.request(0), **more}
    header, files = host.ask(request, arrays, what=f"compile {model}")
    if "error" in header:
        raise refusal(host, str(model), header["error"], header["message"], f"compile {model}")
    return CompiledContext(files=files, seconds=float(header["seconds"]), onnxruntime=str(host.hello["onnxruntime"]))
