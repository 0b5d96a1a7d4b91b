"""Resize by whole numbers, nearest, of half pixels -> asymmetric, floor. Exact.

For a scale k and index i of the output, half pixels read round((i + 1/2) / k - 1/2), and (i + 1/2) / k - 1/2 lies less
than 1/2 from floor(i / k), which asymmetric with floor reads: no tie, so every way to round says the same. CoreML's
provider takes the second spelling only (ONNX Runtime 1.31.1).

Scope: Resize of operator set 11 and newer in the main graph, scales or sizes constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import constant_array, is_op, opset_of

__all__ = ["WholeResizes"]

_HALF_PIXELS = ("half_pixel", "pytorch_half_pixel")
_ROUND = ("round_prefer_floor", "round_prefer_ceil")


@dataclass(frozen=True, kw_only=True)
class WholeResizes(Pass):
    """Spell repeated pixels as asymmetric, floor."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if opset_of(model) < 11:
            return ir.passes.PassResult(model, modified=False)
        done = [node for node in model.graph if is_op(node, "Resize") and _try_respell(node)]
        return ir.passes.PassResult(model, modified=bool(done))


def _try_respell(node: ir.Node) -> bool:
    if node.attributes.get_string("mode", "nearest") != "nearest":
        return False
    if node.attributes.get_string("coordinate_transformation_mode", "half_pixel") not in _HALF_PIXELS:
        return False
    if node.attributes.get_string("nearest_mode", "round_prefer_floor") not in _ROUND or not _is_whole(node):
        return False
    node.attributes["coordinate_transformation_mode"] = ir.AttrString("coordinate_transformation_mode", "asymmetric")
    node.attributes["nearest_mode"] = ir.AttrString("nearest_mode", "floor")
    return True


def _is_whole(node: ir.Node) -> bool:
    """Whether it repeats every element a whole number of times along every axis."""
    x = node.inputs[0]
    scales = constant_array(node.inputs[2]) if len(node.inputs) > 2 else None
    if scales is not None and scales.size:
        return all(scale >= 1 and scale == round(float(scale)) for scale in scales)
    sizes = constant_array(node.inputs[3]) if len(node.inputs) > 3 else None
    if sizes is None or x is None or x.shape is None or len(sizes) != len(x.shape):
        return False
    if node.attributes.get_string("keep_aspect_ratio_policy", "stretch") != "stretch" or "axes" in node.attributes:
        return False
    return all(isinstance(dim, int) and dim and size % dim == 0 for dim, size in zip(x.shape, sizes, strict=True))
