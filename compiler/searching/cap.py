"""How much may go back to float before integers are no longer worth their name."""

from __future__ import annotations

from ..planning.macs import macs_by_op
from .trials import Trials

__all__ = ["cap_of", "is_attention"]

# At most this share of the MACs runs in float on the guard's account; attention has fewer to lose.
# A neighbour may stay in float with them: a little less than the fifth and the two fifths that are meant.
_CAP_CONVOLUTION, _CAP_ATTENTION = 0.19, 0.39


def cap_of(trials: Trials) -> float:
    """The share of the MACs that may go back to float: what has no integer kernel has gone already."""
    cap = _CAP_ATTENTION if is_attention(trials) else _CAP_CONVOLUTION
    return max(cap / 4, cap - (1.0 - trials.units.share(frozenset(trials.units.macs))))


def is_attention(trials: Trials) -> bool:
    """Whether there is a Softmax, and most MACs are in MatMul and Gemm."""
    source = trials.shop.candidates.source
    macs = macs_by_op(source)
    softmax = any(node.op_type == "Softmax" for node in source.graph.all_nodes())
    return softmax and macs["MatMul"] + macs["Gemm"] > sum(macs.values()) / 2
