"""What installing some runtimes takes, before anything is fetched."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import InstallError, TargetError
from ..older import is_older
from ..places import places
from .component import Component, components
from .home import home
from .place import Place
from .record import read_record

__all__ = ["Plan", "find_places", "plan_install"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What will happen.

    Attributes:
        places: Runtimes asked for.
        home: Where their components go.
        fetch: Components that are not there, each once.
    """

    places: tuple[Place, ...]
    home: Path
    fetch: tuple[Component, ...]

    @property
    def fetched_bytes(self) -> int:
        """What will be downloaded, about."""
        return sum(component.fetched_bytes for component in self.fetch)

    @property
    def kept_bytes(self) -> int:
        """What will remain on disk, about."""
        return sum(component.kept_bytes for component in self.fetch)


def find_places(names: Sequence[str]) -> tuple[Place, ...]:
    """The runtimes of these names, each once; those that come with edgec need no place and are left out.

    Raises:
        TargetError: A name is not that of a runtime.
    """
    from .. import RUNTIMES

    known = places()
    older = [name for name in known if is_older(name)]
    for name in names:
        if name not in known and name not in RUNTIMES:
            near = difflib.get_close_matches(name, known, n=1)
            raise TargetError(
                f"runtime {name!r}",
                "is not known" + (f", did you mean {near[0]!r}?" if near else ""),
                remedy=f"Known are {', '.join(each for each in known if each not in older)}, {older[0]} to {older[-1]}",
            )
    return tuple(known[name] for name in dict.fromkeys(names) if name in known)


def plan_install(names: Sequence[str], *, force: bool = False) -> Plan:
    """What installing runtimes takes.

    Args:
        names: Of the runtimes.
        force: Fetch their components even when they are there.

    Raises:
        TargetError: A name is not that of a runtime.
        InstallError: One cannot run on this machine.
    """
    wanted = find_places(names)
    for place in wanted:
        reason = place.impossible()
        if reason is not None:
            raise InstallError(
                f"runtime {place.name!r}", f"cannot be installed: {reason}", remedy="See `edgec runtime list`"
            )
    folder, known = home(), components()
    needed = dict.fromkeys(name for place in wanted for name in place.needs)
    absent = tuple(known[name] for name in needed if force or read_record(folder / name) is None)
    return Plan(places=wanted, home=folder, fetch=absent)
