"""What torch's translation leaves behind is folded: sizes computed of sizes, casts to what is there, copies of weights.

Nothing is fused here: that is the targets' to decide, and their passes keep names.
"""

from __future__ import annotations

import onnx_ir as ir

from .fold_weights import WEIGHT, fold_weights
from .open_masks import drop_open_masks
from .quiet import quiet
from .settle_reshapes import settle_reshapes
from .share_constants import share_constants

__all__ = ["tidy"]

# Elements that are folded: sizes, masks and positions, no weights.
_SMALL = 1 << 16
# Of onnxscript's rules those that drop or join operators which move nothing: the others fuse.
_RULES = (
    "cast_cast_rule", "no_op_cast_rule", "no_op_expand_rule", "no_op_transpose_rule", "transpose_transpose_rule",
    "reshape_reshape_rule", "unsqueeze_unsqueeze_rule", "squeeze_reshape_1d_rule", "materialize_reshape_shape_rule",
    "collapse_slice_rule", "collapse_slice2_rule", "slice_split_rule", "cast_constant_of_shape_rule",
    "cast_constant_of_shape_without_value_rule", "mul_by_1_rule", "div_by_1_rule", "add_0_rule", "sub_0_rule",
    "one_reshape_matmul_reshape_rule", "two_reshapes_matmul_reshape_rule", "dropout_inference_rule",
)  # fmt: skip


def tidy(model: ir.Model, parameters: frozenset[str]) -> None:
    """Fold constants; weights keep their names.

    Args:
        model: Edited in place.
        parameters: Initializers that are weights of the module, and its buffers.
    """
    from onnx_ir.passes import common
    from onnxscript.optimizer import fold_constants_ir
    from onnxscript.rewriter import RewritePass
    from onnxscript.rewriter.rules import common as rules

    simpler = RewritePass([getattr(rules, name) for name in _RULES])

    def lift() -> None:
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)

    def foldable(node: ir.Node) -> bool | None:
        return False if any(value is not None and WEIGHT in value.meta for value in node.inputs) else None

    for name in parameters:
        model.graph.initializers[name].meta[WEIGHT] = name

    with quiet():
        common.InlinePass()(model)
        for _ in range(2):
            fold_constants_ir(
                model,
                onnx_shape_inference=True,
                input_size_limit=_SMALL,
                output_size_limit=_SMALL,
                should_fold=foldable,
            )
            lift()
            common.RemoveUnusedNodesPass()(model)
            fold_weights(model)
            simpler(model)
            settle_reshapes(model)
            drop_open_masks(model)
            common.RemoveUnusedNodesPass()(model)
        lift()
        common.LiftSubgraphInitializersToMainGraphPass()(model)
        share_constants(model)
        common.CommonSubexpressionEliminationPass()(model)
        common.RemoveUnusedNodesPass()(model)
        common.RemoveUnusedOpsetsPass()(model)
