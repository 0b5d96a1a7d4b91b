"""Policy of the NNAPI targets: that of the CPU targets, in the forms the provider builds. Read it aloud."""

from __future__ import annotations

from ...errors import OptionError
from ...passes.base import Pass
from ...passes.lower.drop_shapes import DropShapes
from ...passes.lower.drop_traces import DropTraces
from ...passes.lower.hold_apart import HoldApart
from ...passes.lower.part_clamps import PartClamps
from ...passes.lower.share_constants import ShareConstants
from ...passes.lower.stamp import Stamp
from ...passes.normalize.fold_shapes import FoldShapes
from ...passes.normalize.remove_unused import RemoveUnused
from ...passes.prepare.explicit_pads import ExplicitPads
from ...passes.prepare.flatten_to_reshape import FlattenToReshape
from ...passes.prepare.full_pads import FullPads
from ...passes.prepare.matmul_add_to_gemm import MatMulAddToGemm
from ...passes.prepare.plain_gemms import PlainGemms
from ...passes.prepare.reduce_mean_to_pool import ReduceMeanToPool
from ...passes.prepare.spell_operators import SpellOperators
from ...passes.prepare.spell_smaller import SpellSmaller
from ...passes.prepare.sum_to_add import SumToAdd
from ...passes.prepare.whole_resizes import WholeResizes
from ...passes.prepare.window_pools import WindowPools
from ...passes.quantize.absorb_clamps import AbsorbClamps
from ...passes.quantize.compute_params import ComputeParams
from ...passes.quantize.decide import DecideQuantization
from ...passes.quantize.insert_qdq import InsertQdq
from ...passes.recipe import Recipe
from ..cpu.pipeline import bend, clip, in_turn, normalize, ranges, rewrites, rounding
from ..policy import Policy
from ..spec import TargetSpec

__all__ = ["recipe"]

SCHEMES = ("a8w8", "float")


def recipe(target: TargetSpec, policy: Policy) -> Recipe:
    """The passes for an NNAPI target under a policy.

    Raises:
        OptionError: The scheme is none the provider has: 8-bit weights alone, other widths and half precision would be
            expanded on the CPU.
    """
    if policy.scheme not in SCHEMES:
        raise OptionError(
            f"--scheme {policy.scheme}",
            f"would run on the CPU beside the provider of target {target.name}",
            remedy=f"Give --calibration, or choose one of {', '.join(SCHEMES)}",
        )
    passes = normalize() + prepare()
    if policy.scheme == "a8w8":
        decide = DecideQuantization(
            rules=tuple(bend(rule, policy) for rule in target.rules),
            exclude_nodes=policy.exclude_nodes,
            exclude_ops=policy.exclude_ops,
            only_ops=policy.only_ops,
            float_nodes=policy.float_nodes,
            reduce_range_nodes=policy.reduce_range_nodes,
        )
        passes += rewrites(policy) + static(policy, decide)
    stamp = Stamp(target=target.name, scheme=policy.scheme, max_ir_version=target.max_ir_version)
    # Behind integers: what clamps the result of one is its range then.
    last = (SpellSmaller(ops=("Clip",)), RemoveUnused(), ShareConstants(), DropTraces(), DropShapes(), stamp)
    return Recipe(scheme=policy.scheme, passes=(*passes, *last))


def prepare() -> tuple[Pass, ...]:
    """Exact rewrites the provider wants before anything is measured."""
    return (
        FoldShapes(),
        ExplicitPads(),
        ReduceMeanToPool(),
        WindowPools(),
        FlattenToReshape(),
        SumToAdd(),
        SpellOperators(ops=("ReduceL2", "ReduceSumSquare", "Softsign", "Swish")),
        SpellSmaller(ops=("HardSigmoid", "HardSwish", "LayerNormalization", "Pow", "ReduceSum")),
        FullPads(),
        WholeResizes(),
        MatMulAddToGemm(),
        PlainGemms(),
        RemoveUnused(),
    )


def static(policy: Policy, decide: DecideQuantization) -> tuple[Pass, ...]:
    """Decide, measure (ComputeParams needs it), compute, round, apply, correct."""
    params = ComputeParams(method=policy.calibration_method, percentile=policy.percentile)
    compute = (params, *ranges(policy), *clip(policy), *rounding(policy))
    return (decide, *compute, InsertQdq(), *in_turn(policy), AbsorbClamps(), PartClamps(), HoldApart())
