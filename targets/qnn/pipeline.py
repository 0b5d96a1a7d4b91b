"""Policy of the QNN targets: in integers what the HTP multiplies in integers, fp16 between. Read it aloud."""

from __future__ import annotations

from ...errors import OptionError
from ...passes.base import Pass
from ...passes.lower.clip_before_strides import ClipBeforeStrides
from ...passes.lower.dequantize_bytes import DequantizeBytes
from ...passes.lower.drop_shapes import DropShapes
from ...passes.lower.drop_traces import DropTraces
from ...passes.lower.halve_between import HalveBetween
from ...passes.lower.part_clamps import PartClamps
from ...passes.lower.part_inputs import PartInputs
from ...passes.lower.part_scales import PartScales
from ...passes.lower.share_constants import ShareConstants
from ...passes.lower.stamp import Stamp
from ...passes.normalize.remove_unused import RemoveUnused
from ...passes.prepare.explicit_pads import ExplicitPads
from ...passes.prepare.full_pads import FullPads
from ...passes.prepare.fuse_gelu import FuseGelu
from ...passes.prepare.gemm_to_matmul import GemmToMatMul
from ...passes.prepare.matmul_add_to_gemm import MatMulAddToGemm
from ...passes.prepare.part_group_norm import PartGroupNorm
from ...passes.prepare.reduce_mean_to_pool import ReduceMeanToPool
from ...passes.prepare.split_to_slices import SplitToSlices
from ...passes.prepare.sum_to_add import SumToAdd
from ...passes.prepare.within_half import WithinHalf
from ...passes.quantize.absorb_clamps import AbsorbClamps
from ...passes.quantize.code_scales import CodeScales
from ...passes.quantize.compute_params import ComputeParams
from ...passes.quantize.decide import DecideQuantization
from ...passes.quantize.decide_blocks import DecideBlocks
from ...passes.quantize.insert_qdq import InsertQdq
from ...passes.recipe import Recipe
from ...passes.weight_only.half_weights import HalfWeights
from ..cpu.pipeline import bend, clip, in_turn, normalize, ranges, rewrites, rounding
from ..policy import NARROW_SCHEMES, STATIC_SCHEMES, Policy, widths
from ..spec import TargetSpec
from .rules import rules_of

__all__ = ["recipe"]

SCHEMES = (*(each for each in STATIC_SCHEMES if each not in NARROW_SCHEMES), "fp16", "float")
# Blocks that the HTP computes right are multiples of it (spec.py).
BLOCK = 32


def recipe(target: TargetSpec, policy: Policy) -> Recipe:
    """The passes for a QNN target under a policy.

    Raises:
        OptionError: The scheme leaves work to the CPU at every inference, or the HTP is wrong on blocks of that size.
    """
    if policy.scheme not in SCHEMES:
        raise OptionError(
            f"--scheme {policy.scheme}",
            f"would be expanded on the CPU at every inference of target {target.name}",
            remedy=f"Give --calibration, or choose one of {', '.join(SCHEMES)}",
        )
    nodes, ops, only = policy.exclude_nodes, policy.exclude_ops, policy.only_ops
    passes = normalize() + prepare()
    if policy.scheme in STATIC_SCHEMES:
        activations, weights = widths(policy.scheme)
        bent = tuple(bend(rule, policy) for rule in target.rules)
        wide = rules_of(bent, activations=16, weights=weights) if policy.wide_nodes else ()
        decide = DecideQuantization(
            rules=rules_of(bent, activations=activations, weights=weights),
            exclude_nodes=nodes,
            exclude_ops=ops,
            only_ops=only,
            float_nodes=policy.float_nodes,
            wide_nodes=policy.wide_nodes,
            wide_rules=wide,
        )
        passes += rewrites(policy) + static(policy, decide, block=_block(target, policy))
    elif policy.scheme == "fp16":
        passes += (HalfWeights(dtype="float16", exclude_nodes=nodes, exclude_ops=ops, only_ops=only),)
    stamp = Stamp(target=target.name, scheme=policy.scheme, max_ir_version=target.max_ir_version)
    last = (ClipBeforeStrides(), RemoveUnused(), DequantizeBytes(), ShareConstants(), DropTraces(), DropShapes(), stamp)
    return Recipe(scheme=policy.scheme, passes=(*passes, *last))


def prepare() -> tuple[Pass, ...]:
    """Exact rewrites the HTP wants before anything is measured."""
    return (
        ExplicitPads(),
        FuseGelu(),
        PartGroupNorm(),
        WithinHalf(),
        ReduceMeanToPool(),
        SumToAdd(),
        SplitToSlices(),
        FullPads(),
        MatMulAddToGemm(),
        RemoveUnused(),
    )


def static(policy: Policy, decide: DecideQuantization, *, block: int | None) -> tuple[Pass, ...]:
    """Decide, measure (ComputeParams needs it), compute, round, apply, correct.

    Args:
        policy: What the user asked for.
        decide: Decides what runs in integers.
        block: Rows of a 4-bit matrix that share a scale, or None: one scale per column.
    """
    params = ComputeParams(method=policy.calibration_method, percentile=policy.percentile)
    fit = () if block is None else (GemmToMatMul(size=block),)
    decided = (decide,) if block is None else (decide, DecideBlocks(size=block))
    coded = () if block is None else (CodeScales(),)
    parted = () if block is None else (PartScales(),)
    compute = (params, *coded, *ranges(policy), *clip(policy), *rounding(policy))
    apply = (InsertQdq(), *parted, *in_turn(policy), AbsorbClamps(), PartClamps(), HalveBetween(), PartInputs())
    return (*fit, *decided, *compute, *apply)


def _block(target: TargetSpec, policy: Policy) -> int | None:
    """Rows that share a scale under a policy, or None where every column has one."""
    if widths(policy.scheme)[1] != 4 or not policy.per_channel:
        return None
    size = policy.block(BLOCK)
    if size % BLOCK:
        raise OptionError(
            f"--block-size {size}",
            f"is no multiple of {BLOCK}, and target {target.name} computes such blocks wrong",
            remedy=f"Choose {BLOCK} or a multiple of it; one as large as a layer's inputs is a scale per channel",
        )
    return size
