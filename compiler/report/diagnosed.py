"""A diagnosis for the terminal: the cause, the evidence, where error is born, what was tried, the line to keep."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.console import RenderableType

from ..diagnosing.finding import Diagnosis, Finding, Outcome
from .compared import decibels, shortened
from .layout import facts, heading, lines, table
from .units import share

__all__ = ["diagnosed"]

_SITES, _BIRTHS, _REPAIRS = 3, 6, 10


def diagnosed(found: Diagnosis) -> Iterator[RenderableType]:
    """The parts of the report, in order."""
    yield facts(
        [
            ("cause", _cause(found)),
            ("outputs", _outputs(found)),
            ("repair", _repair(found.best)),
            ("edgec.toml", None if found.best is None else lines(("[compile]", *found.best.repair.lines))),
            ("notes", lines(found.notes)),
        ]
    )
    if found.findings:
        yield heading("Evidence (what is left without each cause)")
        yield table(
            ("cause", "recovers", "without it", "on", "where", "evidence"), _evidence(found), right=("recovers",)
        )
    if found.births:
        yield heading("Where error is born (one place rounded, all else float)")
        rows = [
            (share(e.share), decibels(e.sqnr_db), e.op, shortened(e.node or "–"), shortened(e.value or "float"))
            for e in found.births[:_BIRTHS]
        ]
        yield table(("share", "alone", "op", "node", "rounded value"), rows, right=("share", "alone"))
    if found.repairs:
        yield heading("Repairs, measured")
        tried = map(_tried, found.repairs[:_REPAIRS])
        yield table(("gain", "outputs", "integer MACs", "repair"), tried, right=("gain", "outputs", "integer MACs"))


def _cause(found: Diagnosis) -> str:
    if found.cause is None:
        return "none: the error is that of rounding, no single cause explains it"
    first = found.findings[0]
    return f"{first.cause}: {first.meaning}"


def _outputs(found: Diagnosis) -> str:
    text = f"{decibels(found.sqnr_db)} on calibration samples"
    return text if found.unseen_db is None else f"{text}, {decibels(found.unseen_db)} on evaluation samples"


def _repair(best: Outcome | None) -> str:
    if best is None:
        return "none gains a decibel"
    gain = "" if math.isinf(best.gain_db) else f", {best.gain_db:+.1f} dB"
    return (
        f"{best.repair.title}: {decibels(best.sqnr_db)}{gain}{', computed as the kernels do' if best.predicted else ''}"
    )


def _evidence(found: Diagnosis) -> Iterator[tuple[str, ...]]:
    for finding in found.findings:
        for number, site in enumerate(finding.sites[:_SITES]):
            head = _experiment(finding) if number == 0 else ("", "", "", "")
            yield (*head, shortened(site.name), site.evidence)
        if len(finding.sites) > _SITES:
            yield ("", "", "", "", f"and {len(finding.sites) - _SITES} more", "")


def _experiment(finding: Finding) -> tuple[str, str, str, str]:
    return finding.cause, share(finding.recovered), decibels(finding.after_db), finding.measured_on


def _tried(outcome: Outcome) -> tuple[str, ...]:
    if outcome.failed:
        return "–", "–", "–", f"{outcome.repair.title}: could not be tried: {outcome.failed}"
    gain = "–" if math.isinf(outcome.gain_db) else f"{outcome.gain_db:+.1f} dB"
    return gain, decibels(outcome.sqnr_db), share(outcome.integer_share), outcome.repair.title
