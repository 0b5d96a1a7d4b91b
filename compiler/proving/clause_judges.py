"""One judge per clause: what of the proof it looks at, in the unit of its limit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from ...errors import ContractError
from ...runtimes.paired import BUSY
from ..contract import Clause, ClauseResult, Limit, Status
from ..metrics.intervals import Interval
from .older_proof import OlderProof, OlderRun
from .probing.kinds import counts
from .proof import LatencyProof, OutputProof, Proof

__all__ = ["JUDGES", "metric_factor", "unknown"]

_NO_EVALUATION = "no evaluation samples were given: add --evaluation"
_NO_FLOAT = "no float model to compare with: add --model with the model this bundle was compiled from"
_NAMES_SHOWN = 3
_ROUNDING = 1e-9  # 0.914 - 0.904 is not 0.01 in floating point; a limit of 1pt means 1pt


def _accuracy_drop(clause: Clause, proof: Proof) -> ClauseResult:
    evaluation = proof.evaluation
    if evaluation is None:
        return unknown(clause, _NO_EVALUATION)
    metric = evaluation.metric
    if metric is None:
        return unknown(clause, evaluation.metric_reason)
    if metric.drop is None or metric.float_value is None:
        return unknown(clause, _NO_FLOAT)
    factor = metric_factor(clause, metric.name, metric.unit, metric.float_value)
    if not math.isfinite(factor):
        return unknown(clause, f"float's {metric.name} is 0: a relative limit has no meaning; write it in another unit")
    reason = f"{metric.name}: float {metric.float_value:.6g}, bundle {metric.value:.6g}"
    return _decide(clause, metric.drop * factor, _scaled(metric.drop_interval, factor), metric.n, reason)


def _accuracy(clause: Clause, proof: Proof) -> ClauseResult:
    evaluation = proof.evaluation
    if evaluation is None:
        return unknown(clause, _NO_EVALUATION)
    metric = evaluation.metric
    if metric is None:
        return unknown(clause, evaluation.metric_reason)
    if _limit(clause).unit == "%" and metric.unit != "pt":
        raise _misfit(clause, metric.name, metric.unit)
    factor = 100.0 if _limit(clause).unit == "%" else metric_factor(clause, metric.name, metric.unit, 1.0)
    upper = metric.direction == "lower"
    reason = f"{metric.name} {metric.value:.6g}"
    if metric.float_value is not None:
        excess = metric.float_value * factor - _limit(clause).value
        if (excess if upper else -excess) > _ROUNDING:
            reason += f"; float itself misses the limit with {metric.float_value:.6g}"
    return _decide(clause, metric.value * factor, _scaled(metric.value_interval, factor), metric.n, reason, upper=upper)


def _sqnr(clause: Clause, proof: Proof) -> ClauseResult:
    def worst(output: OutputProof) -> float | None:
        return None if output.against_float is None else output.against_float.sqnr_db

    return _of_outputs(clause, proof, worst, min)


def _cosine(clause: Clause, proof: Proof) -> ClauseResult:
    def worst(output: OutputProof) -> float | None:
        cosine = None if output.against_float is None else output.against_float.cosine
        return None if cosine is None else _limit(clause).from_base("cosine", cosine)

    return _of_outputs(clause, proof, worst, min)


def _max_error(clause: Clause, proof: Proof) -> ClauseResult:
    def worst(output: OutputProof) -> float | None:
        against = output.against_float
        if against is None or against.max_error is None or against.peak is None:
            return None
        if _limit(clause).unit == "abs":
            return against.max_error
        if against.max_error == 0:
            return 0.0
        return 100 * against.max_error / against.peak if against.peak else math.inf

    return _of_outputs(clause, proof, worst, max)


def _of_outputs(
    clause: Clause, proof: Proof, measure: Callable[[OutputProof], float | None], worst: Callable[..., float]
) -> ClauseResult:
    """The worst of all outputs that are not state."""
    if proof.evaluation is None:
        return unknown(clause, _NO_EVALUATION)
    judged = [output for output in proof.evaluation.outputs if not output.carried]
    if any(output.against_float is None for output in judged):
        return unknown(clause, _NO_FLOAT)
    found = {output.name: value for output in judged if (value := measure(output)) is not None}
    if not found:
        return unknown(clause, "no output is a float tensor: limit the task metric instead")
    value = worst(found.values())
    name = next(name for name, each in found.items() if each == value)
    exact = all(output.against_float is not None and output.against_float.exact for output in judged)
    reason = "identical to float" if exact else f"worst output: {name}"
    return _decide(clause, value, None, proof.evaluation.samples, reason)


def _size(clause: Clause, proof: Proof) -> ClauseResult:
    return _decide(clause, _limit(clause).from_base("size", proof.size_bytes), None, None, "")


def _size_ratio(clause: Clause, proof: Proof) -> ClauseResult:
    if not proof.float_bytes:
        return unknown(clause, _NO_FLOAT)
    ratio = proof.size_bytes / proof.float_bytes
    return _decide(clause, _limit(clause).from_base("size_ratio", ratio), None, None, "")


def _load_time(clause: Clause, proof: Proof) -> ClauseResult:
    if proof.load_seconds is None:
        return unknown(clause, "the bundle was not opened")
    return _decide(clause, _limit(clause).from_base("load_time", proof.load_seconds), None, proof.opened, "")


def _p95(clause: Clause, proof: Proof) -> ClauseResult:
    latency = _one_thread(proof)
    if latency is None:
        return unknown(clause, "one thread was not timed: add 1 to the thread counts")
    limit, found = _limit(clause), latency.bundle
    # An idle machine would be faster, but not than the fastest run.
    interval = (limit.from_base("p95", found.minimum), limit.from_base("p95", found.p95)) if _is_busy(latency) else None
    reason = _beside(latency) if interval is not None else ""
    return _decide(clause, limit.from_base("p95", found.p95), interval, found.runs, reason)


def _latency_ratio(clause: Clause, proof: Proof) -> ClauseResult:
    latency = _one_thread(proof)
    if latency is None:
        return unknown(clause, "one thread was not timed: add 1 to the thread counts")
    if latency.ratio is None or latency.float_model is None:
        return unknown(clause, _NO_FLOAT)
    limit = _limit(clause)
    interval = latency.ratio_interval
    scaled = None if interval is None else _scaled(interval, limit.from_base("latency_ratio", 1.0))
    reason = f"p50: float {1e3 * latency.float_model.p50:.4g} ms, bundle {1e3 * latency.bundle.p50:.4g} ms"
    if _is_busy(latency):
        reason += f"; {_beside(latency)}"
    measured = limit.from_base("latency_ratio", latency.ratio)
    return _decide(clause, measured, scaled, latency.bundle.runs, reason)


def _p95_ratio(clause: Clause, proof: Proof) -> ClauseResult:
    latency = _one_thread(proof)
    if latency is None:
        return unknown(clause, "one thread was not timed: add 1 to the thread counts")
    if latency.p95_ratio is None or latency.float_model is None:
        return unknown(clause, _NO_FLOAT)
    limit = _limit(clause)
    interval = _scaled(latency.p95_ratio_interval, limit.from_base("p95_ratio", 1.0))
    reason = f"p95: float {1e3 * latency.float_model.p95:.4g} ms, bundle {1e3 * latency.bundle.p95:.4g} ms"
    measured = limit.from_base("p95_ratio", latency.p95_ratio)
    return _decide(clause, measured, interval, latency.bundle.runs, reason)


def _peak_memory(clause: Clause, proof: Proof) -> ClauseResult:
    memory = proof.memory
    if memory is None:
        return unknown(clause, proof.memory_reason or "it was not measured")
    reason = (
        f"a new process of {proof.runtime}: {memory.before / 1e6:.4g} MB before, {memory.peak / 1e6:.4g} MB at most"
    )
    return _decide(clause, _limit(clause).from_base("peak_memory", memory.added), None, memory.runs, reason)


def _partitions(clause: Clause, proof: Proof) -> ClauseResult:
    placement = proof.placement
    if placement is None or not placement.partitions:
        return unknown(clause, "the runtime showed no partitions")
    providers = list(dict.fromkeys(kernel.provider for kernel in placement.kernels))
    reason = f"on {', '.join(providers)}" if placement.partitions > 1 else ""
    return _decide(clause, float(placement.partitions), None, None, reason)


def _integer_macs(clause: Clause, proof: Proof) -> ClauseResult:
    placement = proof.placement
    if placement is None or not placement.kernels:
        return unknown(clause, "the runtime showed no placement")
    uncounted = [kernel.op_type for kernel in placement.kernels if kernel.macs is None]
    if uncounted:
        return unknown(clause, f"the multiply-accumulates of {_some(uncounted)} cannot be counted")
    share = placement.integer_mac_share
    if share is None:
        return unknown(clause, "the model has no multiply-accumulates")
    floats = sorted((k for k in placement.kernels if k.macs and not k.integer), key=lambda k: -(k.macs or 0))
    reason = f"float: {_some([f'{kernel.op_type} {kernel.name}' for kernel in floats])}" if floats else ""
    return _decide(clause, _limit(clause).from_base("integer_macs", share), None, None, reason)


def _off_provider(clause: Clause, proof: Proof) -> ClauseResult:
    placement = proof.placement
    if placement is None or not placement.kernels:
        return unknown(clause, "the runtime showed no placement")
    # Who writes a limit limits what leaves the provider the target is chosen for; the CPU's behind it is one of them.
    wanted = proof.providers if clause.implied else proof.providers[:1]
    off = [each for each in placement.off_provider(wanted) if each.provider not in proof.providers or counts(each)]
    why = {name: f" ({each.reason})" for each in proof.off_wanted for name in each.nodes}
    named = [f"{kernel.op_type} {kernel.name} on {kernel.provider}{why.get(kernel.name, '')}" for kernel in off]
    from_where = f"off {wanted[0]}: " if len(wanted) < len(proof.providers) else ""
    return _decide(clause, float(len(off)), None, None, from_where + _some(named) if off else "")


def _finite(clause: Clause, proof: Proof) -> ClauseResult:
    count = proof.golden.nonfinite if proof.golden is not None else 0
    n = proof.golden.steps if proof.golden is not None else 0
    names = []
    if proof.evaluation is not None:
        count = sum(output.nonfinite for output in proof.evaluation.outputs)
        n = proof.evaluation.samples
        names = [output.name for output in proof.evaluation.outputs if output.nonfinite]
    reason = f"{count} elements are NaN or infinite" + (f" in {_some(names)}" if names else "") if count else ""
    return ClauseResult(
        id=clause.id, limit=None, measured=float(count), n=n, status="broken" if count else "met", reason=reason
    )


def _golden(clause: Clause, proof: Proof) -> ClauseResult:
    golden = proof.golden
    if golden is None:
        return unknown(clause, "the golden samples were not run")
    if golden.exact:
        reason = ""
    elif golden.sqnr_db is None:
        reason = "the golden outputs differ"
    else:
        reason = f"not bit-identical to the golden outputs: {golden.sqnr_db:.1f} dB"
    return ClauseResult(
        id=clause.id,
        limit=None,
        measured=golden.sqnr_db,
        n=golden.steps,
        status="met" if golden.agrees else "broken",
        reason=reason,
    )


def _context(clause: Clause, proof: Proof) -> ClauseResult:
    context = proof.context
    if context is None:
        return unknown(clause, "the context binary was not loaded")
    how = "differs" if context.sqnr_db is None else f"{context.sqnr_db:.1f} dB apart"
    return ClauseResult(
        id=clause.id,
        limit=None,
        measured=context.sqnr_db,
        n=context.steps,
        status="met" if context.exact else "broken",
        reason="" if context.exact else f"it does not answer as the model compiled there: {how}",
    )


def _ort(clause: Clause, proof: Proof) -> ClauseResult:
    ort = proof.ort
    if ort is None:
        return unknown(clause, "model.ort was not opened")
    how = "the outputs differ" if ort.sqnr_db is None else f"{ort.sqnr_db:.1f} dB apart"
    apart = f"not bit-identical to the model: {how}" if ort.agrees else f"it does not answer as the model: {how}"
    return ClauseResult(
        id=clause.id,
        limit=None,
        measured=ort.sqnr_db,
        n=ort.steps,
        status="met" if ort.agrees else "broken",
        reason="" if ort.exact else apart,
    )


def _oldest_onnxruntime(clause: Clause, proof: Proof) -> ClauseResult:
    older = proof.older
    assert older is not None, "whoever asks for it measures it"
    failed = next((run for run in older.runs if run.refused or not run.agrees), None)
    if failed is not None or (older.missing and older.obstacles):
        return _limited(clause, "broken", _why_older(older, failed))
    if older.missing:
        return unknown(clause, f"checked, not executed: {older.missing}")
    runs = ", ".join(run.onnxruntime + ("" if run.exact else _apart(run)) for run in older.runs)
    return _limited(clause, "met", f"opened, golden outputs given: {runs}")


def _why_older(older: OlderProof, failed: OlderRun | None) -> str:
    """Why a release does not do, and from which on one would."""
    if failed is not None and not failed.refused:
        return f"ONNX Runtime {failed.onnxruntime} answers otherwise{_apart(failed)}"
    what = "; ".join(older.obstacles) or (failed.refused if failed is not None else "")
    if not older.obstacles or not older.first:
        return what
    mend = f", or {older.mend}" if older.mend else ""
    return f"{what}; it opens from {older.first} on: --min-onnxruntime {older.first}{mend}"


def _apart(run: OlderRun) -> str:
    return " (the outputs differ)" if run.sqnr_db is None else f" ({run.sqnr_db:.1f} dB apart)"


def _opset(clause: Clause, proof: Proof) -> ClauseResult:
    return _decide(clause, float(proof.opset), None, None, "")


def _ir_version(clause: Clause, proof: Proof) -> ClauseResult:
    return _decide(clause, float(proof.ir_version), None, None, "")


def _limited(clause: Clause, status: Status, reason: str) -> ClauseResult:
    """The result of a clause whose limit is what must be possible, not a bound of a number."""
    return ClauseResult(id=clause.id, limit=clause.limit, measured=None, status=status, reason=reason)


JUDGES: Mapping[str, Callable[[Clause, Proof], ClauseResult]] = {
    "accuracy_drop": _accuracy_drop,
    "accuracy": _accuracy,
    "sqnr": _sqnr,
    "cosine": _cosine,
    "max_error": _max_error,
    "size": _size,
    "size_ratio": _size_ratio,
    "load_time": _load_time,
    "p95": _p95,
    "latency_ratio": _latency_ratio,
    "integer_macs": _integer_macs,
    "off_provider": _off_provider,
    "finite": _finite,
    "golden": _golden,
    "context": _context,
    "ort": _ort,
    "p95_ratio": _p95_ratio,
    "peak_memory": _peak_memory,
    "partitions": _partitions,
    "oldest_onnxruntime": _oldest_onnxruntime,
    "opset": _opset,
    "ir_version": _ir_version,
}


def _decide(
    clause: Clause, measured: float, interval: Interval | None, n: int | None, reason: str, *, upper: bool | None = None
) -> ClauseResult:
    """Compare a measured value (in the limit's unit) with the limit; `upper` overrules the clause's direction."""
    limit = _limit(clause)
    upper = clause.kind.direction == "max" if upper is None else upper
    low, high = interval or (measured, measured)
    worst, best = (high, low) if upper else (-low, -high)
    bound = limit.value if upper else -limit.value
    bound += _ROUNDING * max(abs(bound), 1.0)
    status: Status = "met" if worst <= bound else "broken" if best > bound else "inconclusive"
    return ClauseResult(
        id=clause.id, limit=limit, measured=measured, interval=interval, n=n, status=status, reason=reason
    )


def unknown(clause: Clause, reason: str) -> ClauseResult:
    """The result of a clause that could not be measured."""
    return ClauseResult(id=clause.id, limit=clause.limit, measured=None, status="unknown", reason=reason)


def _limit(clause: Clause) -> Limit:
    assert clause.limit is not None, f"clause {clause.id!r} has a limit"
    return clause.limit


def metric_factor(clause: Clause, metric: str, unit: str, reference: float) -> float:
    """What turns a value in the metric's unit into the limit's unit; infinite for a relative limit of a reference 0.

    Raises:
        ContractError: The units do not fit.
    """
    wanted = _limit(clause).unit
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
        f"{str(_limit(clause))!r} does not fit the metric {metric}",
        remedy=f"Write it in {', '.join([*fits, repr('abs')])}",
    )


def _scaled(interval: Interval | None, factor: float) -> Interval | None:
    return None if interval is None else (interval[0] * factor, interval[1] * factor)


def _one_thread(proof: Proof) -> LatencyProof | None:
    return next((latency for latency in proof.latency if latency.threads == 1), None)


def _is_busy(latency: LatencyProof) -> bool:
    return latency.busy is not None and latency.busy >= BUSY


def _beside(latency: LatencyProof) -> str:
    return f"on a busy machine: {latency.busy:.1f} s passed per second of computing"


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
