"""What providers say of a graph, without the providers: node by node, with reasons, partitions and what crosses.

Rules are taken from ONNX Runtime's own sources, which each set of rules names with its version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from .crossing import crossing_bytes
from .partition import Block, partition
from .units import Unit, bodies, single_units

__all__ = ["CPU", "SUPPORTED", "Checked", "CheckedUnit", "SupportRules", "Verdict", "check", "refused"]

CPU = "CPUExecutionProvider"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether a provider takes a unit.

    Attributes:
        supported: It does.
        why: When not: one clause in the field's words, naming attribute, dtype, shape or opset.
        mend: The rewrite that would bring it there; "" when none is known.
    """

    supported: bool
    why: str = ""
    mend: str = ""

    def __post_init__(self) -> None:
        if self.supported == bool(self.why):
            raise ValueError("why: what is not supported has a reason, what is supported has none")


SUPPORTED = Verdict(supported=True)


def refused(why: str, mend: str = "") -> Verdict:
    """The verdict of a unit that is not supported."""
    return Verdict(supported=False, why=why, mend=mend)


def _keeps_all(group: Sequence[Unit]) -> str:
    del group
    return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SupportRules:
    """A provider's rules.

    Attributes:
        provider: `NnapiExecutionProvider`.
        source: Which sources of which version they are taken from.
        verdict: The rule of one unit of a model whose shapes are inferred.
        units: How the provider sees a graph: single nodes, or Q/DQ groups where it takes these as one.
        drops: Why it does not keep a group of supported units as a partition; "" where it does.
        integer: Whether its kernel of a unit that it takes multiplies integers.
        bodies: Whether it takes nodes in the bodies of If, Loop and Scan.
    """

    provider: str
    source: str
    verdict: Callable[[Unit, ir.Model], Verdict]
    units: Callable[[ir.Graph], Sequence[Unit]] = single_units
    drops: Callable[[Sequence[Unit]], str] = _keeps_all
    integer: Callable[[Unit], bool] = lambda unit: unit.grouped
    bodies: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CheckedUnit:
    """A unit, where it would run, and why.

    Attributes:
        unit: The node, or the Q/DQ group.
        provider: Where it would run: the CPU's, behind all that were asked.
        partition: Number of its partition, from 0; None on the CPU's provider and in a body.
        verdicts: What the providers asked said, by name; none behind the one that took it.
        integer: Whether a provider that was asked would multiply integers.
    """

    unit: Unit
    provider: str
    partition: int | None
    verdicts: Mapping[str, Verdict]
    integer: bool


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Checked:
    """What the rules say of a model.

    Attributes:
        providers: Those asked, in order.
        sources: Of their rules.
        units: In an order that runs, those of a partition together, those of a body behind its node.
        partitions: How many the providers asked would run.
        crossing_bytes: Into and out of partitions in one run, the model's inputs and outputs included; None where a
            shape is not known.
    """

    providers: tuple[str, ...]
    sources: tuple[str, ...]
    units: tuple[CheckedUnit, ...]
    partitions: int
    crossing_bytes: int | None

    @property
    def nodes(self) -> int:
        """Nodes in all, Constant nodes aside."""
        return sum(len(each.unit.nodes) for each in self.units)

    @property
    def supported(self) -> int:
        """Nodes that would run on a provider that was asked."""
        return sum(len(each.unit.nodes) for each in self.units if each.provider in self.providers)


def check(model: ir.Model, *rules: SupportRules) -> Checked:
    """Ask providers, in order, what they would take of a model; each is shown what those before it left.

    Args:
        model: With inferred shapes.
        rules: Of the providers, in the session's order, the CPU's left out.
    """
    verdicts: dict[ir.Node, dict[str, Verdict]] = {}
    placed: dict[Block, str] = {}  # partitions, and their providers
    order: list[Block] = [(unit,) for unit in single_units(model.graph)]
    for each in rules:
        blocks = (*placed, *((unit,) for unit in _left(each.units(model.graph), placed)))
        asked = {block: each.verdict(block[0], model) for block in blocks if block not in placed}
        order = []
        wanted = {block for block, verdict in asked.items() if verdict.supported}
        for members, taken in partition(_sorted(blocks, model.graph), wanted.__contains__):
            group = tuple(unit for block in members for unit in block)
            why = each.drops(group) if taken else ""
            if taken and not why:
                placed[group] = each.provider
            elif why:
                asked |= dict.fromkeys(members, refused(why))
            order += [group] if taken and not why else members
        for block, verdict in asked.items():
            for node in block[0].nodes:  # of a shared DequantizeLinear the verdict on itself stands
                said = verdicts.setdefault(node, {})
                said[each.provider] = verdict if node is block[0].node else said.get(each.provider, verdict)
    numbers = {block: number for number, block in enumerate(block for block in order if block in placed)}
    integers = {each.provider: each.integer for each in rules}
    units = []
    for block in order:
        provider = placed.get(block, CPU)
        for unit in block:
            integer = provider in integers and integers[provider](unit)
            said = verdicts.get(unit.node, {})
            units.append(
                CheckedUnit(unit=unit, provider=provider, partition=numbers.get(block), verdicts=said, integer=integer)
            )
            units += _in_bodies(unit.node, model, rules)
    return Checked(
        providers=tuple(each.provider for each in rules),
        sources=tuple(each.source for each in rules),
        units=tuple(units),
        partitions=len(numbers),
        crossing_bytes=crossing_bytes(model.graph, order, numbers),
    )


def _left(units: Sequence[Unit], placed: Mapping[Block, str]) -> Iterator[Unit]:
    """The units nobody took; what is left of a group of which somebody took a part, node by node."""
    taken = {node for block in placed for unit in block for node in unit.nodes}
    for unit in units:
        if taken.isdisjoint(unit.nodes):
            yield unit
        else:
            yield from (Unit(node=node) for node in unit.nodes if node not in taken)


def _sorted(blocks: Sequence[Block], graph: ir.Graph) -> list[Block]:
    """Blocks by their first node in the graph."""
    index = {node: number for number, node in enumerate(graph)}
    return sorted(blocks, key=lambda block: min(index[node] for unit in block for node in unit.nodes))


def _in_bodies(node: ir.Node, model: ir.Model, rules: Sequence[SupportRules]) -> Iterator[CheckedUnit]:
    """Nodes in a node's bodies, at any depth; they are nobody's partition."""
    for body in bodies(node):
        for unit in single_units(body):
            said: dict[str, Verdict] = {}
            for each in rules:
                inside = refused(f"it is in a body of {node.op_type} {node.name}, of which the provider takes none")
                said[each.provider] = each.verdict(unit, model) if each.bodies else inside
                if said[each.provider].supported:
                    break
            taken = [each for each in rules if each.provider in said and said[each.provider].supported]
            yield CheckedUnit(
                unit=unit,
                provider=taken[0].provider if taken else CPU,
                partition=None,
                verdicts=said,
                integer=bool(taken) and taken[0].integer(unit),
            )
            yield from _in_bodies(unit.node, model, rules)
