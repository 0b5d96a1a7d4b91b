"""Policy of the CPU targets: which passes run, in which order. Read it aloud."""

from __future__ import annotations

from dataclasses import replace

from ...passes.base import Pass
from ...passes.lower.drop_shapes import DropShapes
from ...passes.lower.drop_traces import DropTraces
from ...passes.lower.pad_integers import PadIntegers
from ...passes.lower.split_clamps import SplitClamps
from ...passes.lower.stamp import Stamp
from ...passes.normalize.drop_identity import DropIdentity
from ...passes.normalize.fold_constants import FoldConstants
from ...passes.normalize.fuse_conv_bn import FuseConvBn
from ...passes.normalize.remove_unused import RemoveUnused
from ...passes.prepare.align_channels import AlignChannels
from ...passes.prepare.full_pads import FullPads
from ...passes.prepare.matmul_add_to_gemm import MatMulAddToGemm
from ...passes.prepare.pointwise_conv_to_gemm import PointwiseConvToGemm
from ...passes.prepare.reduce_mean_to_pool import ReduceMeanToPool
from ...passes.prepare.sum_to_add import SumToAdd
from ...passes.quantize.absorb_clamps import AbsorbClamps
from ...passes.quantize.compute_params import ComputeParams
from ...passes.quantize.decide import DecideQuantization
from ...passes.quantize.dynamic import DynamicQuantization
from ...passes.quantize.insert_qdq import InsertQdq
from ...passes.recipe import Recipe
from ...passes.rewrite.equalize import EqualizeChannels
from ...passes.round.round_weights import RoundWeights
from ...passes.spec import OpRule, PerAxis, PerTensor
from ...passes.weight_only.compact_weights import CompactWeights
from ...passes.weight_only.narrow_integers import NarrowIntegers
from ..policy import Policy
from ..spec import TargetSpec

__all__ = ["recipe"]


def recipe(target: TargetSpec, policy: Policy) -> Recipe:
    """The passes for a CPU target under a policy."""
    passes: tuple[Pass, ...] = normalize() + prepare()
    rules = tuple(_bend(rule, policy) for rule in target.rules)
    nodes, ops, only = policy.exclude_nodes, policy.exclude_ops, policy.only_ops
    compact = CompactWeights(per_channel=policy.per_channel, exclude_nodes=nodes, exclude_ops=ops, only_ops=only)
    match policy.scheme:
        case "a8w8":
            decide = DecideQuantization(
                rules=rules, exclude_nodes=nodes, exclude_ops=ops, only_ops=only, float_nodes=policy.float_nodes
            )
            passes += rewrites(policy) + static(decide, rounding(policy))
        case "d8w8":
            dynamic = DynamicQuantization(
                per_channel=policy.per_channel, exclude_nodes=nodes, exclude_ops=ops, only_ops=only
            )
            passes += (dynamic,)
    if policy.scheme != "float":
        passes += (compact, NarrowIntegers())
    stamp = Stamp(target=target.name, scheme=policy.scheme, max_ir_version=target.max_ir_version)
    return Recipe(scheme=policy.scheme, passes=(*passes, RemoveUnused(), DropTraces(), DropShapes(), stamp))


def normalize() -> tuple[Pass, ...]:
    """Exact rewrites good for everyone."""
    return (DropIdentity(), FoldConstants(), FuseConvBn(), RemoveUnused())


def prepare() -> tuple[Pass, ...]:
    """Exact rewrites this runtime wants before anything is measured."""
    return (ReduceMeanToPool(), SumToAdd(), FullPads(), PointwiseConvToGemm(), MatMulAddToGemm(), RemoveUnused())


def rewrites(policy: Policy) -> tuple[Pass, ...]:
    """Exact rewrites into numbers that quantize better, as far as the policy asks for them."""
    return (EqualizeChannels(),) if policy.equalize else ()


def static(decide: DecideQuantization, rounding: tuple[Pass, ...]) -> tuple[Pass, ...]:
    """Fit the kernels, decide, measure (ComputeParams needs it), compute, apply."""
    align = AlignChannels(inputs=4, depthwise=16)
    return (align, decide, ComputeParams(), *rounding, InsertQdq(), AbsorbClamps(), PadIntegers(), SplitClamps())


def rounding(policy: Policy) -> tuple[Pass, ...]:
    """Choose the integers of weights by what their layer's output loses."""
    return () if policy.rounding == "nearest" else (RoundWeights(method=policy.rounding),)


def _bend(rule: OpRule, policy: Policy) -> OpRule:
    """The rule under the user's wishes for weights."""
    weights = rule.weights
    if weights is None or not isinstance(weights.granularity, PerAxis):
        return rule  # the constant operand of an Add or Mul is quantized as an activation is
    if not policy.per_channel:
        weights = replace(weights, granularity=PerTensor())
    if policy.reduce_range is not None:
        weights = replace(weights, reduce_range=policy.reduce_range)
    return replace(rule, weights=weights)
