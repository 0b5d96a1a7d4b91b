"""The same bundle on other places, where it was proved on several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..units import share
from .numbers import number, quantity
from .sources import Sources

__all__ = ["PlaceRow", "places_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaceRow:
    """One place: its verdict, its metric, how far its answers are from this process, what runs in integers."""

    place: str
    word: str
    metric: str
    drop: str
    steps: str
    integers: str
    runtime: str


def places_of(sources: Sources) -> tuple[PlaceRow, ...]:
    """One row a place; () where it was proved on one."""
    return () if sources.portability is None else tuple(map(_row, sources.portability["places"]))


def _row(place: Mapping[str, Any]) -> PlaceRow:
    proof = place["proof"]
    evaluation, placement = proof["evaluation"], proof["placement"]
    metric = None if evaluation is None else evaluation["metric"]
    factor, unit = (100.0, "pt") if metric is not None and metric["unit"] == "pt" else (1.0, "")
    unit = unit or ("" if metric is None else metric["unit"])
    integers = None if placement is None else placement["integer_mac_share"]
    return PlaceRow(
        place=place["place"],
        word=place["verdict"]["word"],
        metric="–" if metric is None else quantity(metric["value"] * factor, unit),
        drop="–" if metric is None or metric["drop"] is None else quantity(metric["drop"] * factor, unit),
        steps=_steps(proof["apart"]),
        integers="unknown" if integers is None else share(integers),
        runtime=proof["runtime"] + (f", {proof['emulated']}" if proof["emulated"] else ""),
    )


def _steps(outputs: Mapping[str, Any] | None) -> str:
    """The worst output's difference in quantization steps."""
    if outputs is None:
        return "reference"
    steps = [each["max_steps"] for each in outputs.values() if each["max_steps"] is not None]
    return number(max(steps), 2) if steps else "–"
