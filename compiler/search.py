"""Search on one screen: hasten → widen, restore what hurts → verify → tighten; choose what stays in integers.

Selection sees calibration samples only. Where the user limits accuracy, evaluation samples accept or reject a choice,
a bounded number of times, and the verdict says how often.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from ..errors import TargetError
from ..passes.quantize.decide import DecideQuantization
from ..runtimes import runtime
from ..runtimes.base import Runtime
from ..targets.cpu.host import host
from ..targets.spec import TargetSpec
from .data import CompileData
from .materialize import weight_bytes
from .pipeline import Measure
from .request import CompileRequest
from .samples.base import Samples
from .searching.apart import judged_apart
from .searching.balanced import better_channels
from .searching.bench import open_bench
from .searching.candidates import Candidate, Candidates
from .searching.cap import is_attention
from .searching.faults import without_faults
from .searching.goal import Goal
from .searching.hasten import Hastened, hasten
from .searching.ranging import better_ranges
from .searching.record import accuracy_record, notes_of, rounded
from .searching.rivals import best_rival
from .searching.round import ROUNDS, Round, one_round
from .searching.speed import Stopwatch
from .searching.trials import Trials
from .searching.verify import Answer, Verifier
from .searching.widen import widened
from .searching.workshop import Workshop

__all__ = ["LARGEST_WEIGHTS", "Found", "search"]

_IN_PROCESS = "onnxruntime-cpu"
# float and candidate are held by the runtime at the same time.
LARGEST_WEIGHTS = 512 << 20
# Where fewer MACs than this have integer kernels, conversions cost what these save: gtcrn_stream (45 %) ran at 1.08x
# float's time, espnetv2 (47 %) at 1.5x, and both lost accuracy on top (ONNX Runtime 1.31.1, one thread, 2026-11-21).
_PAYS = 0.5
# How many times less noise is tried where evaluation samples are not sure, and the share of the MACs it may cost.
_SURER, _PRICE = 2.0, 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a search chose.

    Attributes:
        candidate: What ships.
        notes: What the reader of manifest and verdict must know.
    """

    candidate: Candidate
    notes: tuple[str, ...] = ()


def search(
    first: Candidate,
    candidates: Candidates,
    *,
    request: CompileRequest,
    target: TargetSpec,
    data: CompileData,
    measuring: Callable[[Samples], Measure],
) -> Found:
    """Keep in integers what is not slower than float and keeps the goal.

    Args:
        first: The candidate with everything in integers that the target has kernels for.
        candidates: Builds others.
        request: The contract, the metric, the policy and who watches.
        target: What is compiled for.
        data: Calibration samples to choose by, evaluation samples to verify with.
        measuring: What observes samples.

    Returns:
        `first`, where that is good enough.

    Raises:
        ContractError: A limit's unit does not fit the metric.
    """
    decide = next((each for each in first.recipe.passes if isinstance(each, DecideQuantization)), None)
    place = runtime(_IN_PROCESS)  # wherever the bundle ships to: candidates are compared in this process
    if decide is None or data.calibration is None or place.available() is not None:
        return Found(candidate=first)
    if weight_bytes(candidates.source) > LARGEST_WEIGHTS:
        note = f"accuracy was not searched: the weights are larger than {LARGEST_WEIGHTS >> 20} MiB"
        return Found(candidate=first, notes=(note,))
    verifier = _verifier(place, candidates, request, data)
    with request.progress.stage("search"):
        bench = open_bench(place, candidates.source, data.calibration, threads=request.threads)
        with closing(bench):
            policy = replace(request.policy, scheme=first.recipe.scheme)
            shop = Workshop(candidates=candidates, target=target, policy=policy)
            trials = Trials(shop=shop, bench=bench, decide=decide)
            trials.start_from(frozenset(), first.model)
            hastened = _timed(first, trials, verifier, request, target)
            if hastened.final:
                return _found(hastened.made, hastened, {}, hastened.notes, candidates, request)
            if hastened.names:
                trials.start_from(hastened.names, hastened.made.model)
            factor = None
            if _is_good(trials, Goal.of(request.contract), target):
                factor = 1.0 if verifier is None else verifier.tighter(hastened.made.model)
                if factor <= 1:
                    return _found(hastened.made, hastened, {}, hastened.notes, candidates, request)
        trials = judged_apart(
            trials,
            hastened.made.recipe,
            runtime=place,
            calibration=data.calibration,
            measuring=measuring,
            threads=request.threads,
            seed=request.seed,
        )
        with closing(trials.bench):
            return _settle(hastened, trials, verifier, candidates, request, refused=factor)


