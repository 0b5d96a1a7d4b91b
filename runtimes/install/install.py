"""Installs and removes runtimes: their components appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from ...errors import OutputError
from ..places import places
from .fetch import Fetch, Network
from .home import HOME_VARIABLE, home
from .place import Place
from .plan import Plan, find_places
from .probe import Probe, forget, probe, read_probe
from .record import read_record, write_record
from .say import Say, silent
from .staging import scratch, staged, sweep
from .terms import accepted_terms, check_terms
from .tools import disk_full

__all__ = ["install", "remove"]

# Debian's indexes, unpacked by apt, while they are read.
_INDEX_BYTES = 100_000_000


def install(
    plan: Plan,
    *,
    mirror: str | None = None,
    fetch: Fetch | None = None,
    check: Callable[[Place, Path], Probe] = probe,
    say: Say = silent,
    accept: Collection[str] = (),
) -> dict[str, Probe]:
    """Fetch what a plan lists, then start each runtime once.

    Args:
        plan: Of `plan_install`.
        mirror: Debian mirror; None takes the machine's own.
        fetch: Brings components; None asks the network.
        check: Starts a runtime and writes down what it is.
        say: Told what is going on, a line at a time.
        accept: Keys of the licences that the user accepts, beside those in `EDGEC_ACCEPT_LICENSES`.

    Returns:
        What each runtime says of itself, by name; those that this machine lacks something for are not started.

    Raises:
        InstallError: Something cannot be fetched, or its licence is not accepted.
        OptionError: There is no licence of a key.
        OutputError: The disk is full, or the home cannot be written.
        HostError: A runtime does not start.
    """
    check_terms(plan.fetch, accepted_terms(accept))
    with _writing(plan.home):
        if plan.fetch:
            _need_space(plan)
            sweep(plan.home)
            with scratch(plan.home, "fetch") as work:
                for place in plan.places:
                    if {each.name for each in plan.fetch}.intersection(place.needs):
                        forget(place, plan.home)  # what it said, it said of what is replaced now
                bring = fetch or Network(work=work, mirror=mirror)
                for component in plan.fetch:
                    with staged(plan.home / component.name) as folder:
                        items = bring(component, folder, _named(component.name, say))
                        write_record(folder, component, items)
        found = {}
        for place in plan.places:
            unready = place.unready()
            if unready is not None:
                say(f"{place.name}: not started: {unready}")
                continue
            known = read_probe(place, plan.home)
            if known is None:
                say(f"{place.name}: starting it")
                known = check(place, plan.home)
            found[place.name] = known
    return found


def remove(names: Sequence[str]) -> tuple[str, ...]:
    """Delete runtimes, and the components that no other installed runtime needs.

    Args:
        names: Of the runtimes; those that are not installed are passed over.

    Returns:
        Names of the components deleted.

    Raises:
        TargetError: A name is not that of a runtime.
        OutputError: The home cannot be written.
    """
    folder = home()
    gone = find_places(names)
    with _writing(folder):
        for place in gone:
            forget(place, folder)
        used = {name for place in places().values() if read_probe(place, folder) is not None for name in place.needs}
        deleted = []
        for name in dict.fromkeys(name for place in gone for name in place.needs):
            if name not in used and read_record(folder / name) is not None:
                with scratch(folder, name) as work:
                    (folder / name).rename(work / "old")
                deleted.append(name)
    return tuple(deleted)


def _named(name: str, say: Say) -> Say:
    """Put a name before what is said."""
    return lambda text: say(f"{name}: {text}")


def _need_space(plan: Plan) -> None:
    """Refuse before fetching what cannot fit."""
    existing = next(path for path in (plan.home, *plan.home.parents) if path.exists())
    free, need = shutil.disk_usage(existing).free, plan.fetched_bytes + plan.kept_bytes + _INDEX_BYTES
    if free < need:
        raise OutputError(
            str(plan.home),
            f"has {free / 1e6:.0f} MB of free disk, installing needs {need / 1e6:.0f} MB",
            remedy=f"Free some space, or name another folder with {HOME_VARIABLE}",
        )


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Say which folder it was that could not be written."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise disk_full(folder) from error
        raise OutputError(
            str(error.filename or folder),
            f"cannot be written: {error.strerror}",
            remedy=f"Mend it, or name another folder with {HOME_VARIABLE}",
        ) from error
