"""Policy of the NVIDIA targets: fp16 for the CUDA provider, symmetric INT8 for TensorRT. Read it aloud."""

from __future__ import annotations

from ...errors import OptionError
from ...passes.base import Pass
from ...passes.lower.compute_in_half import ComputeInHalf
from ...passes.lower.drop_shapes import DropShapes
from ...passes.lower.drop_traces import DropTraces
from ...passes.lower.share_constants import ShareConstants
from ...passes.lower.stamp import Stamp
from ...passes.lower.sum_unrounded import SumUnrounded
from ...passes.normalize.remove_unused import RemoveUnused
from ...passes.prepare.matmul_add_to_gemm import MatMulAddToGemm
from ...passes.prepare.reduce_mean_to_pool import ReduceMeanToPool
from ...passes.prepare.sum_to_add import SumToAdd
from ...passes.prepare.within_half import WithinHalf
from ...passes.quantize.compute_params import ComputeParams
from ...passes.quantize.decide import DecideQuantization
from ...passes.quantize.insert_qdq import InsertQdq
from ...passes.recipe import Recipe
from ..cpu.pipeline import bend, clip, in_turn, normalize, ranges, rewrites, rounding
from ..policy import Policy
from ..spec import TargetSpec

__all__ = ["recipe"]


def recipe(target: TargetSpec, policy: Policy) -> Recipe:
    """The passes for an NVIDIA target under a policy.

    Raises:
        OptionError: The scheme is none the provider computes in.
    """
    schemes = ("a8w8", "fp16", "float") if target.rules else ("fp16", "float")
    if policy.scheme not in schemes:
        computes = "INT8 or fp16" if target.rules else "fp16"
        raise OptionError(
            f"--scheme {policy.scheme}",
            f"would be computed in float32 on target {target.name}, which is there for {computes}",
            remedy=f"{'Give --calibration, or choose' if target.rules else 'Choose'} one of {', '.join(schemes)}",
        )
    passes = normalize() + prepare()
    nodes, ops, only = policy.exclude_nodes, policy.exclude_ops, policy.only_ops
    match policy.scheme:
        case "a8w8":
            decide = DecideQuantization(
                rules=tuple(bend(rule, policy) for rule in target.rules),
                exclude_nodes=nodes,
                exclude_ops=ops,
                only_ops=only,
                float_nodes=policy.float_nodes,
            )
            passes += rewrites(policy) + static(policy, decide)
        case "fp16":
            half = ComputeInHalf(exclude_nodes=nodes, exclude_ops=ops, only_ops=only, float_nodes=policy.float_nodes)
            passes += (WithinHalf(), half)
    stamp = Stamp(target=target.name, scheme=policy.scheme, max_ir_version=target.max_ir_version)
    last = (RemoveUnused(), ShareConstants(), DropTraces(), DropShapes(), stamp)
    return Recipe(scheme=policy.scheme, passes=(*passes, *last))


def prepare() -> tuple[Pass, ...]:
    """Exact rewrites wanted before anything is measured."""
    return (ReduceMeanToPool(), SumToAdd(), MatMulAddToGemm(), RemoveUnused())


def static(policy: Policy, decide: DecideQuantization) -> tuple[Pass, ...]:
    """Decide, measure (ComputeParams needs it), compute, round, apply, correct."""
    params = ComputeParams(method=policy.calibration_method, percentile=policy.percentile)
    compute = (params, *ranges(policy), *clip(policy), *rounding(policy))
    return (decide, *compute, InsertQdq(), *in_turn(policy), SumUnrounded())
