"""Which value of one graph is which of another: by name, then by what computes them; never by guessing.

1. Same name, Q/DQ suffixes taken off (`carried.py`).
2. Same operator, same attributes, same inputs (matched ones, or constants of the same shape): taken when exactly one
   value on either side answers the description.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from ...passes.edit import value_names
from .carried import Carried, carried_values, constant_values

__all__ = ["Lone", "Matching", "Pair", "match"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pair:
    """One value in two graphs. `by` is `name` or `structure`."""

    name: str
    reference: Carried
    other: Carried
    by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Lone:
    """A value without a counterpart. `side` is `a` or `b`."""

    side: str
    name: str
    op: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Matching:
    """Pairs in the order of the reference's graph, and what is left over."""

    pairs: tuple[Pair, ...]
    lone: tuple[Lone, ...]


def match(reference: ir.Model, other: ir.Model) -> Matching:
    """Match the values of two main graphs.

    Args:
        reference: The first model.
        other: The second.
    """
    left, right = carried_values(reference), carried_values(other)
    pairs = _by_name(left, right)
    _by_structure(pairs, left, right, constant_values(reference.graph), constant_values(other.graph))
    taken = {pair.other for pair in pairs.values()}
    fused = {name: each.names[0] for each in right for name in each.names[1:]}
    lone = [_lone("a", each, fused.get(each.names[0])) for each in left if each not in pairs]
    lone += [_lone("b", each, None) for each in right if each not in taken]
    lone += [*_in_bodies("a", reference), *_in_bodies("b", other)]
    ordered = sorted(pairs.values(), key=lambda pair: pair.reference.depth)
    return Matching(pairs=tuple(ordered), lone=tuple(lone))


def _by_name(left: Sequence[Carried], right: Sequence[Carried]) -> dict[Carried, Pair]:
    """Surest names first: the one a pair of Q and DQ was made for goes before that of what they follow."""
    pairs: dict[Carried, Pair] = {}
    taken: set[Carried] = set()
    for rank in range(max((len(each.names) for each in (*left, *right)), default=0)):
        for mine in range(rank + 1):
            names = {each.names[mine]: each for each in left if mine < len(each.names) and each not in pairs}
            for each in right:
                theirs = rank - mine
                if each in taken or theirs >= len(each.names):
                    continue
                found = names.get(each.names[theirs])
                if found is not None and found not in pairs:
                    pairs[found] = Pair(name=found.names[0], reference=found, other=each, by="name")
                    taken.add(each)
    return pairs


def _by_structure(
    pairs: dict[Carried, Pair],
    left: Sequence[Carried],
    right: Sequence[Carried],
    left_constants: set[ir.Value],
    right_constants: set[ir.Value],
) -> None:
    """Extend the pairs by what they determine, until nothing more follows."""
    while True:
        known_left, known_right = _identities(pairs)
        taken = {pair.other for pair in pairs.values()}
        mine = _described([each for each in left if each not in pairs], known_left, left_constants)
        theirs = _described([each for each in right if each not in taken], known_right, right_constants)
        new = [(mine[form], theirs[form]) for form in mine if form in theirs]
        if not new:
            return
        for reference, other in new:
            pairs[reference] = Pair(name=reference.names[0], reference=reference, other=other, by="structure")


def _identities(pairs: dict[Carried, Pair]) -> tuple[dict[ir.Value, int], dict[ir.Value, int]]:
    """Number of the pair each value belongs to, on either side."""
    left: dict[ir.Value, int] = {}
    right: dict[ir.Value, int] = {}
    for number, pair in enumerate(pairs.values()):
        for known, each in ((left, pair.reference), (right, pair.other)):
            known.update({value: number for value in (each.value, each.read) if value is not None})
    return left, right


def _described(
    values: Sequence[Carried], known: dict[ir.Value, int], constants: set[ir.Value]
) -> dict[Hashable, Carried]:
    """Values by what computes them, where that says it all and only one answers."""
    forms = [(each, _form(each, known, constants)) for each in values]
    count = Counter(form for _, form in forms)
    return {form: each for each, form in forms if form is not None and count[form] == 1}


def _form(each: Carried, known: dict[ir.Value, int], constants: set[ir.Value]) -> Hashable:
    node = each.producer
    if node is None:
        return None
    inputs: list[Hashable] = []
    for value in node.inputs:
        if value is None:
            inputs.append(None)
        elif value in known:
            inputs.append(known[value])
        elif value in constants:
            inputs.append(str(value.shape))
        else:
            return None
    if not any(isinstance(part, int) for part in inputs):
        return None
    attributes = tuple(sorted((a.name, str(a.value)) for a in node.attributes.values()))
    outputs = [value for value in (each.value, each.read) if value is not None and value.producer() is node]
    return (node.domain, node.op_type, attributes, tuple(inputs), outputs[0].index() if outputs else 0)


def _lone(side: str, each: Carried, fused_into: str | None) -> Lone:
    reason = "has no counterpart"
    if fused_into is not None and fused_into != each.names[0]:
        reason = f"is fused: only {fused_into!r} behind it is kept"
    return Lone(side=side, name=each.names[0], op=each.op, reason=reason)


def _in_bodies(side: str, model: ir.Model) -> list[Lone]:
    """Values of If, Loop and Scan bodies, which cannot be read from outside."""
    found = []
    for node in model.graph:
        bodies = [a for a in node.attributes.values() if a.type == ir.AttributeType.GRAPH]
        if bodies:
            inside = sum(len(value_names(a.as_graph())) for a in bodies)
            found.append(
                Lone(
                    side=side,
                    name=str(node.name),
                    op=node.op_type,
                    reason=f"keeps {inside} values in its body, which are not outputs of the main graph",
                )
            )
    return found
