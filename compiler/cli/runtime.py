"""`edgec runtime`: install, list and remove the places that execute bundles."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from .groups import takes_groups
from .help import CONTEXT, Command
from .options import TalkOptions

if TYPE_CHECKING:
    from ...runtimes.install.plan import Plan

__all__ = ["runtime_commands"]

runtime_commands = typer.Typer(
    help="Places that execute bundles: other processors emulated, other builds of ONNX Runtime.",
    add_completion=False,
    rich_markup_mode=None,
)

INSTALL_EXAMPLES = """
edgec runtime install arm64-cortex-a72
edgec runtime install arm64-cortex-a72 xnnpack-x86-64 --dry-run
edgec runtime install --all --mirror file:///srv/debian
edgec runtime install qnn-htp --accept-license qnn
"""

LIST_EXAMPLES = """
edgec runtime list
edgec runtime list --format json
"""

REMOVE_EXAMPLES = """
edgec runtime remove armv7-cortex-a7
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallOptions:
    """Which runtimes, and from where."""

    names: Annotated[list[str] | None, Argument(metavar="NAME", help="Runtimes; `edgec runtime list` knows them.")] = (
        None
    )
    every: Annotated[bool, Option("--all", help="All that this machine can run, older ONNX Runtimes aside.")] = False
    force: Annotated[bool, Option("--force", help="Fetch anew what is there.")] = False
    accept: Annotated[
        list[str] | None,
        Option(
            "--accept-license", metavar="NAME", help="Accept a vendor's licence, say qnn; else EDGEC_ACCEPT_LICENSES."
        ),
    ] = None
    dry_run: Annotated[bool, Option("--dry-run", help="Say what would be fetched, and stop.")] = False
    mirror: Annotated[
        str | None,
        Option(
            "--mirror",
            metavar="URL",
            help="Debian mirror; else EDGEC_DEBIAN_MIRROR, else the one this machine's apt uses.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NamesOptions:
    """Which runtimes."""

    names: Annotated[list[str], Argument(metavar="NAME", help="Runtimes to delete.")]


@runtime_commands.command(
    "install",
    cls=Command,
    short_help="Fetch runtimes, once.",
    epilog=INSTALL_EXAMPLES,
    context_settings=CONTEXT,
)
@takes_groups
def install(which: InstallOptions, talk: TalkOptions) -> int:
    """Fetch what runtimes need into the folder EDGEC_RUNTIMES names, else this user's cache, and start each once.

    Needs apt and pip, npm for the web; neither root nor a container. What is there is not fetched again; an install
    that is killed leaves nothing half-written. What comes under a vendor's own licence is refused until that is
    accepted, and left out of --all.
    """
    from ...errors import OptionError
    from ...runtimes.install.install import install as bring
    from ...runtimes.install.plan import plan_install
    from ...runtimes.install.status import status, statuses
    from ...runtimes.install.terms import accepted_terms
    from .console import print_json, print_text
    from .talk import talking

    if which.every == bool(which.names):
        raise OptionError("NAME", "give names of runtimes, or --all", remedy="`edgec runtime list` shows what there is")
    accepted = accepted_terms(which.accept or ())
    names = _fit(accepted) if which.every else which.names
    plan = plan_install(names or [], force=which.force)
    if which.dry_run and not talk.json:
        print_text(*_announcement(plan))
        return 0
    with talking(talk) as speaker:
        for line in _announcement(plan):
            speaker.say(line)
        if not which.dry_run:
            bring(plan, mirror=which.mirror, say=speaker.say, accept=which.accept or ())
    fetched = [] if which.dry_run else [component.name for component in plan.fetch]
    asked = {place.name for place in plan.places} if which.every else {*(names or [])}
    found = [status(place) for place in plan.places]
    found += [each for each in statuses() if each.name in asked - {place.name for place in plan.places}]
    if talk.json:
        print_json(
            {
                "home": str(plan.home),
                "fetch": [
                    {
                        key: getattr(component, key)
                        for key in ("name", "about", "licence", "fetched_bytes", "kept_bytes")
                    }
                    for component in plan.fetch
                ],
                "fetched": fetched,
                "runtimes": [asdict(each) for each in found],
            }
        )
    else:
        lines = (each.reason or _what(each.onnxruntime, each.emulated, each.bytes) for each in found)
        print_text(*(f"{each.name}: {line}" for each, line in zip(found, lines, strict=True)))
    return 0


@runtime_commands.command(
    "list", cls=Command, short_help="What can execute here.", epilog=LIST_EXAMPLES, context_settings=CONTEXT
)
@takes_groups
def list_runtimes(talk: TalkOptions) -> int:
    """List the runtimes: whether each can be used here, or why not and the command that mends it.

    Places of your own need no name here: python:INTERPRETER, ssh:MACHINE, adb:DEVICE.
    """
    from ...runtimes.install.home import home
    from ...runtimes.install.record import folder_bytes
    from ...runtimes.install.status import statuses
    from ...runtimes.older import is_older
    from ..report.layout import table
    from ..report.units import size
    from .console import print_json, print_text

    found, folder = statuses(), home()
    taken = folder_bytes(folder) if folder.is_dir() else 0
    if talk.json:
        print_json({"home": str(folder), "bytes": taken, "runtimes": [asdict(each) for each in found]})
        return 0
    rows = [
        (
            each.name,
            "no" if each.reason else "yes",
            each.onnxruntime,
            each.emulated,
            ", ".join(name.removesuffix("ExecutionProvider") for name in each.providers),
            size(each.bytes) if not each.reason and each.bytes else "",
            f"{each.reason or ''}{f' (about {size(each.fetched_bytes)})' if each.command else ''}",
        )
        for each in found
        if not (each.command and is_older(each.name))
    ]
    columns = ("runtime", "here", "ONNX Runtime", "emulated by", "providers", "disk", "why not")
    more = [each.name for each in found if each.command and is_older(each.name)]
    older = [f"\nolder, with edgec runtime install NAME: {', '.join(more)}"] if more else []
    print_text(table(columns, rows, right=("disk",)), *older, f"\n{folder}: {size(taken)}, parts shared")
    return 0


@runtime_commands.command(
    "remove", cls=Command, short_help="Delete runtimes.", epilog=REMOVE_EXAMPLES, context_settings=CONTEXT
)
@takes_groups
def remove(which: NamesOptions, talk: TalkOptions) -> int:
    """Delete runtimes, and what no other installed runtime needs."""
    from ...runtimes.install.install import remove as delete
    from .console import print_json, print_text

    deleted = delete(which.names)
    if talk.json:
        print_json({"deleted": list(deleted)})
    else:
        print_text(f"deleted: {', '.join(deleted)}" if deleted else "nothing to delete")
    return 0


def _fit(accepted: frozenset[str]) -> list[str]:
    """Runtimes this machine can run, and whose licences are accepted; older ONNX Runtimes only by name."""
    from ...runtimes.install.component import components
    from ...runtimes.older import is_older
    from ...runtimes.places import places

    asking = {name: each.terms.key for name, each in components().items() if each.terms is not None}
    return [
        name
        for name, place in places().items()
        if place.impossible() is None
        and not is_older(name)
        and all(need not in asking or asking[need] in accepted for need in place.needs)
    ]


def _announcement(plan: Plan) -> list[str]:
    """What will be fetched, how large it is, where it goes, under which licence."""
    from ...runtimes.install.terms import terms_lines
    from ..report.units import size

    if not plan.fetch:
        return ["nothing to fetch"]
    total = f"fetches about {size(plan.fetched_bytes)} into {plan.home}, {size(plan.kept_bytes)} on disk:"
    return [
        total,
        *(f"  {each.name}, {size(each.fetched_bytes)}: {each.about}. Licence: {each.licence}" for each in plan.fetch),
        *terms_lines(plan.fetch, plan.home),
    ]


def _what(onnxruntime: str, emulated: str, taken: int) -> str:
    from ..report.units import size

    parts = ["installed" if taken else "comes with edgec", f"ONNX Runtime {onnxruntime}", emulated]
    return ", ".join(filter(None, (*parts, size(taken) if taken else "")))
