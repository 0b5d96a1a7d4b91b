"""auto_pad -> pads, for Conv, MaxPool and AveragePool over an image of known size. Exact.

    n = ceil(x / stride),  total = max(0, (n - 1) stride + (k - 1) dilation + 1 - x)

SAME_UPPER puts the odd pixel at the end, SAME_LOWER at the beginning (ONNX Conv-11). XNNPACK takes no SAME_LOWER.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import is_op

__all__ = ["ExplicitPads", "same_pads"]


@dataclass(frozen=True, kw_only=True)
class ExplicitPads(Pass):
    """Spell the padding of convolutions and pooling that is asked for as SAME_UPPER or SAME_LOWER."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        done = [node for node in model.graph if is_op(node, "Conv", "MaxPool", "AveragePool") and _try_spell(node)]
        return ir.passes.PassResult(model, modified=bool(done))


def same_pads(size: int, kernel: int, stride: int, dilation: int, *, lower: bool) -> tuple[int, int]:
    """Pixels before and behind one axis.

    Args:
        size: Pixels of the input.
        kernel: Pixels of the kernel.
        stride: Pixels between two windows.
        dilation: Pixels between two of a window.
        lower: SAME_LOWER: the odd pixel comes first.
    """
    total = max(0, (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size)
    small, large = total // 2, total - total // 2
    return (large, small) if lower else (small, large)


def _try_spell(node: ir.Node) -> bool:
    mode = node.attributes.get_string("auto_pad", "NOTSET")
    x = node.inputs[0]
    if mode not in ("SAME_UPPER", "SAME_LOWER") or x is None or x.shape is None:
        return False
    if node.attributes.get_int("ceil_mode", 0):
        return False  # rounds the number of windows a second way
    sizes = tuple(x.shape[2:])
    kernel = _kernel(node)
    if not sizes or kernel is None or len(kernel) != len(sizes):
        return False
    ones = (1,) * len(sizes)
    strides = tuple(node.attributes.get_ints("strides", ones))
    dilations = tuple(node.attributes.get_ints("dilations", ones))
    pads = []
    for size, extent, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        if not isinstance(size, int):
            return False
        pads.append(same_pads(size, extent, stride, dilation, lower=mode == "SAME_LOWER"))
    del node.attributes["auto_pad"]
    node.attributes["pads"] = ir.AttrInt64s("pads", [before for before, _ in pads] + [behind for _, behind in pads])
    return True


def _kernel(node: ir.Node) -> tuple[int, ...] | None:
    """Pixels of the kernel along each axis, as far as the node or its weight tells."""
    if "kernel_shape" in node.attributes:
        return tuple(node.attributes.get_ints("kernel_shape", ()))
    weight = node.inputs[1] if is_op(node, "Conv") else None
    if weight is None or weight.shape is None:
        return None
    dims = tuple(dim for dim in weight.shape[2:] if isinstance(dim, int))
    return dims if len(dims) == len(weight.shape) - 2 else None
