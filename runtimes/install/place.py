"""A runtime that lives on fetched components."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..host.launch import Launch
from .home import home
from .record import read_record

__all__ = ["INTEL", "Place"]

# Names of x86-64 machines, as systems report them.
INTEL = ("x86_64", "AMD64")


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One of the runtimes that `edgec runtime install` brings.

    Attributes:
        name: What the user calls it.
        about: What it is.
        needs: Names of its components.
        starts: Tells how its interpreter is started, by the home its components lie in.
        machines: Machines it runs on, as `platform.machine()` says; all of them under Linux.
        unfit: Tells why it cannot run on this machine, in the place of system and machine; None when it can.
        lacks: Tells what this machine lacks to run it, though it can be installed; None when nothing.
        providers: Execution providers it is there for, in order.
    """

    name: str
    about: str
    needs: tuple[str, ...]
    starts: Callable[[Path], Launch]
    machines: tuple[str, ...] = (*INTEL, "aarch64")
    unfit: Callable[[], str | None] | None = None
    lacks: Callable[[], str | None] | None = None
    providers: tuple[str, ...] = ("CPUExecutionProvider",)

    def launch(self) -> Launch:
        """How its interpreter is started here."""
        return self.starts(home())

    def impossible(self) -> str | None:
        """Why it cannot be installed on this machine; None when it can."""
        if self.unfit is not None:
            return self.unfit()
        if sys.platform != "linux":
            return f"it needs Linux, this system is {sys.platform}"
        if platform.machine() not in self.machines:
            fit = " or ".join(name for name in self.machines if name != "AMD64")  # Windows' word for x86_64
            return f"it needs a machine of {fit}, this is {platform.machine()}"
        return None

    def unready(self) -> str | None:
        """Why installing it is not enough on this machine; None when it is."""
        return self.impossible() or (None if self.lacks is None else self.lacks())

    def missing(self) -> str | None:
        """Why it cannot be used here now; None when it can."""
        unready = self.unready()
        if unready is not None:
            return unready
        if any(read_record(home() / name) is None for name in self.needs):
            return f"it is not installed: edgec runtime install {self.name}"
        return None
