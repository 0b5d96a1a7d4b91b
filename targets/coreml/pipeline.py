"""Policy of the CoreML targets: float16, and operators the provider has a builder for. Read it aloud."""

from __future__ import annotations

from ...errors import OptionError
from ...passes.base import Pass
from ...passes.lower.beyond_half import FindBeyondHalf
from ...passes.lower.compute_in_half import ComputeInHalf
from ...passes.lower.drop_shapes import DropShapes
from ...passes.lower.drop_traces import DropTraces
from ...passes.lower.share_constants import ShareConstants
from ...passes.lower.stamp import Stamp
from ...passes.normalize.fold_shapes import FoldShapes
from ...passes.normalize.remove_unused import RemoveUnused
from ...passes.prepare.expand_to_tile import ExpandToTile
from ...passes.prepare.flatten_to_reshape import FlattenToReshape
from ...passes.prepare.fuse_gelu import FuseGelu
from ...passes.prepare.pool_as_image import PoolAsImage
from ...passes.prepare.prelu_to_leaky_relu import PReluToLeakyRelu
from ...passes.prepare.slopes_per_channel import SlopesPerChannel
from ...passes.prepare.spell_operators import SPELLINGS, SpellOperators
from ...passes.prepare.sum_to_add import SumToAdd
from ...passes.prepare.whole_resizes import WholeResizes
from ...passes.prepare.within_half import WithinHalf
from ...passes.recipe import Recipe
from ..cpu.pipeline import normalize
from ..policy import Policy
from ..spec import TargetSpec

__all__ = ["recipe"]

SCHEMES = ("fp16", "float")


def recipe(target: TargetSpec, policy: Policy) -> Recipe:
    """The passes for a CoreML target under a policy.

    Raises:
        OptionError: The scheme has Q/DQ, which the provider leaves to the CPU.
    """
    if policy.scheme not in SCHEMES:
        raise OptionError(
            f"--scheme {policy.scheme}",
            f"stores integers, which the CoreML provider of target {target.name} does not take: it has no Q/DQ",
            remedy=f"Choose one of {', '.join(SCHEMES)}",
        )
    passes = (*normalize(), *prepare())
    if policy.scheme == "fp16":
        half = ComputeInHalf(
            exclude_nodes=policy.exclude_nodes,
            exclude_ops=policy.exclude_ops,
            only_ops=policy.only_ops,
            float_nodes=policy.float_nodes,
        )
        passes += (WithinHalf(), FindBeyondHalf(), half)
    stamp = Stamp(target=target.name, scheme=policy.scheme, max_ir_version=target.max_ir_version)
    last = (RemoveUnused(), ShareConstants(), DropTraces(), DropShapes(), stamp)
    return Recipe(scheme=policy.scheme, passes=(*passes, *last))


def prepare() -> tuple[Pass, ...]:
    """Exact rewrites into what the provider takes."""
    return (
        FoldShapes(),
        FuseGelu(),
        SumToAdd(),
        SpellOperators(ops=tuple(SPELLINGS)),
        PReluToLeakyRelu(),
        SlopesPerChannel(),
        PoolAsImage(),
        WholeResizes(),
        FlattenToReshape(),
        ExpandToTile(),
        RemoveUnused(),
    )
