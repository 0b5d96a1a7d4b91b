"""Policy of weights stored alone: which are multiplied as they are stored, which are expanded at load."""

from __future__ import annotations

from dataclasses import replace

from ...passes.base import Pass
from ...passes.codebook.pack_bnb4 import PackBnb4
from ...passes.codebook.pack_incoherent import PackIncoherent
from ...passes.codebook.round_incoherent import RoundIncoherent
from ...passes.codebook.round_levels import RoundLevels
from ...passes.rewrite.activation_aware import QUICK, ActivationAware
from ...passes.weight_only.compact_weights import CompactWeights
from ...passes.weight_only.decide_storage import DecideStorage
from ...passes.weight_only.dequantize_blocks import DequantizeBlocks
from ...passes.weight_only.expand_blocks import ExpandBlocks
from ...passes.weight_only.gather_blocks import GatherBlocks
from ...passes.weight_only.half_weights import HalfWeights
from ...passes.weight_only.mix_bits import MixBits
from ...passes.weight_only.narrow_integers import NarrowIntegers
from ...passes.weight_only.pack_products import PackProducts
from ...passes.weight_only.round_blocks import RoundBlocks
from ...passes.weight_only.round_in_turn import RoundInTurn
from ..policy import CODEBOOKS, Policy, widths
from ..spec import TargetSpec

__all__ = ["weights_alone"]

# A scale costs a quarter of a bit each; kernels of 128 are the fastest (passes/weight_only/nbits.py).
_BLOCK = 128
# QLoRA's block of a largest magnitude (Dettmers et al. 2023, section 3).
_LEVELS = 64
# From so many elements on a table is worth the kernel that reads rows as they are stored.
_TABLE = 1 << 18
# Most of the weights must be in matrices that are multiplied as stored, for the first of them to be.
_MATRICES = 0.5
# Changes of the inputs by scheme: what their codes are. What else there is takes four bits.
_CHANGED = {"w2e8": "e8", "w2h": "midrise"}
_EIGHT = ("MatMul", "Gemm", "Gather", "LSTM", "GRU", "RNN")


def weights_alone(target: TargetSpec, policy: Policy) -> tuple[Pass, ...]:
    """Decide, round, write; what has no blocks is stored in int8.

    Args:
        target: The target.
        policy: What the user asked for; its scheme is one of `WEIGHTS_ALONE`.
    """
    bits = 4 if policy.scheme in _CHANGED else widths(policy.scheme)[1]
    levels = policy.scheme in ("nf4", "fp4")
    nodes, ops, only = policy.exclude_nodes, policy.exclude_ops, policy.only_ops
    decide = DecideStorage(
        bits=bits,
        block_size=policy.block(_LEVELS if levels else _BLOCK),
        symmetric=levels or not policy.zero_points,
        ops=_EIGHT if bits == 8 else (),
        keep=policy.keep,
        exclude_nodes=nodes,
        exclude_ops=ops,
        only_ops=only,
        float_nodes=policy.float_weights,
    )
    rest = CompactWeights(
        per_channel=policy.per_channel,
        exclude_nodes=nodes,
        exclude_ops=ops,
        only_ops=only,
        float_nodes=policy.float_weights,
    )
    first: tuple[Pass, ...] = ()
    if policy.scheme in _CHANGED:
        matrices = replace(decide, bits=2, block_size=0, symmetric=True, ops=("MatMul", "Gemm"))
        first = (matrices, RoundIncoherent(kind=_CHANGED[policy.scheme]), PackIncoherent())
    mixed: tuple[Pass, ...] = () if policy.target_bpw is None else (MixBits(bpw=policy.target_bpw),)
    half: tuple[Pass, ...] = (HalfWeights(dtype="float16", noted=True),) if policy.keep else ()
    written = (*_written(target, policy), ExpandBlocks(), rest, *half, NarrowIntegers())
    return (*_scaled(policy, decide), *first, decide, *mixed, *_rounded(policy), *written)


def _scaled(policy: Policy, decide: DecideStorage) -> tuple[Pass, ...]:
    """Columns scaled by what they meet, for the form that was decided."""
    if not policy.awq:
        return ()
    aware = ActivationAware(
        bits=decide.bits,
        block_size=decide.block_size,
        symmetric=decide.symmetric,
        method=_method(policy) if _method(policy) in QUICK else "weighted",
        rounding=_method(policy),
        exclude_nodes=decide.exclude_nodes,
        exclude_ops=decide.exclude_ops,
        only_ops=decide.only_ops,
    )
    return (aware,)


def _rounded(policy: Policy) -> tuple[Pass, ...]:
    """What chooses codes, by the weights alone or by what they are multiplied with."""
    if policy.scheme in ("nf4", "fp4"):
        return (RoundLevels(levels=policy.scheme, double_scales=policy.double_scales),)
    first = (RoundInTurn(method=policy.rounding),) if policy.in_turn else ()
    return (*first, RoundBlocks(method=_method(policy)))


def _method(policy: Policy) -> str:
    """How blocks are rounded; AWQ clips them, where no other way is asked for.

    On calibration samples that were not observed, noise of the matrices in dB, 3 bits in blocks of 128: the nearest
    -14.9 and clipped -15.9 (all-MiniLM-L6-v2), -15.1 and -15.9 (stories260k); at 4 and 2 bits and in blocks of 32 from
    .6 to 1.0 less, too.
    """
    return "clipped" if policy.awq and policy.rounding == "nearest" else policy.rounding


def _written(target: TargetSpec, policy: Policy) -> tuple[Pass, ...]:
    """The forms that come before expansion at load."""
    match policy.weight_form:
        case "standard" if policy.scheme in CODEBOOKS:
            return ()  # what expands them is standard
        case "standard":
            return (DequantizeBlocks(),)
        case "bnb4":
            return (PackBnb4(), PackProducts(always=True), GatherBlocks())
        case "packed":
            return (PackProducts(always=True), GatherBlocks())
        case "auto" if _multiplies_blocks(target):
            return (PackProducts(share=_MATRICES), GatherBlocks(minimum=_TABLE))
    return ()


def _multiplies_blocks(target: TargetSpec) -> bool:
    """Whether it has int8 kernels for weights in blocks: x86 from AVX2 on, arm64 with dot products (MLAS, 1.31.1)."""
    return target.isa.startswith("x86_64") or target.isa.endswith(("+dotprod", "+i8mm"))
