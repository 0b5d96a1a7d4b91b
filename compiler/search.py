"""Search on one screen: hasten → score → restore what hurts → verify → tighten; choose what stays in integers.

Selection sees calibration samples only. Where the user limits accuracy, evaluation samples accept or reject a choice,
a bounded number of times, and the verdict says how often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import TargetError
from ..passes.quantize.decide import DecideQuantization
from ..runtimes import runtime
from ..runtimes.base import Runtime
from ..targets.cpu.host import host
from ..targets.pipeline import recipe_for
from ..targets.spec import TargetSpec
from .data import CompileData
from .materialize import weight_bytes
from .planning.macs import macs_by_op
from .request import CompileRequest
from .searching.bench import open_bench
from .searching.candidates import Candidate, Candidates
from .searching.goal import Goal
from .searching.hasten import Hastened, hasten
from .searching.record import accuracy_record, notes_of
from .searching.restore import restore
from .searching.speed import Stopwatch
from .searching.trials import Trials
from .searching.units import units_of
from .searching.verify import Verifier

__all__ = ["Found", "search"]

# float and candidate are held by the runtime at the same time.
_LARGEST_WEIGHTS = 512 << 20
# The guard gives at most this share of the MACs back to float; attention has fewer to lose.
_CAP_CONVOLUTION, _CAP_ATTENTION = 0.20, 0.40
_ROUNDS = 4
_TIGHTER = 4.0


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
    first: Candidate, candidates: Candidates, *, request: CompileRequest, target: TargetSpec, data: CompileData
) -> Found:
    """Keep in integers what keeps the goal.

    Args:
        first: The candidate with everything in integers that the target has kernels for.
        candidates: Builds others.
        request: The contract, the metric, the policy and who watches.
        target: What is compiled for.
        data: Calibration samples to choose by, evaluation samples to verify with.

    Returns:
        `first`, where that is good enough.

    Raises:
        ContractError: A limit's unit does not fit the metric.
    """
    decide = next((each for each in first.recipe.passes if isinstance(each, DecideQuantization)), None)
    place = runtime(target.runtime)
    if decide is None or data.calibration is None or place.available() is not None:
        return Found(candidate=first)
    if weight_bytes(candidates.source) > _LARGEST_WEIGHTS:
        note = f"accuracy was not searched: the weights are larger than {_LARGEST_WEIGHTS >> 20} MiB"
        return Found(candidate=first, notes=(note,))
    with request.progress.stage("search"):
        trials = Trials(
            candidates=candidates,
            bench=open_bench(place, candidates.source, data.calibration, threads=request.threads),
            recipe=lambda names: recipe_for(
                target,
                replace(
                    request.policy,
                    scheme=first.recipe.scheme,
                    float_nodes=tuple(sorted(names | {*request.policy.float_nodes})),
                ),
            ),
            units=units_of(candidates.prepared, decide),
        )
        hastened = _hastened(first, trials, place, request, target)
        if hastened.weights_alone:
            return _found(hastened.made, trials, hastened, {}, hastened.notes, request)
        trials.start_from(hastened.names, hastened.made.model)
        return _settle(hastened, trials, _verifier(place, candidates, request, data), request, target)


def _settle(
    hastened: Hastened, trials: Trials, verifier: Verifier | None, request: CompileRequest, target: TargetSpec
) -> Found:
    """Restore until the goal is kept and, where accuracy is limited, evaluation samples agree."""
    goal, rejected = Goal.of(request.contract), 0
    asked = verifier is not None or goal.sqnr_db is not None
    while True:
        restored = restore(trials, goal, cap=1.0 if asked else _cap(trials), whatever_it_takes=asked)
        made = hastened.made
        if restored.names:
            names = restored.names | trials.base
            none_left = trials.units.none_left(names)
            made = _weights(trials, request, target) if none_left else trials.candidates.build(trials.recipe(names))
        if verifier is None or rejected == _ROUNDS or verifier.accepts(made.model, strictly=rejected == 0):
            break
        rejected += 1
        goal = goal.tighter(_TIGHTER)
    notes = (*hastened.notes, *notes_of(trials, goal, restored, rejected))
    accuracy = {"accuracy": accuracy_record(trials, goal, restored, rejected)} if restored.names else {}
    return _found(made, trials, hastened, accuracy, notes, request)


def _found(
    made: Candidate,
    trials: Trials,
    hastened: Hastened,
    accuracy: Mapping[str, Any],
    notes: tuple[str, ...],
    request: CompileRequest,
) -> Found:
    """The candidate as it is, where nothing was changed; else built once more, watched, with what was measured."""
    measured = {**({"latency": hastened.record} if hastened.record else {}), **accuracy}
    if not measured:
        return Found(candidate=made, notes=notes)
    recipe = replace(made.recipe, measured=measured)
    return Found(candidate=trials.candidates.build(recipe, request.observers), notes=notes)


def _hastened(
    first: Candidate, trials: Trials, place: Runtime, request: CompileRequest, target: TargetSpec
) -> Hastened:
    """A candidate that is not slower than float, where the scheme is ours to choose and time can be told here."""
    if request.policy.scheme != "auto" or not _executable(target):
        return Hastened(made=first)
    watch = Stopwatch.of(place, trials.candidates.source, trials.bench.feeds)
    try:
        return hasten(first, trials, watch, lambda: _weights(trials, request, target), cap=_float_cap(request))
    finally:
        watch.reference.close()


def _weights(trials: Trials, request: CompileRequest, target: TargetSpec) -> Candidate:
    return trials.candidates.build(recipe_for(target, replace(request.policy, scheme="w8")))


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
        return host().isa == target.isa
    except TargetError:
        return False


def _float_cap(request: CompileRequest) -> float:
    """The share of the MACs that may be in float: what a limit on integer MACs leaves."""
    clause = request.contract.clause("integer_macs")
    return 1.0 if clause is None or clause.limit is None else 1.0 - clause.limit.base("integer_macs")


def _cap(trials: Trials) -> float:
    macs = macs_by_op(trials.candidates.source)
    attention = macs["MatMul"] + macs["Gemm"] > sum(macs.values()) / 2
    return _CAP_ATTENTION if attention else _CAP_CONVOLUTION
