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

__all__ = ["PRUNERS", "pruning"]

PRUNERS = (PruneChannels, PruneLayers, PruneWeights)
# Channels that widths stay a multiple of, and layers that write no more keep them. On MLAS' int8 kernels a chain of
# 3 x 3 convolutions of 16 x 16 pixels takes 42, 58, 70, 106, 122, 175, 195 us with 16, 24, 32, 40, 48, 56, 64
# channels, and fewer than 16 are padded to 16: docs/decisions/0003 (AMD EPYC with VNNI, ONNX Runtime 1.31.1, one
# thread, 2026-11-22).
_MULTIPLE, _NARROWEST = 8, 16


def pruning(policy: Policy, *, calibrated: bool) -> tuple[Pass, ...]:
    """The passes that leave out what the policy asks for; none where it asks for nothing.

    Args:
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
                    multiple=1 if heads else _MULTIPLE,
                    narrowest=1 if heads else _NARROWEST,
                    exclude_nodes=kept,
                ),
            )
    if policy.sparsity:
        passes += (PruneWeights(pattern=policy.sparsity, method=masks, exclude_nodes=kept),)
    return (DropIdentity(), FoldConstants(), FuseConvBn(), RemoveUnused(), *passes) if passes else ()