def _is_good(trials: Trials, goal: Goal, target: TargetSpec) -> bool:
    """Whether nothing has to be searched as far as calibration samples tell."""
    asked = goal if target.wide_share is None else goal.surer(target.wide_share)
    return trials.excess(frozenset(), asked) <= 1


def _settle(
    hastened: Hastened,
    trials: Trials,
    verifier: Verifier | None,
    candidates: Candidates,
    request: CompileRequest,
    *,
    refused: float | None,
) -> Found:
    """Restore until the goal is kept and, where accuracy is limited, evaluation samples agree.

    Args:
        hastened: What to start from.
        trials: Candidates, judged on samples they do not observe.
        verifier: Asks the evaluation samples.
        candidates: Builds what ships, which observes all samples.
        request: The contract and who watches.
        refused: How many times less noise evaluation samples want of `hastened`; None where they were not asked.
    """
    goal, rejected = Goal.of(request.contract), 0
    if refused is not None:
        goal, rejected = goal.tighter(refused), 1
    faults = without_faults(hastened.made, trials, goal)
    ranged = better_ranges(faults.made, trials, goal)
    balanced = better_channels(ranged.made, trials, goal)
    if balanced.record and not ranged.record:  # other channels, other ranges
        ranged = better_ranges(balanced.made, trials, goal)
    narrow, base = trials.shop, ranged.made if ranged.record else balanced.made

    def round_of(goal: Goal, rejected: int) -> Round | None:
        wide = widened(base, trials, goal, narrow=narrow)
        return one_round(hastened, wide, trials, goal, rejected, verifier, candidates, besides=faults.names)

    found = round_of(goal, rejected)
    while found is not None and found.answer.factor > 1 and found.rejected < ROUNDS:
        goal = found.goal.tighter(found.answer.factor / max(1.0, found.restored.excess))
        found = round_of(goal, found.rejected + 1)
    if found is None:
        return _without_integers(hastened, trials, goal, verifier, candidates, request)
    if found.answer.factor > 1:  # refused to the last: a limit is a promise, integers are a wish
        return _without_integers(hastened, trials, Goal.of(request.contract), verifier, candidates, request)
    if found.answer.undecided and not found.wide.record:  # once: a little less noise may make them sure
        surer = round_of(found.goal.tighter(_SURER / max(1.0, found.restored.excess)), found.rejected)
        if surer is not None and surer.answer == Answer() and _costs(surer, found, trials) <= _PRICE:
            found = surer
    repairs = (*hastened.notes, *faults.notes, *ranged.notes, *balanced.notes, *found.wide.notes)
    notes = (*repairs, *notes_of(trials, found.goal, found.restored, found.rejected), *found.finer.notes)
    measured = {**({"ranges": ranged.record} if ranged.record else {}), **found.wide.record}
    if faults.names:
        measured["faults"] = faults.record
    if balanced.record:
        measured["balance"] = balanced.record
    if found.finer.record:
        measured["rounding"] = found.finer.record
    if found.restored.names:
        measured["accuracy"] = accuracy_record(trials, found.goal, found.restored, found.rejected)
    return _found(found.made, hastened, measured, notes, candidates, request)


def _costs(surer: Round, found: Round, trials: Trials) -> float:
    """The share of the MACs that one round leaves to float and the other does not."""
    return trials.units.share(surer.restored.names) - trials.units.share(found.restored.names)


