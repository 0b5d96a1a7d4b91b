"""Repairs that may help, by cause and in general; each one measured by compiling with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ...errors import EdgecError
from ...targets.pipeline import recipe_for
from ...targets.policy import CALIBRATION_METHODS
from ..searching.bench import Bench
from .avx2_kernels import Avx2Kernels
from .case import Case, Site
from .causes.dead_range import live_range
from .finding import Finding, Outcome, Repair, decibels_of
from .laboratory import integer_share, noise_of

__all__ = ["candidates", "chosen", "measured", "reducing"]

# Float costs time on the device: this much is asked for leaving anything float, and for all the MACs at once.
_FLOAT_COSTS_DB, _MACS_COST_DB = 3.0, 30.0
_MOST_DB = 60.0
_WORTH_DB = 1.0
_SITES = 4


def candidates(case: Case, findings: Sequence[Finding], suspects: Sequence[str]) -> list[Repair]:
    """Repairs worth a try, those aimed at the findings first; none that the policy has already.

    Args:
        case: The case.
        findings: What explains the error, the cause named first.
        suspects: Nodes where most error is born, to be left float when nothing else is known.
    """
    found = [repair for finding in findings for repair in _aimed(case, finding)]
    found += _general(case)
    found += _left_float(case, "leave {} float: most error is born there", suspects)
    unique: list[Repair] = []
    for repair in found:
        settings = {k: v for k, v in repair.settings.items() if getattr(case.policy, k) != v}
        repair = replace(repair, settings=settings)
        same = any(e.settings == settings and e.recalibrate == repair.recalibrate for e in unique)
        if (settings or repair.recalibrate) and not same:
            unique.append(repair)
    return unique


def reducing(nodes: Sequence[str], already: Sequence[str] = ()) -> Repair:
    """7-bit weights where sums saturate, 8 bits elsewhere.

    Args:
        nodes: Layers, as `predict` names them.
        already: Patterns the policy has.
    """
    names = list(dict.fromkeys(nodes))
    where = names[0] if len(names) == 1 else f"{len(names)} layers"
    patterns = (f"^{re.escape(name)}$" for name in names)
    return Repair(
        title=f"7-bit weights of {where}: no sum of two products exceeds 16 bits",
        settings={"reduce_range_nodes": tuple(dict.fromkeys((*already, *patterns)))},
    )


def measured(case: Case, bench: Bench, before: float, repairs: Sequence[Repair]) -> list[Outcome]:
    """Compile with every repair and compare the outputs; what changes nothing is left out.

    The two best that keep integers are tried together as well.

    Args:
        case: The case.
        bench: Samples with float's answers.
        before: Noise over signal without a repair.
        repairs: What to try.
    """
    found = [outcome for repair in repairs if (outcome := _tried(case, bench, before, repair)) is not None]
    helping = [each for each in _ranked(found) if each.repair.keeps_integers and each.gain_db >= _WORTH_DB]
    if len(helping) > 1:
        first, second = helping[0].repair, helping[1].repair
        if not set(first.settings) & set(second.settings):
            both = Repair(
                title=f"{first.title}; and {second.title}",
                settings={**first.settings, **second.settings},
                recalibrate=first.recalibrate or second.recalibrate,
            )
            outcome = _tried(case, bench, before, both)
            # Two settings are worth it only when they beat one.
            if outcome is not None and outcome.gain_db >= helping[0].gain_db + _WORTH_DB:
                found.append(outcome)
    return _ranked(found)


def chosen(outcomes: Sequence[Outcome]) -> Outcome | None:
    """The repair to keep: the largest gain, float nodes taxed; None when none gains a decibel."""
    best = next(iter(_ranked(outcomes)), None)
    return best if best is not None and best.gain_db >= _WORTH_DB else None


def _tried(case: Case, bench: Bench, before: float, repair: Repair) -> Outcome | None:
    try:
        passes = recipe_for(case.target, replace(case.policy, **repair.settings)).passes
        calibration = case.recalibration if repair.recalibrate else None
        variant = case.laboratory.variant(passes, calibration=calibration)
        share = integer_share(variant)
        if not share:
            return None
        noise = noise_of(bench, variant)
    except EdgecError as error:
        why = f"{error.where}: {error.problem}"
        return Outcome(repair=repair, sqnr_db=float("nan"), gain_db=float("-inf"), failed=why)
    if noise == before:
        return None
    after_db = decibels_of(noise)
    gain = after_db - decibels_of(before)
    return Outcome(
        repair=repair,
        sqnr_db=after_db,
        gain_db=gain,
        integer_share=share,
        predicted=isinstance(bench.runtime, Avx2Kernels),
    )


def _ranked(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Largest gain first, less what the float MACs cost."""
    most = max((outcome.integer_share for outcome in outcomes), default=0.0)

    def worth(outcome: Outcome) -> float:
        cost = 0.0 if outcome.repair.keeps_integers else _FLOAT_COSTS_DB
        return min(outcome.gain_db, _MOST_DB) - cost - _MACS_COST_DB * (most - outcome.integer_share)

    return sorted(outcomes, key=worth, reverse=True)


