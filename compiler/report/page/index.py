"""`index.html` of a build: one row a bundle, each with its page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ....bundle import Bundle
from ...building.outcome import Outcome
from ..records import proof_json
from ..units import plural, share, size
from . import PAGE
from .numbers import quantity
from .origin import when
from .sources import Record
from .write import environment, style, write_text

__all__ = ["IndexRow", "index_rows", "write_index"]

_INDEX = "index.html"
_UNKNOWN = "–"
_ORDER = ("failed", "broken", "inconclusive", "checked", "proved")


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexRow:
    """One bundle.

    Attributes:
        name, target: Which.
        word: Its verdict, or `failed`.
        link: Its page, relative to the index; "" where it has none.
        missed: Clauses that are not met, or what went wrong.
        drop, size, ratio, integers: Loss of the metric, bytes, median latency against float, integer MACs.
    """

    name: str
    target: str
    word: str
    link: str
    missed: str
    drop: str
    size: str
    ratio: str
    integers: str


def write_index(folder: Path, outcomes: Sequence[Outcome]) -> Path:
    """Write `index.html` of a build, whole or not at all.

    Args:
        folder: The folder of the build.
        outcomes: One a bundle.

    Raises:
        BundleError: A record of a proof is no JSON object.
        OutputError: It cannot be written.
    """
    rows = index_rows(folder, outcomes)
    counts = {word: sum(row.word == word for row in rows) for word in _ORDER}
    lead = ", ".join(f"{number} {word}" for word, number in counts.items() if number)
    dates = [str(outcome.verdict.get("date", "")) for outcome in outcomes if outcome.verdict is not None]
    html = (
        environment()
        .get_template("index.html")
        .render(
            rows=rows,
            lead=f"{plural(len(rows), 'bundle')}: {lead}",
            date=when(max(dates)) if dates else "",
            css=style(),
        )
    )
    return write_text(folder / _INDEX, html)


def index_rows(folder: Path, outcomes: Sequence[Outcome]) -> tuple[IndexRow, ...]:
    """What the index says, what is not met first."""
    rows = [_row(folder.absolute(), outcome) for outcome in outcomes]
    return tuple(sorted(rows, key=lambda row: _ORDER.index(row.word)))


def _row(folder: Path, outcome: Outcome) -> IndexRow:
    proof = None if outcome.bundle is None else proof_json(Bundle.open(outcome.bundle), "proof")
    page = None if outcome.bundle is None else outcome.bundle / "proof" / PAGE
    link = "" if page is None or not page.is_file() else Path(os.path.relpath(page, folder)).as_posix()
    results = [] if outcome.verdict is None else outcome.verdict["results"]
    missed = ", ".join(each["id"] for each in results if each["status"] in ("broken", "inconclusive"))
    drop, bytes_, ratio, integers = (_UNKNOWN,) * 4 if proof is None else _numbers(proof)
    return IndexRow(
        name=outcome.job.name,
        target=outcome.job.target,
        word="failed" if outcome.verdict is None else outcome.verdict["word"],
        link=link,
        missed=outcome.error or missed,
        drop=drop,
        size=bytes_,
        ratio=ratio,
        integers=integers,
    )


def _numbers(proof: Record) -> tuple[str, str, str, str]:
    metric = (proof["evaluation"] or {}).get("metric")
    drop = _UNKNOWN
    if metric is not None and metric["drop"] is not None:
        drop = quantity(metric["drop"] * (100 if metric["unit"] == "pt" else 1), metric["unit"])
    timed = None if proof["untimed"] else next((each for each in proof["latency"] if each["threads"] == 1), None)
    ratio = _UNKNOWN if timed is None or timed["ratio"] is None else f"{timed['ratio']:.2f}×"
    known = None if proof["placement"] is None else proof["placement"]["integer_mac_share"]
    return drop, size(proof["size"]["bundle_bytes"]), ratio, _UNKNOWN if known is None else share(known)
