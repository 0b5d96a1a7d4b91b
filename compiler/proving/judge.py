"""Judge a proof by a contract, clause by clause.

A limit inside the 95% interval of what was measured is `inconclusive`: these samples do not decide it.
What could not be measured is `unknown`, with the reason and the remedy; it is never taken for met.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..clauses import CLAUSE_KINDS
from ..contract import Clause, ClauseResult, Contract, Verdict
from ..metrics import Metric
from .clause_judges import JUDGES, metric_factor, unknown
from .machine import Machine
from .proof import EvaluationProof, Proof

__all__ = ["check_units", "judge", "judge_accuracy", "judge_sizes", "judged"]

# What only the target's own kernels can answer; excused, not undecided, where they cannot be executed.
_ABSOLUTE = frozenset({"load_time", "p95"})
_TIMES = _ABSOLUTE | {"latency_ratio", "p95_ratio"}
_OF_KERNELS = _TIMES | {"peak_memory"}
_PLACEMENT = frozenset({"integer_macs", "off_provider", "partitions"})  # and what the rules of its providers can

# What the file alone answers, or other releases on this machine.
_OF_FILE = frozenset({"size", "size_ratio", "oldest_onnxruntime", "opset", "ir_version"})

# What is asked with every adapter, too; labels say what is right without one.
_OF_ANSWERS = frozenset({"golden", "finite", "sqnr", "cosine", "max_error"})
_WORSE = ("broken", "unknown", "inconclusive", "met")

_CONTEXT, _ORT = (Clause(id=name, limit=None, implied=True) for name in ("context", "ort"))


def judge(contract: Contract, proof: Proof) -> Verdict:
    """The verdict.

    Raises:
        ContractError: A limit's unit does not fit the metric.
    """
    results = []
    excused = set()
    files = [clause for clause, found in ((_CONTEXT, proof.context), (_ORT, proof.ort)) if found is not None]
    for clause in (*contract.all_clauses, *files):
        nothing_ran = proof.golden is None and clause.id not in _OF_FILE
        unseen = clause.id in _OF_KERNELS or (clause.id in _PLACEMENT and proof.checked is None)
        if nothing_ran or (proof.unexecuted and unseen):
            excused.add(clause.id)
            results.append(unknown(clause, f"not executed on the target's own kernels: {proof.unexecuted}"))
        elif proof.untimed and clause.id in _ABSOLUTE:
            # Milliseconds are of one device: whoever limits them has to go there.
            mend = "prove it on the device, --on ssh:MACHINE, or check its receipt"
            results.append(unknown(clause, f"not timed: {proof.untimed}; {mend}"))
        elif proof.untimed and clause.id in _TIMES:
            excused.add(clause.id)
            results.append(unknown(clause, f"not timed: {proof.untimed}"))
        else:
            results.append(judged(clause, proof))
    older = proof.older is None or not proof.older.missing
    if not older:
        excused.add("oldest_onnxruntime")
    return Verdict.of(results, executed=not proof.unexecuted and older, excused=excused, notes=proof.notes)


def judged(clause: Clause, proof: Proof) -> ClauseResult:
    """The clause of the bundle, or of that adapter with which it is kept least."""
    worst = JUDGES[clause.id](clause, proof)
    if clause.id not in _OF_ANSWERS:
        return worst
    for each in proof.adapters:
        found = JUDGES[clause.id](clause, replace(proof, golden=each.golden, evaluation=each.evaluation))
        if _WORSE.index(found.status) < _WORSE.index(worst.status) or _is_less(found, worst):
            worst = replace(found, reason=f"with adapter {each.name!r}{': ' if found.reason else ''}{found.reason}")
    return worst


def _is_less(found: ClauseResult, than: ClauseResult) -> bool:
    """Whether of two results of one clause that are as good the first has less to spare."""
    if found.status != than.status or found.limit is None or found.measured is None or than.measured is None:
        return False
    less = found.measured < than.measured
    return less if CLAUSE_KINDS[found.id].direction == "min" else found.measured > than.measured


def judge_accuracy(clauses: Sequence[Clause], evaluation: EvaluationProof) -> tuple[ClauseResult, ...]:
    """What evaluation samples alone say of clauses that limit accuracy, before there is a bundle.

    Raises:
        ContractError: A limit's unit does not fit the metric.
    """
    return _of(clauses, evaluation=evaluation)


def judge_sizes(clauses: Sequence[Clause], size_bytes: int, float_bytes: int | None) -> tuple[ClauseResult, ...]:
    """What the bytes of a model, and of float's where there is one, say of clauses that limit size."""
    return _of(clauses, size_bytes=size_bytes, float_bytes=float_bytes)


def _of(
    clauses: Sequence[Clause],
    *,
    evaluation: EvaluationProof | None = None,
    size_bytes: int = 0,
    float_bytes: int | None = None,
) -> tuple[ClauseResult, ...]:
    """Clauses judged by a proof that knows this alone."""
    proof = Proof(
        bundle="", date="", machine=Machine.here(), versions={}, runtime="", providers=(), session_options={},
        unexecuted="", golden=None, placement=None, evaluation=evaluation, size_bytes=size_bytes,
        float_bytes=float_bytes, load_seconds=None, opened=0, latency=(),
    )  # fmt: skip
    return tuple(JUDGES[clause.id](clause, proof) for clause in clauses)


def check_units(contract: Contract, metric: Metric) -> None:
    """Raise ContractError when an accuracy limit's unit does not fit the metric."""
    for clause in contract.clauses:
        if clause.id in ("accuracy", "accuracy_drop"):
            metric_factor(clause, metric.name, metric.unit, 1.0)
