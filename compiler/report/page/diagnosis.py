"""The diagnosis of a miss: the cause, its evidence, where error is born, repairs and what they gain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..units import share
from .numbers import signed
from .sources import Sources

__all__ = ["Diagnosed", "diagnosed_of"]

_SITES, _BIRTHS, _REPAIRS = 3, 8, 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosed:
    """What is wrong, and what helps.

    Attributes:
        lead: The cause, in a sentence.
        outputs: SQNR of the outputs that was to be explained.
        evidence: (cause, share of the noise that goes without it, place, evidence).
        births: (share, node, operator, value).
        repairs: (gain, outputs with it, integer MACs, repair).
        best: Title of the repair to keep; "" for none.
        lines: What to write into edgec.toml for it.
        notes: What the reader must know.
    """

    lead: str
    outputs: str
    evidence: tuple[tuple[str, str, str, str], ...]
    births: tuple[tuple[str, str, str, str], ...]
    repairs: tuple[tuple[str, str, str, str], ...]
    best: str
    lines: tuple[str, ...]
    notes: tuple[str, ...]


def diagnosed_of(sources: Sources) -> Diagnosed | None:
    """What `edgec diagnose`, or a compile that missed its budget, found; None where nobody looked."""
    found = sources.diagnosis
    if found is None:
        return None
    first = next(iter(found["findings"]), None)
    named = first is not None and found["cause"] is not None
    best = found["best"]
    return Diagnosed(
        lead=f"{_capital(first['cause'])}: {first['meaning']}."
        if first is not None and named
        else "No single cause explains the error: it is that of rounding, spread over the model.",
        outputs=f"{_decibels(found['sqnr_db'])} on calibration samples"
        + ("" if found["unseen_sqnr_db"] is None else f", {_decibels(found['unseen_sqnr_db'])} on evaluation samples"),
        evidence=tuple(
            (each["cause"], share(each["recovered"]), site["name"], site["evidence"])
            for each in found["findings"]
            for site in each["sites"][:_SITES]
        ),
        births=tuple(
            (share(each["share"]), each["node"] or "–", each["op"], each["value"] or "float")
            for each in found["births"][:_BIRTHS]
        ),
        repairs=tuple(_repair(each) for each in found["repairs"][:_REPAIRS]),
        best="" if best is None else best["title"],
        lines=() if best is None else tuple(best["lines"]),
        notes=tuple(found["notes"]),
    )


def _repair(each: Mapping[str, Any]) -> tuple[str, str, str, str]:
    if each["failed"]:
        return "–", "–", "–", f"{each['title']}: could not be tried: {each['failed']}"
    gain = "–" if each["gain_db"] is None else f"{signed(round(each['gain_db'], 1))}\N{NO-BREAK SPACE}dB"
    return gain, _decibels(each["sqnr_db"]), share(each["integer_share"]), each["title"]


def _decibels(value: float | None) -> str:
    return "identical" if value is None else f"{value:.1f}\N{NO-BREAK SPACE}dB"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
