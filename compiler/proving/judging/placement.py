"""Where nodes ran, and in which kernels."""

from __future__ import annotations

from ...contract import Clause, ClauseResult
from ..probing.kinds import counts
from ..proof import Proof
from .decide import decide, limit_of, some, unknown

__all__ = ["integer_macs", "off_provider", "partitions"]


def partitions(clause: Clause, proof: Proof) -> ClauseResult:
    """Runs of nodes on one provider."""
    placement = proof.placement
    if placement is None or not placement.partitions:
        return unknown(clause, "the runtime showed no partitions")
    providers = list(dict.fromkeys(kernel.provider for kernel in placement.kernels))
    reason = f"on {', '.join(providers)}" if placement.partitions > 1 else ""
    return decide(clause, float(placement.partitions), None, None, reason)


def integer_macs(clause: Clause, proof: Proof) -> ClauseResult:
    """Share of multiply-accumulates in integer kernels; names the float ones."""
    placement = proof.placement
    if placement is None or not placement.kernels:
        return unknown(clause, "the runtime showed no placement")
    uncounted = [kernel.op_type for kernel in placement.kernels if kernel.macs is None]
    if uncounted:
        return unknown(clause, f"the multiply-accumulates of {some(uncounted)} cannot be counted")
    share = placement.integer_mac_share
    if share is None:
        return unknown(clause, "the model has no multiply-accumulates")
    floats = sorted((k for k in placement.kernels if k.macs and not k.integer), key=lambda k: -(k.macs or 0))
    reason = f"float: {some([f'{kernel.op_type} {kernel.name}' for kernel in floats])}" if floats else ""
    return decide(clause, limit_of(clause).from_base("integer_macs", share), None, None, reason)


def off_provider(clause: Clause, proof: Proof) -> ClauseResult:
    """Nodes that ran off the provider wanted, each with its reason."""
    placement = proof.placement
    if placement is None or not placement.kernels:
        return unknown(clause, "the runtime showed no placement")
    # Who writes a limit limits what leaves the provider the target is chosen for; the CPU's behind it is one of them.
    wanted = proof.providers if clause.implied else proof.providers[:1]
    off = [each for each in placement.off_provider(wanted) if each.provider not in proof.providers or counts(each)]
    why = {name: f" ({each.reason})" for each in proof.off_wanted for name in each.nodes}
    named = [f"{kernel.op_type} {kernel.name} on {kernel.provider}{why.get(kernel.name, '')}" for kernel in off]
    from_where = f"off {wanted[0]}: " if len(wanted) < len(proof.providers) else ""
    return decide(clause, float(len(off)), None, None, from_where + some(named) if off else "")
