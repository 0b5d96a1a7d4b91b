"""Whether a bundle answers as it should: finite, as when it was packed, alike in its other forms."""

from __future__ import annotations

from ...contract import Clause, ClauseResult
from ..proof import Proof
from .decide import some, unknown

__all__ = ["context", "finite", "golden", "ort"]


def finite(clause: Clause, proof: Proof) -> ClauseResult:
    """No output holds NaN or an infinity."""
    count = proof.golden.nonfinite if proof.golden is not None else 0
    n = proof.golden.steps if proof.golden is not None else 0
    names = []
    if proof.evaluation is not None:
        count = sum(output.nonfinite for output in proof.evaluation.outputs)
        n = proof.evaluation.samples
        names = [output.name for output in proof.evaluation.outputs if output.nonfinite]
    reason = f"{count} elements are NaN or infinite" + (f" in {some(names)}" if names else "") if count else ""
    return ClauseResult(
        id=clause.id, limit=None, measured=float(count), n=n, status="broken" if count else "met", reason=reason
    )


def golden(clause: Clause, proof: Proof) -> ClauseResult:
    """It answers as when it was packed."""
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


def context(clause: Clause, proof: Proof) -> ClauseResult:
    """The context binary answers as the model compiled there."""
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


def ort(clause: Clause, proof: Proof) -> ClauseResult:
    """`model.ort` answers as the model."""
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
