"""Where error is born: round one place at a time and look at the outputs.

Noise of single places adds up to that of all of them as long as it is small and they are independent; the share of a
place is its part of that sum. Which places are worth a run is estimated first, from histograms alone:

    noise/signal ≈ (s² / 12) / E[x²]  for a value at scale s      (`portrait.rounding_noise`)
                 + Σ (w - q)² x² / Σ w² x²  for the weights       (`tied_weights.loss_db`)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...passes.quantize.decision import decided_values
from ..searching.bench import Bench
from .case import Case
from .causes.tied_weights import loss_db
from .changes import only_born
from .finding import Birth, decibels_of
from .laboratory import noise_of
from .portrait import rounding_noise

__all__ = ["births"]

_MOST = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    node: str | None
    value: str | None
    op: str
    estimate: float


def births(case: Case, bench: Bench) -> tuple[Birth, ...]:
    """The places that contribute most, the largest share first.

    Args:
        case: The case.
        bench: Samples with float's answers.
    """
    places = sorted(_places(case), key=lambda place: -place.estimate)[:_MOST]
    noises = []
    for place in places:
        alone = case.laboratory.variant(case.passes, change=only_born(place.node, place.value))
        noises.append(noise_of(bench, alone))
    total = sum(noises)
    found = [
        Birth(
            node=place.node,
            value=place.value,
            op=place.op,
            sqnr_db=decibels_of(noise),
            share=noise / total if total else 0.0,
        )
        for place, noise in zip(places, noises, strict=True)
    ]
    return tuple(sorted(found, key=lambda birth: -birth.share))


def _places(case: Case) -> Iterator[_Place]:
    """Every node that rounds, and every rounded value that no such node writes."""
    losses = {str(weight.node.name): loss_db(case, weight) for weight in case.weights()}
    written = set()
    for node, decision in case.nodes():
        value = None if decision.output is None else str(decision.output.name)
        written.add(value)
        if decision.rule.role == "carry":
            continue  # it moves what was rounded before it
        loss = losses.get(str(node.name))
        of_weights = 0.0 if loss is None else 10 ** (-loss / 10)
        yield _Place(
            node=str(node.name),
            value=value,
            op=node.op_type,
            estimate=of_weights + rounding_noise(case.portraits.get(value or "")),
        )
    for each, _ in decided_values(case.decided.graph):
        if each.name not in written:
            producer = each.producer()
            yield _Place(
                node=None,
                value=str(each.name),
                op="input" if producer is None else producer.op_type,
                estimate=rounding_noise(case.portraits.get(str(each.name))),
            )
