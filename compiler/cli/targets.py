"""`edgec targets`: the devices edgec knows, their facts with sources, their rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from typer import Argument

from .groups import takes_groups
from .options import TalkOptions

__all__ = ["EXAMPLES", "targets"]

EXAMPLES = """
edgec targets
edgec targets host
edgec targets my-board.toml --format json
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class NameOptions:
    """Which target."""

    name: Annotated[str | None, Argument(metavar="[NAME|TOML]", help="Show this one in full.", show_default=False)] = (
        None
    )


@takes_groups
def targets(which: NameOptions, talk: TalkOptions) -> int:
    """List the targets and where each is proved, or show one: its facts with sources, and what runs in integers."""
    from ...targets import ALIASES, find_target, target_names
    from ..report.device import target_list, target_report
    from ..report.json import target_json
    from .console import print_json, print_text

    if which.name is not None:
        found = find_target(which.name)
        if talk.json:
            print_json(target_json(found))
        else:
            print_text(*target_report(found))
        return 0
    known = [find_target(name) for name in target_names()]
    if talk.json:
        keys = ("name", "description", "runtime", "isa", "proof")
        rows = [{**{key: getattr(each, key) for key in keys}, "alias_of": ALIASES.get(each.name)} for each in known]
        print_json({"targets": rows})
    else:
        print_text(target_list(known))
    return 0
