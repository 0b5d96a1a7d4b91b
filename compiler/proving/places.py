"""Where a bundle is proved: the target's own kernels where they are at hand, what stands in for them where not."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from typing import Any

from ...bundle import Bundle
from ...errors import HostError, TargetError
from ...runtimes import RUNTIMES, runtime
from ...runtimes.base import Runtime
from ...runtimes.plugin_ep import NONE, Options
from ...targets import find_target
from ...targets.cpu.host import host
from .rounded import RoundedCpu

__all__ = ["IN_PROCESS", "Place", "place_for", "place_named", "place_on"]

IN_PROCESS = "onnxruntime-cpu"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One place that executes the bundle.

    Attributes:
        runtime: What executes.
        unexecuted: Why that is not the target's own kernels; "" when it is.
        untimed: Why times taken there are not the target's; "" when they are.
    """

    runtime: Runtime
    unexecuted: str = ""
    untimed: str = ""

    @property
    def elsewhere(self) -> bool:
        """Whether it is not this very process."""
        return self.runtime.name != IN_PROCESS

    def open(self) -> AbstractContextManager[Runtime]:
        """The runtime, ended with the block."""
        return closing(self.runtime)


def place_for(target: Mapping[str, Any]) -> Place:
    """The best place on this machine for a manifest's target.

    In order: this process, where the target's kernels are this machine's; the first installed of the runtimes the
    target says can prove it; this process as a stand-in, which shows accuracy and nothing else.
    """
    foreign = _foreign(str(target["isa"]))
    if target["runtime"] == IN_PROCESS and not foreign:
        return Place(runtime=runtime(IN_PROCESS))
    missing: dict[str, str] = {}
    for name in target.get("proof", ()):
        if name == IN_PROCESS or name not in RUNTIMES:
            continue
        found = runtime(name)
        why = found.available()
        if why is None:
            return Place(runtime=found, untimed=_untimed(name))
        missing[name] = why
    reason = foreign or f"the target's runtime is {target['runtime']}"
    if missing:
        reason += f" ({_mend(missing)})"
    return Place(runtime=RoundedCpu(), unexecuted=reason, untimed=reason)


def place_named(name: str, target: Mapping[str, Any], options: Options = NONE) -> Place:
    """The place of that name: a runtime, or another target, which stands for the runtimes that can prove it.

    Args:
        name: `arm64-cortex-a72`, `raspberry-pi-4`, `python:INTERPRETER`, `ssh:MACHINE`, ...
        target: The bundle's own target, as its manifest has it: on one of its runtimes the bundle is executed, on
            any other it is tried.
        options: What a session on the device gives its providers, as the manifest has it.

    Raises:
        TargetError: It is neither.
        HostError: It is not available here.
    """
    # Another interpreter, another machine: what the target ships with must be there, never the CPU in its stead.
    found = runtime(name, tuple(target["providers"]), options) if name in RUNTIMES or ":" in name else _of_target(name)
    reason = found.available()
    if reason is not None:
        raise _unavailable(found.name, reason)
    mine = found.name in target.get("proof", ()) or ":" in name
    native = found.name == IN_PROCESS and target["runtime"] == IN_PROCESS and not _foreign(str(target["isa"]))
    return Place(
        runtime=found,
        unexecuted="" if mine or native else f"{found.name} is not a place of target {target['name']}",
        untimed="" if native or name.startswith(("ssh:", "adb:")) else _untimed(found.name),
    )


def place_on(name: str, bundle: Bundle) -> Place:
    """The place of that name for a bundle, with the provider options its manifest has."""
    return place_named(name, bundle.manifest["target"], bundle.manifest.get("provider_options", {}))


def _mend(missing: Mapping[str, str]) -> str:
    """How the first of the places that are not here comes here; where none can, why not."""
    for name, why in missing.items():
        if why.startswith("it is not installed"):
            return f"to execute it here: edgec runtime install {name}"
    name, why = next(iter(missing.items()))
    return f"{name}: {why}"


def _of_target(name: str) -> Runtime:
    try:
        target = find_target(name)
    except TargetError as error:
        raise TargetError(
            f"--on {name}",
            "is neither a runtime nor a target",
            remedy=f"Runtimes: {', '.join(RUNTIMES)}; `edgec targets` lists the targets",
        ) from error
    if target.runtime == IN_PROCESS and not _foreign(target.isa):
        return runtime(IN_PROCESS)
    places = [runtime(each) for each in target.proof if each in RUNTIMES and each != IN_PROCESS]
    found = next((place for place in places if place.available() is None), None)
    if found is not None:
        return found
    if not places:
        raise HostError(
            f"--on {name}", "no runtime of edgec executes that target", remedy="Prove it on the device over ssh:MACHINE"
        )
    raise _unavailable(places[0].name, places[0].available() or "")


def _unavailable(name: str, reason: str) -> HostError:
    return HostError(f"runtime {name!r}", f"is not available here: {reason}", remedy="See `edgec runtime list`")


def _untimed(name: str) -> str:
    return f"times under {name} are not the device's"


def _foreign(isa: str) -> str:
    """Why this machine's kernels are not the target's; "" when they are."""
    try:
        here = host().isa
    except TargetError as error:
        return error.problem
    return "" if here == isa else f"the target's instruction set is {isa}, this machine's is {here}"