def _aimed(case: Case, finding: Finding) -> Iterator[Repair]:
    """What is made against one cause."""
    sites = finding.sites[:_SITES]
    match finding.cause:
        case "calibration mismatch" if case.recalibration is not None:
            yield Repair(title="calibrate on samples like the evaluation samples", recalibrate=True)
        case "kernel saturation":
            nodes = [node for site in finding.sites for node in site.nodes]
            yield reducing(nodes, case.policy.reduce_range_nodes)
            yield Repair(title="7-bit weights of all layers", settings={"reduce_range": True})
        case "saturated input range":
            yield Repair(title="spend all codes where the function changes", settings={"ranges": _live(case, sites)})
        case "shared-scale clash":
            names = tuple(f"^{re.escape(site.name)}$" for site in sites)
            yield Repair(
                title="give every operand of the Concat its own scale, by splitting what reads it",
                settings={"split_concats": (*case.policy.split_concats, *names)},
            )
        case "weight spread":
            yield Repair(title="one weight scale per output channel", settings={"per_channel": True})
    for count in (1, len(sites)):
        nodes = [node for site in sites[:count] for node in site.nodes]
        yield from _left_float(case, f"leave {{}} float: {finding.cause}", nodes)


def _general(case: Case) -> Iterator[Repair]:
    """What helps against several causes."""
    yield Repair(title="equalize weight ranges across layers", settings={"equalize": True})
    yield Repair(title="move activation outliers into weights (SmoothQuant)", settings={"smooth": "auto"})
    yield Repair(title="second-order rounding (GPTQ)", settings={"rounding": "gptq"})
    yield Repair(title="search the clipping of weights", settings={"clip_weights": True})
    yield Repair(title="correct biases for the mean error of each layer", settings={"bias_correction": "fast"})
    if not case.policy.per_channel:
        yield Repair(title="one weight scale per output channel", settings={"per_channel": True})
    for method in CALIBRATION_METHODS:
        yield Repair(title=f"ranges by {method}", settings={"calibration_method": method})


def _left_float(case: Case, title: str, nodes: Sequence[str]) -> Iterator[Repair]:
    if not nodes:
        return
    patterns = tuple(dict.fromkeys(f"^{re.escape(node)}$" for node in nodes))
    named = ", ".join(dict.fromkeys(nodes))
    settings: dict[str, Any] = {"exclude_nodes": (*case.policy.exclude_nodes, *patterns)}
    yield Repair(title=title.format(named), settings=settings, keeps_integers=False)


def _live(case: Case, sites: Sequence[Site]) -> tuple[str, ...]:
    found = list(case.policy.ranges)
    for site in sites:
        live = live_range(case, case.portraits[site.name])
        if live is not None:
            found.append(f"{site.name}={live[0]:.6g}:{live[1]:.6g}")
    return tuple(found)
