"""Which releases of ONNX Runtime open a bundle."""

from __future__ import annotations

from ...contract import Clause, ClauseResult, Status
from ..older_proof import OlderProof, OlderRun
from ..proof import Proof
from .decide import decide, unknown

__all__ = ["ir_version", "oldest_onnxruntime", "opset"]


def oldest_onnxruntime(clause: Clause, proof: Proof) -> ClauseResult:
    """The oldest release asked for opens the bundle and answers alike."""
    older = proof.older
    assert older is not None, "whoever asks for it measures it"
    failed = next((run for run in older.runs if run.refused or not run.agrees), None)
    if failed is not None or (older.missing and older.obstacles):
        return _limited(clause, "broken", _why_older(older, failed))
    if older.missing:
        return unknown(clause, f"checked, not executed: {older.missing}")
    runs = ", ".join(run.onnxruntime + ("" if run.exact else _apart(run)) for run in older.runs)
    return _limited(clause, "met", f"opened, golden outputs given: {runs}")


def opset(clause: Clause, proof: Proof) -> ClauseResult:
    """The newest operator set it uses."""
    return decide(clause, float(proof.opset), None, None, "")


def ir_version(clause: Clause, proof: Proof) -> ClauseResult:
    """The IR version of its file."""
    return decide(clause, float(proof.ir_version), None, None, "")


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


def _limited(clause: Clause, status: Status, reason: str) -> ClauseResult:
    """The result of a clause whose limit is what must be possible, not a bound of a number."""
    return ClauseResult(id=clause.id, limit=clause.limit, measured=None, status=status, reason=reason)
