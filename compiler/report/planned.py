"""A plan for the terminal: the recipe line by line, and whether the result fits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from rich.console import RenderableType

from .census import grouped
from .layout import facts, heading, lines, table
from .units import count, plural, size

if TYPE_CHECKING:
    from ...passes.base import Pass
    from ..plan import Plan, SchemeEstimate

__all__ = ["planned"]


def planned(plan: Plan) -> Iterator[RenderableType]:
    """The parts of the report, in order."""
    macs = dict(sorted(plan.macs.items(), key=lambda item: -item[1]))
    memory = plan.target.limits.memory_bytes
    yield facts(
        [
            ("target", f"{plan.target.name} ({plan.target.isa}, {plan.target.runtime})"),
            ("scheme", f"{plan.scheme}: {plan.reason}"),
            ("MACs", _macs(macs)),
            ("integers", _integers(plan)),
            ("float", lines(_reasons(plan))),
            (
                "memory",
                "the target does not say how much it has" if memory is None else f"{size(memory)} on the target",
            ),
            ("compile", f"about {size(plan.compile_peak_bytes)} at its peak, on this machine"),
            ("notes", lines(plan.notes)),
        ]
    )
    yield heading("Recipe")
    yield table(("", "pass", "options"), _passes(plan.recipe.passes), right=("",))
    yield heading("Will it fit (estimates, one sample at a time)")
    columns = ("scheme", "file", "after load", "at the peak", "weights", "activations", "caches", "fits")
    yield table(columns, [_estimate(each, plan.scheme) for each in plan.schemes], right=columns[1:-1])


def _passes(passes: Sequence[Pass]) -> Iterator[tuple[str, str, str]]:
    for index, each in enumerate(passes):
        yield str(index), each.name, ", ".join(_options(each))


def _options(each: Pass) -> Iterator[str]:
    """Fields that are not at their default; of rules only how many there are."""
    for field in fields(each):  # type: ignore[arg-type]  # every pass is a dataclass, the base class is not
        value = getattr(each, field.name)
        if field.name == "rules":
            yield f"{len(value)} rules"
        elif value != field.default:
            yield f"{field.name}={value!r}"


def _estimate(each: SchemeEstimate, chosen: str) -> tuple[str, ...]:
    sizes = (each.file_bytes, each.load_bytes, each.peak_bytes, each.weights_bytes, each.activation_bytes)
    fits = {True: "yes", False: "no", None: "unknown"}[each.fits]
    name = f"{each.scheme} *" if each.scheme == chosen else each.scheme
    return name, *(size(number) for number in sizes), size(each.cache_bytes) if each.cache_bytes else "–", fits


def _macs(macs: dict[str, int]) -> str:
    if not macs:
        return "none"
    return f"{count(sum(macs.values()))}: " + ", ".join(f"{op} {count(number)}" for op, number in macs.items())


def _integers(plan: Plan) -> str | None:
    return f"{plural(len(plan.integer_nodes), 'node')} would run in integers" if plan.integer_nodes else None


def _reasons(plan: Plan) -> Iterator[str]:
    for reason, nodes in grouped(plan.float_nodes):
        yield f"{len(nodes)}: {reason}"
