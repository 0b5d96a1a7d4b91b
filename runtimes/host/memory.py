"""The most memory a model takes in a place: measured by the runner there, in a process that does nothing else."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import numpy as np

from ..base import Memory, Runtime, SessionSettings
from .launch import Launch, own_site
from .process import Host
from .refusal import refusal
from .runtime import HostRuntime
from .source import source_of

__all__ = ["memory_of"]

# The first run takes what the second reuses; a third shows nothing new.
RUNS = 2


def memory_of(
    place: Runtime, model: Path, feeds: Mapping[str, np.ndarray], settings: SessionSettings
) -> tuple[Memory | None, str]:
    """What opening a model and running it takes of a new process of a place.

    Args:
        place: Where; this very process is another one of this interpreter.
        model: The file.
        feeds: Of one run, as a session takes them.
        settings: How it is opened.

    Returns:
        The memory; else None, and why it is not known.

    Raises:
        HostError: The process cannot be started, or fails.
        ModelError: The model cannot be opened or run there.
    """
    host = place.fresh() if isinstance(place, HostRuntime) else Host(place.name, _this_interpreter())
    with closing(host):
        if host.launch.emulated:
            return None, f"{host.launch.emulated} takes memory of its own: measure it on the device, --on ssh:MACHINE"
        if host.launch.runner is not None:
            return None, f"{place.name} does not tell what memory it takes: measure it on the device"
        return _asked(host, place.providers, model, feeds, settings)


def _asked(
    host: Host, providers: tuple[str, ...], model: Path, feeds: Mapping[str, np.ndarray], settings: SessionSettings
) -> tuple[Memory | None, str]:
    more, arrays = source_of(model, shares_files=host.launch.shares_files)
    plugin = host.launch.plugin
    request = {
        "do": "memory",
        "providers": list(providers),
        "settings": settings.options(),
        "feeds": list(feeds),
        "runs": RUNS,
        **({} if plugin is None else {"plugin": plugin.request(settings.threads)}),
        **more,
    }
    header, _ = host.ask(request, {**arrays, **feeds}, what="memory")
    if "error" in header:
        raise refusal(host, str(model), header["error"], header["message"], "memory")
    if header["before"] is None or header["peak"] is None:
        return None, f"{host.hello['system']} does not tell a process what memory it takes"
    return Memory(before=int(header["before"]), peak=int(header["peak"]), runs=RUNS), ""


def _this_interpreter() -> Launch:
    return Launch(command=(sys.executable,), environment={"PYTHONNOUSERSITE": "1"}, site=own_site())
