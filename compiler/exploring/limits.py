"""Which limits of a contract a trial answers, and which follow from its numbers or are measured at the end.

A trial depends on the first alone: with another budget of bytes, time or memory its bundle is the same.
"""

from __future__ import annotations

from ..contract import Contract

__all__ = ["MEASURED", "SIZES", "limits", "of_trial"]

SIZES = ("size", "size_ratio")
# What workers that are busy beside each other cannot say.
MEASURED = ("load_time", "p95", "latency_ratio", "p95_ratio", "peak_memory")


def of_trial(contract: Contract) -> Contract:
    """The contract without what is judged later."""
    kept = tuple(clause for clause in contract.clauses if clause.id not in (*SIZES, *MEASURED))
    return Contract(clauses=kept, proof=contract.proof)


def limits(contract: Contract, ids: tuple[str, ...]) -> Contract:
    """Those of its limits alone that are of these clauses."""
    return Contract(clauses=tuple(clause for clause in contract.clauses if clause.id in ids))
