"""What the support rules of a target's providers say, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from ..proving.probing.off_wanted import short_name
from .layout import table
from .units import plural, share, size

__all__ = ["checked_lines", "checked_table"]

_KINDS_SHOWN = 8


def checked_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """How much the providers would take, in how many partitions, by whose rules; and why not the rest."""
    names = " and ".join(short_name(name) for name in found["providers"])
    crossing = found["crossing_bytes"]
    crosses = "an unknown number of bytes" if crossing is None else size(crossing)
    macs = "" if found["mac_share"] is None else f", {share(found['mac_share'])} of the MACs"
    yield (
        f"{names} would take {found['supported']} of {plural(found['nodes'], 'node')}{macs}, in "
        f"{plural(found['partitions'], 'partition')}; {crosses} in and out of them in one run"
    )
    yield from off_lines(found["off"], found["providers"][0])
    yield f"by the rules of {'; '.join(found['sources'])}"


def off_lines(off: Sequence[Mapping[str, Any]], wanted: str) -> Iterator[str]:
    """What runs off the provider wanted, and why."""
    for each in off[:_KINDS_SHOWN]:
        tried = f" ({plural(each['forms'], 'form')})" if "in any form tried" in each["reason"] else ""
        mend = f"; to mend it: {each['mend']}" if each["mend"] else ""
        yield f"off {short_name(wanted)}: {len(each['nodes'])} {each['op']}: {each['reason']}{tried}{mend}"
    if len(off) > _KINDS_SHOWN:
        rest = sum(len(each["nodes"]) for each in off[_KINDS_SHOWN:])
        yield f"off {short_name(wanted)}: {rest} more kernels: see placement.off_wanted of the proof"


def checked_table(found: Mapping[str, Any]) -> Table:
    """Every node, or operator with the Q/DQ around it: where it would run, and what those that refuse it say."""
    rows = []
    for each in found["table"]:
        refusals = each["refused"].values()
        rows.append(
            (
                each["node"],
                each["op"] + (f" and {plural(len(each['with']), 'Q/DQ')}" if each["with"] else ""),
                short_name(each["provider"]),
                "" if each["partition"] is None else str(each["partition"]),
                "; ".join(refusal["why"] for refusal in refusals),
                "; ".join(refusal["mend"] for refusal in refusals if refusal["mend"]),
            )
        )
    return table(("node", "operator", "on", "partition", "refused because", "mend"), rows, right=("partition",))
