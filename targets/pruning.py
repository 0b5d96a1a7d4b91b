"""What is left out of a model before a target's own passes: layers, heads, channels, then single weights."""

from __future__ import annotations

from ..passes.base import Pass
from ..passes.normalize.drop_identity import DropIdentity
from ..passes.normalize.fold_constants import FoldConstants
from ..passes.normalize.fuse_conv_bn import FuseConvBn
from ..passes.normalize.remove_unused import RemoveUnused
from ..passes.prune.channels import PruneChannels
from ..passes.prune.layers import PruneLayers
from ..passes.prune.weights import PruneWeights
from .policy import Policy
from .spec import TargetSpec

__all__ = ["PRUNERS", "pruning"]

PRUNERS = (PruneChannels, PruneLayers, PruneWeights)
# Channels that widths stay a multiple of: MLAS takes input channels of int8 convolutions in fours, and what is no
# multiple is padded (docs/decisions/0003). Others take eights and more at a time.
_MULTIPLES = {"cpu": 4}
_OTHERS = 8


def pruning(target: TargetSpec, policy: Policy, *, calibrated: bool) -> tuple[Pass, ...]:
    """The passes that leave out what the policy asks for; none where it asks for nothing.

    Args:
        target: Whose kernels widths are kept for.
        policy: What the user asked for.
        calibrated: Whether there are samples to go by.
    """
    by = policy.prune_by if policy.prune_by != "auto" else "reconstruction" if calibrated else "magnitude"
    masks = policy.sparsity_by if policy.sparsity_by != "auto" else "sparsegpt" if calibrated else "magnitude"
    kept = policy.prune_exclude
    passes: tuple[Pass, ...] = ()
    if policy.prune_layers:
        passes += (PruneLayers(share=policy.prune_layers, budget=policy.prune_budget, by=by, exclude_nodes=kept),)
    for share, heads in ((policy.prune_heads, True), (policy.prune_channels, False)):
        if share:
            passes += (
                PruneChannels(
                    share=share,
                    budget=policy.prune_budget,
                    by=by,
                    heads=heads,
                    multiple=1 if heads else _MULTIPLES.get(target.family, _OTHERS),
                    exclude_nodes=kept,
                ),
            )
    if policy.sparsity:
        passes += (PruneWeights(pattern=policy.sparsity, method=masks, exclude_nodes=kept),)
    return (DropIdentity(), FoldConstants(), FuseConvBn(), RemoveUnused(), *passes) if passes else ()
