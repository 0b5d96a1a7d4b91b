"""Normalizations that are one node: where their gain, offset and bias stand.

Operator documentation of ONNX 1.23 and of ONNX Runtime 1.31.1 (`ContribOperators.md`); ONNX Runtime keeps
`SimplifiedLayerNormalization` in ONNX's own domain (`contrib_defs.cc`).
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

__all__ = ["Norm", "norm_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Norm:
    """Inputs and outputs of a normalization, by index.

    Attributes:
        data: What it adds up and normalizes.
        gain, offset: What it multiplies by, and adds, along the last axes; None where the operator has none.
        bias: What it adds before it normalizes.
        total: The output that holds the sum of data and bias.
        centred: It takes the mean away first.
    """

    data: tuple[int, ...] = (0,)
    gain: int = 1
    offset: int | None = None
    bias: int | None = None
    total: int | None = None
    centred: bool = False


_NORMS = {
    ("", "LayerNormalization"): Norm(offset=2, centred=True),
    ("", "RMSNormalization"): Norm(),
    ("", "SimplifiedLayerNormalization"): Norm(),
    ("com.microsoft", "SkipLayerNormalization"): Norm(data=(0, 1), gain=2, offset=3, bias=4, total=3, centred=True),
    ("com.microsoft", "SkipSimplifiedLayerNormalization"): Norm(data=(0, 1), gain=2, bias=3, total=3),
}


def norm_of(node: ir.Node | None) -> Norm | None:
    """How a normalization reads its inputs; None for any other node."""
    if node is None:
        return None
    return _NORMS.get(("" if node.domain == "ai.onnx" else node.domain, node.op_type))
