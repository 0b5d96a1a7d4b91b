"""What evaluation samples say of a candidate, on the clauses that limit its accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir

from ...runtimes.base import Runtime, SessionSettings
from ..clauses import BUDGETS
from ..contract import Clause, ClauseResult, Contract
from ..materialize import in_memory
from ..metrics import Metric
from ..progress import Progress
from ..proving.evaluate import evaluate
from ..proving.judge import judge_accuracy
from ..proving.proof import EvaluationProof
from ..samples.base import Samples

__all__ = ["Answer", "Verifier", "answer_of", "within_reach"]

_ROOM_DB, _UNKNOWN_FACTOR = 0.5, 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What evaluation samples say.

    Attributes:
        factor: How many times less noise the limits need; at most 1 where they are kept.
        undecided: Kept by what was measured, and not for sure; with less noise these samples could be sure.
    """

    factor: float = 1.0
    undecided: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Verifier:
    """Judges candidates on evaluation samples, as the proof will.

    Attributes:
        runtime: Where float and candidates run.
        source: The float model.
        samples: Evaluation samples.
        contract: The limits; only those of accuracy are looked at.
        metric: Task metric; None takes top1 where labels are class indices.
        seed: Seeds the bootstrap.
        progress: Who watches.
    """

    runtime: Runtime
    source: ir.Model
    samples: Samples
    contract: Contract
    metric: Metric | None
    seed: int
    progress: Progress

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """The limits it looks at."""
        return tuple(clause for clause in self.contract.clauses if clause.id in BUDGETS)

    def tighter(self, model: ir.Model) -> float:
        """How many times less noise a model needs for its limits; at most 1 where it keeps them.

        Args:
            model: The candidate; it is not changed.
        """
        return self.ask(model).factor

    def ask(self, model: ir.Model) -> Answer:
        """What the limits want of a model; it is not changed."""
        return answer_of(self.judge(model))

    def judge(self, model: ir.Model) -> tuple[ClauseResult, ...]:
        """One result per clause that is within reach."""
        one = SessionSettings(threads=1)
        reference = self.runtime.open(in_memory(self.source), one)
        try:
            session = self.runtime.open(in_memory(model), one)
            try:
                found, _ = evaluate(
                    self.samples,
                    session,
                    reference,
                    state=self.samples.state,
                    metric=self.metric,
                    seed=self.seed,
                    progress=self.progress,
                )
            finally:
                session.close()
        finally:
            reference.close()
        return judge_accuracy(within_reach(self.clauses, found), found)


def answer_of(results: Sequence[ClauseResult]) -> Answer:
    """What results of clauses come to."""
    factor = max((_factor(each) for each in results if _is_refused(each)), default=1.0)
    return Answer(factor=factor, undecided=factor <= 1 and any(map(_could_be_met, results)))


def within_reach(clauses: Sequence[Clause], found: EvaluationProof) -> tuple[Clause, ...]:
    """The clauses that float does not break itself: no search makes up for what a model never learned."""
    metric = found.metric
    if metric is None or metric.float_value is None:
        return tuple(clauses)
    of_float = replace(found, metric=replace(metric, value=metric.float_value, value_interval=metric.float_interval))
    absolute = [clause for clause in clauses if clause.id == "accuracy"]
    lost = {result.id for result in judge_accuracy(absolute, of_float) if result.status == "broken"}
    return tuple(clause for clause in clauses if clause.id not in lost)


def _is_refused(result: ClauseResult) -> bool:
    """Broken; or left open by the samples, and missed by what was measured."""
    if result.status != "inconclusive" or result.id != "accuracy_drop":
        return result.status == "broken"
    return result.limit is not None and result.measured is not None and result.measured > result.limit.value


def _could_be_met(result: ClauseResult) -> bool:
    """Left open, by an interval that would lie within the limit if nothing were lost."""
    if result.status != "inconclusive" or result.id != "accuracy_drop" or result.limit is None:
        return False
    if result.measured is None or result.interval is None:
        return False
    return result.interval[1] - result.measured < result.limit.value


def _factor(result: ClauseResult) -> float:
    """What is missing to a limit in decibels, and a little more; of others only that something is missing is known."""
    if result.id == "sqnr" and result.limit is not None and result.measured is not None:
        return float(10 ** ((max(0.0, result.limit.value - result.measured) + _ROOM_DB) / 10))
    return _UNKNOWN_FACTOR
