"""Receipts judged by the contract, beside what was proved here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...bundle import Bundle
from ...runtimes.base import Placement
from ...runtimes.crossing import partitions
from ...runtimes.timing import latency_of
from ..clauses import CLAUSE_KINDS
from ..contract import ClauseResult, Contract, Verdict
from ..proving.golden import golden_limit, is_order
from ..proving.judge import judged
from ..proving.machine import Machine
from ..proving.proof import AdapterProof, GoldenProof, LatencyProof, Proof
from .receipt import OutputDistance, Receipt

__all__ = ["ANSWERED", "judge_receipts", "with_receipts"]

# Of the device alone: what it says replaces what was measured here.
_OF_DEVICE = frozenset({"load_time", "p95", "peak_memory"})
ANSWERED = _OF_DEVICE | {"golden", "finite", "off_provider", "partitions"}
# Of evaluation samples, which no device was given.
_OF_SAMPLES = ("accuracy", "accuracy_drop", "sqnr", "cosine", "max_error")
_WORST = ("met", "unknown", "inconclusive", "broken")


def with_receipts(verdict: Verdict, contract: Contract, bundle: Bundle, receipts: Sequence[Receipt]) -> Verdict:
    """The verdict once devices have answered: times and memory are theirs, what else they say must hold as well.

    What was only checked here has been executed there. Nothing that a device can tell is excused any more.

    Args:
        verdict: What was proved here.
        contract: Its limits.
        bundle: What was proved.
        receipts: Trusted, and of that bundle.
    """
    if not receipts:
        return verdict
    answers = _answers(contract, bundle, receipts)
    results = [_joined(result, answers.get(result.id, [])) for result in verdict.results]
    notes = [*verdict.notes, *_notes(bundle, receipts)]
    executed = verdict.executed or "oldest_onnxruntime" not in verdict.excused  # no receipt is of an older release
    elsewhere = [each.id for each in results if each.id in _OF_SAMPLES and each.status != "unknown"]
    if executed and not verdict.executed and elsewhere:
        notes.append(
            f"{', '.join(elsewhere)}: measured here, not on the device's kernels, which answered the golden sample"
        )
    return Verdict.of(results, executed=executed, excused=verdict.excused - ANSWERED, notes=notes)


def judge_receipts(contract: Contract, bundle: Bundle, receipts: Sequence[Receipt]) -> Verdict:
    """What devices answer by themselves: the clauses of a contract that a receipt can show.

    Args:
        contract: Its limits; those that a receipt says nothing of are left out.
        bundle: What was run.
        receipts: Trusted, and of that bundle; not empty.
    """
    answers = _answers(contract, bundle, receipts)
    results = [_worst(answers[clause.id]) for clause in contract.all_clauses if clause.id in ANSWERED]
    return Verdict.of(results, notes=_notes(bundle, receipts))


def _notes(bundle: Bundle, receipts: Sequence[Receipt]) -> list[str]:
    """Who answered, and what nobody asked there."""
    notes = [f"receipt {each}" for each in receipts]
    for receipt in receipts:
        unrun = [name for name in bundle.adapters if name not in receipt.adapters]
        if unrun:
            notes.append(f"on {receipt.device.name} these adapters were not run: {', '.join(unrun)}")
    return notes


def _answers(contract: Contract, bundle: Bundle, receipts: Sequence[Receipt]) -> dict[str, list[ClauseResult]]:
    """Results by clause, one per receipt."""
    found: dict[str, list[ClauseResult]] = {}
    for receipt in receipts:
        proof = _proof(receipt, bundle)
        for clause in contract.all_clauses:
            if clause.id not in ANSWERED:
                continue
            if receipt.device.emulated and clause.id in _OF_DEVICE:
                why = f"an emulated processor has no times of its own: {receipt.device.emulated}"
                result = ClauseResult(id=clause.id, limit=clause.limit, measured=None, status="unknown", reason=why)
            else:
                result = judged(clause, proof)
            reason = f"on {receipt.device.name}" + (f": {result.reason}" if result.reason else "")
            found.setdefault(clause.id, []).append(replace(result, reason=reason))
    return found


def _joined(here: ClauseResult, answers: Sequence[ClauseResult]) -> ClauseResult:
    """What stands of a clause proved here, once devices have answered."""
    told = [answer for answer in answers if answer.status != "unknown"]
    if not told:
        return here
    return _worst(told if here.id in _OF_DEVICE or here.status == "unknown" else [here, *told])


def _worst(results: Sequence[ClauseResult]) -> ClauseResult:
    """The first of the results that are worst: by status, then by what was measured."""
    least = CLAUSE_KINDS[results[0].id].direction == "min" or results[0].id == "golden"

    def badness(result: ClauseResult) -> tuple[int, float]:
        if result.measured is None:  # of golden answers: they are identical
            return _WORST.index(result.status), -math.inf
        return _WORST.index(result.status), -result.measured if least else result.measured

    return max(results, key=badness)


def _proof(receipt: Receipt, bundle: Bundle) -> Proof:
    """A receipt in the form that clauses are judged in."""
    device, timings = receipt.device, receipt.timings
    busy = sum(timings.seconds) / timings.computing if timings.computing and timings.threads == 1 else None
    placement = Placement(kernels=receipt.kernels, evidence=receipt.evidence, partitions=partitions(receipt.kernels))
    return Proof(
        bundle=receipt.digest,
        date=f"{receipt.date:%Y-%m-%dT%H:%M:%SZ}",
        machine=Machine(
            cpu=device.processor,
            architecture=device.machine,
            cores=device.cores,
            system=device.system,
            python=device.language,
        ),
        versions={"onnxruntime": device.onnxruntime},
        runtime=device.name,
        providers=tuple(bundle.manifest["target"]["providers"]),
        session_options=dict(bundle.manifest["session_options"]),
        unexecuted="",
        golden=_golden(receipt.golden, receipt.steps, bundle),
        placement=placement,
        evaluation=None,
        size_bytes=bundle.size_bytes,
        float_bytes=None,
        load_seconds=receipt.load_seconds,
        opened=1,
        latency=(
            LatencyProof(
                threads=timings.threads,
                bundle=latency_of(np.array(timings.seconds), timings.threads),
                float_model=None,
                ratio=None,
                ratio_interval=None,
                without_options=None,
                busy=busy,
            ),
        ),
        memory=receipt.memory,
        memory_reason="its system does not tell",
        adapters=tuple(
            AdapterProof(name=name, golden=_golden(outputs, receipt.steps, bundle), evaluation=None)
            for name, outputs in receipt.adapters.items()
        ),
    )


def _golden(outputs: Sequence[OutputDistance], steps: int, bundle: Bundle) -> GoldenProof:
    """The golden replay there, by the limit that this bundle's target sets."""
    manifest = bundle.manifest
    noise = manifest.get("golden_noise_db")
    limit = golden_limit(noise, manifest["target"].get("golden_margin_db", 3.0))
    floats = {str(each["name"]) for each in manifest["outputs"] if str(each["dtype"]).startswith(("float", "bfloat"))}
    apart = [each for each in outputs if not each.exact]
    numbers = [each.sqnr_db for each in apart if each.sqnr_db is not None]
    names = {str(each["name"]) for each in manifest["outputs"]}
    return GoldenProof(
        exact=not apart,
        sqnr_db=min(numbers, default=None),
        nonfinite=sum(each.nonfinite for each in outputs),
        steps=steps,
        agrees={each.name for each in outputs} == names
        and all(
            (each.sqnr_db is not None and each.sqnr_db >= limit) or (noise is not None and is_order(each.name, floats))
            for each in apart
        ),
    )
