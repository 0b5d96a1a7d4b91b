"""The verdict first: what the banner says, and the contract clause by clause."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ...clauses import CLAUSE_KINDS
from ..units import plural
from .gauge import gauge
from .numbers import between, limit_text, quantity
from .sources import Record, Sources
from .svg import Ids

__all__ = ["Banner", "ClauseRow", "banner_of", "clause_rows"]

_HEADS = {"proved": "Proved", "broken": "Broken", "inconclusive": "Inconclusive", "checked": "Checked, not executed"}
_NAMES = {
    "sqnr": "SQNR",
    "p95": "95th percentile latency",
    "p95_ratio": "95th percentile against float",
    "load_time": "Time to open",
    "oldest_onnxruntime": "Oldest ONNX Runtime",
    "opset": "Operator set",
    "ir_version": "IR version",
    "integer_macs": "Integer MACs",
    "off_provider": "Off the provider",
    "finite": "Finite outputs",
    "golden": "Golden replay",
    "context": "Context binary",
    "ort": "ORT format",
}
_ORDER = ("broken", "inconclusive", "unknown", "met")


@dataclass(frozen=True, kw_only=True, slots=True)
class ClauseRow:
    """One clause.

    Attributes:
        id, name, help: Its id, the id in words, what it measures.
        status: `met`, `broken`, `inconclusive` or `unknown`.
        limit, measured, interval: With units; "" where there is none.
        n: Samples or runs it rests on; "" where there are none.
        reason: What stands behind it.
        gauge: Measured value and interval beside the limit.
    """

    id: str
    name: str
    help: str
    status: str
    limit: str
    measured: str
    interval: str
    n: str
    reason: str
    gauge: Markup | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Banner:
    """The verdict.

    Attributes:
        word: As `Verdict.word`.
        head: The word as a headline.
        lead: One sentence.
        clauses: Those that are not met, the worst first.
        caveats: Where it ran, when that is not the device.
        exit_code: That of the commands.
    """

    word: str
    head: str
    lead: str
    clauses: tuple[ClauseRow, ...]
    caveats: tuple[str, ...]
    exit_code: int


def clause_rows(sources: Sources, ids: Ids) -> tuple[ClauseRow, ...]:
    """Every clause, what is not met first."""
    rows = [_row(result, sources, ids) for result in sources.verdict["results"]]
    return tuple(sorted(rows, key=lambda row: _ORDER.index(row.status)))


def banner_of(sources: Sources, rows: Sequence[ClauseRow]) -> Banner:
    """What the verdict says, in a sentence."""
    word = str(sources.verdict["word"])
    told = {"broken": ("broken", "inconclusive"), "inconclusive": ("inconclusive", "unknown")}.get(word, ())
    return Banner(
        word=word,
        head=_HEADS[word],
        lead=_lead(word, sources, rows),
        clauses=tuple(row for row in rows if row.status in told),
        caveats=tuple(_caveats(sources.proof)),
        exit_code=int(sources.verdict["exit_code"]),
    )


def _lead(word: str, sources: Sources, rows: Sequence[ClauseRow]) -> str:
    counts = {status: sum(row.status == status for row in rows) for status in _ORDER}
    asked = [name for name in sources.verdict.get("contract", {}) if name != "proof"]
    if word == "broken":
        return f"{counts['broken']} of {plural(len(rows), 'clause')} {_are(counts['broken'])} broken."
    if word == "inconclusive":
        undecided = counts["inconclusive"] + counts["unknown"]
        return f"No clause is broken; {undecided} of {len(rows)} {_are(undecided)} not decided."
    if word == "checked":
        waiting = f"; {counts['unknown']} can only be answered by the device" if counts["unknown"] else ""
        return f"{counts['met']} of {plural(len(rows), 'clause')} {_are(counts['met'])} met{waiting}."
    limited = sum(row.id in asked and row.limit != "" for row in rows)
    if not limited:
        return f"No limit was set; what is always asked ({plural(len(rows), 'clause')}) is met."
    if counts["unknown"]:
        return (
            f"{counts['met']} of {len(rows)} clauses are met; {counts['unknown']} can only be answered by the device."
        )
    return f"All {plural(len(rows), 'clause')} of the contract are met."


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _caveats(proof: Record) -> Iterator[str]:
    if proof["unexecuted"]:
        yield f"Not on the target's own kernels: {proof['unexecuted']}."
    if proof.get("emulated"):
        yield f"Executed on {proof['emulated']}: this proves accuracy and placement, never latency."
    elif proof.get("untimed") and not proof["unexecuted"]:
        yield f"Not timed: {proof['untimed']}."


def _row(result: Mapping[str, Any], sources: Sources, ids: Ids) -> ClauseRow:
    kind = CLAUSE_KINDS.get(result["id"])
    direction = "max" if kind is None else kind.direction
    if result["id"] == "accuracy" and _lower_is_better(sources.proof):
        direction = "max"
    words = result["id"].replace("_", " ")
    name = _NAMES.get(result["id"], words[:1].upper() + words[1:])
    return ClauseRow(
        id=result["id"],
        name=name,
        help="" if kind is None else kind.help,
        status=result["status"],
        limit=limit_text(result, direction),
        measured=_measured(result),
        interval=between(result["interval"], result["unit"]),
        n="" if result["n"] is None else str(result["n"]),
        reason=result["reason"],
        gauge=_gauge(result, name, direction, ids),
    )


def _measured(result: Mapping[str, Any]) -> str:
    if result["measured"] is not None and result["limit"] is not None:
        return quantity(result["measured"], result["unit"])
    if result["measured"] is not None:  # a clause without a limit counts what is wrong, or says how far it is
        return quantity(result["measured"], "dB" if result["id"] in ("golden", "ort", "context") else "")
    if result["unit"] == "release":
        return "opens" if result["status"] == "met" else "–"
    return "identical" if result["status"] == "met" else "–"


def _gauge(result: Mapping[str, Any], name: str, direction: str, ids: Ids) -> Markup | None:
    match = re.match(r"[+-]?[\d.]+(?:[eE][+-]?\d+)?", result["limit"] or "")
    if match is None or result["measured"] is None:
        return None
    interval = result["interval"] or (result["measured"], result["measured"])
    values = (float(result["measured"]), float(interval[0]), float(interval[1]))
    return gauge(
        ids, values, float(match[0]), upper=direction == "max", status=result["status"], name=name, unit=result["unit"]
    )


def _lower_is_better(proof: Record) -> bool:
    metric = (proof["evaluation"] or {}).get("metric")
    return metric is not None and metric["direction"] == "lower"
