"""How the interpreter of a host is started."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..plugin_ep import Plugin

__all__ = ["Launch", "own_site"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """A command that runs a Python file somewhere.

    Attributes:
        command: The interpreter with all that stands before it (an emulator, a loader, `ssh`); the runner's path
            and arguments are appended.
        environment: Variables added to a clean copy of this process's environment.
        site: Folders the runner puts on `sys.path` before it imports onnxruntime and numpy.
        emulated: What emulates the processor ("qemu-aarch64 10.0, cortex-a76"); "" when it is real.
        shares_files: Whether the host opens models by this machine's paths; else they are sent.
        runner: The file its interpreter runs, where that is not `runner.py`: a twin that speaks its messages. It is on
            this machine.
        plugin: A provider in a library of its own that all sessions use.
        quoted: Whether a shell reads what is appended, as it does behind `ssh`.
        mend: What the user can do when onnxruntime, or a provider of it, is not there; "" is to install it anew.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    site: tuple[Path, ...] = ()
    emulated: str = ""
    shares_files: bool = True
    runner: Path | None = None
    plugin: Plugin | None = None
    quoted: bool = False
    mend: str = ""

    def telling(self) -> Launch:
        """The same with a plugin whose library prints what it executes."""
        if self.plugin is None:
            return self
        return replace(self, environment={**self.environment, **self.plugin.tells}, plugin=self.plugin.telling())


def own_site() -> tuple[Path, ...]:
    """The folders on `sys.path` that this interpreter's onnxruntime and numpy lie in; nothing is imported."""
    found = (importlib.util.find_spec(module) for module in ("onnxruntime", "numpy"))
    return tuple(dict.fromkeys(Path(each.origin).parents[1] for each in found if each is not None and each.origin))