def _without_integers(
    hastened: Hastened,
    trials: Trials,
    goal: Goal,
    verifier: Verifier | None,
    candidates: Candidates,
    request: CompileRequest,
) -> Found:
    """Float kernels with small weights where these keep the limits, else the model as it is."""
    if not trials.shop.target.weights_alone:
        return _in_float(hastened, trials, candidates, request)
    made = trials.shop.weights_alone()
    note = "accuracy: nothing in integers keeps the limits; weights are stored in 8 bits"
    # Evaluation samples know better than the noise that is taken for safe.
    kept = goal.excess(trials.bench.score(made.model)) <= 1 if verifier is None else verifier.tighter(made.model) <= 1
    if not kept:
        return _in_float(hastened, trials, candidates, request)
    record = {"accuracy": {"runs": trials.runs}}
    return _found(made, hastened, record, (*hastened.notes, note), candidates, request)


def _in_float(hastened: Hastened, trials: Trials, candidates: Candidates, request: CompileRequest) -> Found:
    """The model as it is."""
    note = "accuracy: nothing in 8 bits keeps the limits; the model is packed in float"
    record = {"accuracy": {"runs": trials.runs}}
    return _found(trials.shop.in_float(), hastened, record, (*hastened.notes, note), candidates, request)


def _found(
    made: Candidate,
    hastened: Hastened,
    accuracy: Mapping[str, Any],
    notes: tuple[str, ...],
    candidates: Candidates,
    request: CompileRequest,
) -> Found:
    """The candidate as it is, where nothing was changed; else built once more, watched, with what was measured."""
    measured = {**hastened.record, **accuracy}
    if not measured:
        return Found(candidate=made, notes=notes)
    recipe = replace(made.recipe, measured=measured)
    return Found(candidate=candidates.build(recipe, request.observers), notes=notes)


def _timed(
    first: Candidate, trials: Trials, verifier: Verifier | None, request: CompileRequest, target: TargetSpec
) -> Hastened:
    """What time has a say in, where the scheme is ours to choose."""
    if request.policy.scheme != "auto":
        return Hastened(made=first)
    clause = request.contract.clause("integer_macs")
    cap = 1.0 if clause is None or clause.limit is None else 1.0 - clause.limit.base("integer_macs")
    share = trials.units.share(frozenset(trials.units.macs))
    if share < _PAYS and cap >= 1.0 and target.weights_alone:
        note = f"integer kernels exist for {100 * share:.0f}% of the MACs: float kernels stay, weights take 8 bits"
        return Hastened(made=trials.shop.weights_alone(), final=True, notes=(note,), record={"share": rounded(share)})
    if not _executable(target):
        return Hastened(made=first)
    bench = trials.bench
    watch = Stopwatch(open=bench.open, reopen=bench.reopen, reference=bench.reference, feeds=bench.feeds)
    goal = Goal.of(request.contract)
    if is_attention(trials) and trials.excess(frozenset(), goal) > 1:
        rival, measured = best_rival(first, trials, goal, watch)
        if rival is not None and (verifier is None or verifier.tighter(rival.made.model) <= 1):
            note = f"int8 is {rival.kind}: {rival.ratio.told} of float's time, and closer to float than static"
            return Hastened(made=rival.made, final=True, notes=(note,), record={"kinds": measured})
    return hasten(first, trials, watch, cap=cap)


def _verifier(place: Runtime, candidates: Candidates, request: CompileRequest, data: CompileData) -> Verifier | None:
    """Who asks the evaluation samples; nobody where no accuracy is limited or there are none."""
    if data.evaluation is None:
        return None
    verifier = Verifier(
        runtime=place,
        source=candidates.source,
        samples=data.evaluation,
        contract=request.contract,
        metric=request.metric,
        seed=request.seed,
        progress=request.progress,
    )
    return verifier if verifier.clauses else None


def _executable(target: TargetSpec) -> bool:
    """Whether this machine's kernels are the target's, so that a timing means something."""
    try:
        return target.runtime == _IN_PROCESS and host().isa == target.isa
    except TargetError:
        return False
