"""Policy of the WebGPU target: floats, from weights in few bits where that costs nothing. Read it aloud."""

from __future__ import annotations

from ...errors import OptionError
from ...passes.base import Pass
from ...passes.lower.compute_in_half import ComputeInHalf
from ...passes.lower.drop_shapes import DropShapes
from ...passes.lower.drop_traces import DropTraces
from ...passes.lower.share_constants import ShareConstants
from ...passes.lower.stamp import Stamp
from ...passes.normalize.remove_unused import RemoveUnused
from ...passes.prepare.reduce_mean_to_pool import ReduceMeanToPool
from ...passes.prepare.sum_to_add import SumToAdd
from ...passes.prepare.within_half import WithinHalf
from ...passes.recipe import Recipe
from ...passes.weight_only.compact_weights import CompactWeights
from ...passes.weight_only.decide_storage import DecideStorage
from ...passes.weight_only.pack_products import PackProducts
from ...passes.weight_only.round_blocks import RoundBlocks
from ..cpu.pipeline import normalize
from ..policy import Policy
from ..spec import TargetSpec

__all__ = ["SCHEMES", "recipe"]

# Most elements of a matrix that share a scale.
_BLOCK = 32
SCHEMES = ("w8", "w4", "fp16", "float")


def recipe(target: TargetSpec, policy: Policy) -> Recipe:
    """The passes for a WebGPU target under a policy; integer constants stay as wide as they are (see the facts).

    Raises:
        OptionError: The scheme has activations in integers: their QuantizeLinear runs on the CPU.
    """
    if policy.scheme not in SCHEMES:
        raise OptionError(
            f"--scheme {policy.scheme}",
            f"is slower than float on target {target.name}: activations would leave the GPU to be quantized on the CPU",
            remedy=f"Choose one of {', '.join(SCHEMES)}",
        )
    passes = normalize() + prepare()
    nodes, ops, only = policy.exclude_nodes, policy.exclude_ops, policy.only_ops
    compact = CompactWeights(
        per_channel=policy.per_channel,
        exclude_nodes=nodes,
        exclude_ops=ops,
        only_ops=only,
        float_nodes=policy.float_weights,
    )
    match policy.scheme:
        case "w8":
            passes += (compact,)
        case "w4":
            decide = DecideStorage(
                block_size=policy.block(_BLOCK),
                whole=True,
                ops=("MatMul", "Gemm"),
                exclude_nodes=nodes,
                exclude_ops=ops,
                only_ops=only,
                float_nodes=policy.float_weights,
            )
            products = PackProducts(always=True, accuracy_level=0, biased=False)
            passes += (decide, RoundBlocks(), products, compact)
        case "fp16":
            half = ComputeInHalf(exclude_nodes=nodes, exclude_ops=ops, only_ops=only, float_nodes=policy.float_nodes)
            passes += (WithinHalf(), half)
    stamp = Stamp(target=target.name, scheme=policy.scheme, max_ir_version=target.max_ir_version)
    last = (RemoveUnused(), ShareConstants(), DropTraces(), DropShapes(), stamp)
    return Recipe(scheme=policy.scheme, passes=(*passes, *last))


def prepare() -> tuple[Pass, ...]:
    """Exact rewrites into the forms its kernels are made for."""
    return (ReduceMeanToPool(), SumToAdd(), RemoveUnused())
