"""Accuracy: the task metric, and outputs against float's."""

from __future__ import annotations

import math
from collections.abc import Callable

from ....errors import ContractError
from ...contract import Clause, ClauseResult
from ..proof import OutputProof, Proof
from .decide import NO_EVALUATION, NO_FLOAT, ROUNDING, decide, limit_of, scaled, unknown

__all__ = ["accuracy", "accuracy_drop", "cosine", "max_error", "metric_factor", "sqnr"]


def accuracy_drop(clause: Clause, proof: Proof) -> ClauseResult:
    """Loss of the task metric against float."""
    evaluation = proof.evaluation
    if evaluation is None:
        return unknown(clause, NO_EVALUATION)
    metric = evaluation.metric
    if metric is None:
        return unknown(clause, evaluation.metric_reason)
    if metric.drop is None or metric.float_value is None:
        return unknown(clause, NO_FLOAT)
    factor = metric_factor(clause, metric.name, metric.unit, metric.float_value)
    if not math.isfinite(factor):
        return unknown(clause, f"float's {metric.name} is 0: a relative limit has no meaning; write it in another unit")
    reason = f"{metric.name}: float {metric.float_value:.6g}, bundle {metric.value:.6g}"
    return decide(clause, metric.drop * factor, scaled(metric.drop_interval, factor), metric.n, reason)


def accuracy(clause: Clause, proof: Proof) -> ClauseResult:
    """The task metric itself; says where float misses the limit, too."""
    evaluation = proof.evaluation
    if evaluation is None:
        return unknown(clause, NO_EVALUATION)
    metric = evaluation.metric
    if metric is None:
        return unknown(clause, evaluation.metric_reason)
    if limit_of(clause).unit == "%" and metric.unit != "pt":
        raise _misfit(clause, metric.name, metric.unit)
    factor = 100.0 if limit_of(clause).unit == "%" else metric_factor(clause, metric.name, metric.unit, 1.0)
    upper = metric.direction == "lower"
    reason = f"{metric.name} {metric.value:.6g}"
    if metric.float_value is not None:
        excess = metric.float_value * factor - limit_of(clause).value
        if (excess if upper else -excess) > ROUNDING:
            reason += f"; float itself misses the limit with {metric.float_value:.6g}"
    return decide(clause, metric.value * factor, scaled(metric.value_interval, factor), metric.n, reason, upper=upper)


def sqnr(clause: Clause, proof: Proof) -> ClauseResult:
    """Signal to quantization noise of the worst output, dB."""

    def worst(output: OutputProof) -> float | None:
        return None if output.against_float is None else output.against_float.sqnr_db

    return _of_outputs(clause, proof, worst, min)


def cosine(clause: Clause, proof: Proof) -> ClauseResult:
    """Cosine against float of the worst output."""

    def worst(output: OutputProof) -> float | None:
        cosine = None if output.against_float is None else output.against_float.cosine
        return None if cosine is None else limit_of(clause).from_base("cosine", cosine)

    return _of_outputs(clause, proof, worst, min)


def max_error(clause: Clause, proof: Proof) -> ClauseResult:
    """Largest error of any element, absolute or of the output's peak."""

    def worst(output: OutputProof) -> float | None:
        against = output.against_float
        if against is None or against.max_error is None or against.peak is None:
            return None
        if limit_of(clause).unit == "abs":
            return against.max_error
        if against.max_error == 0:
            return 0.0
        return 100 * against.max_error / against.peak if against.peak else math.inf

    return _of_outputs(clause, proof, worst, max)


def metric_factor(clause: Clause, metric: str, unit: str, reference: float) -> float:
    """What turns a value in the metric's unit into the limit's unit; infinite for a relative limit of a reference 0.

    Raises:
        ContractError: The units do not fit.
    """
    wanted = limit_of(clause).unit
    if wanted == "abs":
        return 1.0
    if wanted == "%":
        if clause.id == "accuracy" and unit != "pt":
            raise _misfit(clause, metric, unit)
        return 100 / abs(reference) if reference else math.inf
    if wanted != unit:
        raise _misfit(clause, metric, unit)
    return 100.0 if unit == "pt" else 1.0


def _misfit(clause: Clause, metric: str, unit: str) -> ContractError:
    fits = [repr(unit)] if unit else []
    if clause.id == "accuracy_drop" or unit == "pt":
        fits.append(repr("%"))
    return ContractError(
        f"contract: {clause.id}",
        f"{str(limit_of(clause))!r} does not fit the metric {metric}",
        remedy=f"Write it in {', '.join([*fits, repr('abs')])}",
    )


def _of_outputs(
    clause: Clause, proof: Proof, measure: Callable[[OutputProof], float | None], worst: Callable[..., float]
) -> ClauseResult:
    """The worst of all outputs that are not state."""
    if proof.evaluation is None:
        return unknown(clause, NO_EVALUATION)
    judged = [output for output in proof.evaluation.outputs if not output.carried]
    if any(output.against_float is None for output in judged):
        return unknown(clause, NO_FLOAT)
    found = {output.name: value for output in judged if (value := measure(output)) is not None}
    if not found:
        return unknown(clause, "no output is a float tensor: limit the task metric instead")
    value = worst(found.values())
    name = next(name for name, each in found.items() if each == value)
    exact = all(output.against_float is not None and output.against_float.exact for output in judged)
    reason = "identical to float" if exact else f"worst output: {name}"
    return decide(clause, value, None, proof.evaluation.samples, reason)
