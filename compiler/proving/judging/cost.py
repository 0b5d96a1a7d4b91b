"""What a bundle costs: bytes, time, memory."""

from __future__ import annotations

from ....runtimes.paired import BUSY
from ...contract import Clause, ClauseResult
from ..proof import LatencyProof, Proof
from .decide import NO_FLOAT, decide, limit_of, scaled, unknown

__all__ = ["latency_ratio", "load_time", "p95", "p95_ratio", "peak_memory", "size", "size_ratio"]


def size(clause: Clause, proof: Proof) -> ClauseResult:
    """Bytes of the model that ships."""
    return decide(clause, limit_of(clause).from_base("size", proof.size_bytes), None, None, "")


def size_ratio(clause: Clause, proof: Proof) -> ClauseResult:
    """The same against float's."""
    if not proof.float_bytes:
        return unknown(clause, NO_FLOAT)
    ratio = proof.size_bytes / proof.float_bytes
    return decide(clause, limit_of(clause).from_base("size_ratio", ratio), None, None, "")


def load_time(clause: Clause, proof: Proof) -> ClauseResult:
    """Seconds to open the session, the median."""
    if proof.load_seconds is None:
        return unknown(clause, "the bundle was not opened")
    return decide(clause, limit_of(clause).from_base("load_time", proof.load_seconds), None, proof.opened, "")


def p95(clause: Clause, proof: Proof) -> ClauseResult:
    """95th percentile of one run, one thread."""
    latency = _one_thread(proof)
    if latency is None:
        return unknown(clause, "one thread was not timed: add 1 to the thread counts")
    limit, found = limit_of(clause), latency.bundle
    # An idle machine would be faster, but not than the fastest run.
    interval = (limit.from_base("p95", found.minimum), limit.from_base("p95", found.p95)) if _is_busy(latency) else None
    reason = _beside(latency) if interval is not None else ""
    return decide(clause, limit.from_base("p95", found.p95), interval, found.runs, reason)


def latency_ratio(clause: Clause, proof: Proof) -> ClauseResult:
    """Median latency against float's, one thread."""
    latency = _one_thread(proof)
    if latency is None:
        return unknown(clause, "one thread was not timed: add 1 to the thread counts")
    if latency.ratio is None or latency.float_model is None:
        return unknown(clause, NO_FLOAT)
    limit = limit_of(clause)
    interval = scaled(latency.ratio_interval, limit.from_base("latency_ratio", 1.0))
    reason = f"p50: float {1e3 * latency.float_model.p50:.4g} ms, bundle {1e3 * latency.bundle.p50:.4g} ms"
    if _is_busy(latency):
        reason += f"; {_beside(latency)}"
    measured = limit.from_base("latency_ratio", latency.ratio)
    return decide(clause, measured, interval, latency.bundle.runs, reason)


def p95_ratio(clause: Clause, proof: Proof) -> ClauseResult:
    """95th percentile against float's, one thread."""
    latency = _one_thread(proof)
    if latency is None:
        return unknown(clause, "one thread was not timed: add 1 to the thread counts")
    if latency.p95_ratio is None or latency.float_model is None:
        return unknown(clause, NO_FLOAT)
    limit = limit_of(clause)
    interval = scaled(latency.p95_ratio_interval, limit.from_base("p95_ratio", 1.0))
    reason = f"p95: float {1e3 * latency.float_model.p95:.4g} ms, bundle {1e3 * latency.bundle.p95:.4g} ms"
    measured = limit.from_base("p95_ratio", latency.p95_ratio)
    return decide(clause, measured, interval, latency.bundle.runs, reason)


def peak_memory(clause: Clause, proof: Proof) -> ClauseResult:
    """Most bytes that opening and running added to a new process."""
    memory = proof.memory
    if memory is None:
        return unknown(clause, proof.memory_reason or "it was not measured")
    reason = (
        f"a new process of {proof.runtime}: {memory.before / 1e6:.4g} MB before, {memory.peak / 1e6:.4g} MB at most"
    )
    return decide(clause, limit_of(clause).from_base("peak_memory", memory.added), None, memory.runs, reason)


def _one_thread(proof: Proof) -> LatencyProof | None:
    return next((latency for latency in proof.latency if latency.threads == 1), None)


def _is_busy(latency: LatencyProof) -> bool:
    return latency.busy is not None and latency.busy >= BUSY


def _beside(latency: LatencyProof) -> str:
    return f"on a busy machine: {latency.busy:.1f} s passed per second of computing"
