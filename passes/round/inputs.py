"""The rows a node multiplies its weight with, and the weight as the matrix that they meet.

=================== ================================== ============================
node                weight                             matrix (groups, rows, columns)
=================== ================================== ============================
Conv, group g       (O, I/g, k...)                     (g, O/g, I/g * k...)
Gemm, transB = 1    (N, K)                             (1, N, K)
Gemm, MatMul        (K, N)                             (1, N, K)
=================== ================================== ============================
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..observe.statistics import Products, Window
from ..quantize.decision import Decision

__all__ = ["from_matrix", "products_of", "to_matrix", "window_of"]


def products_of(node: ir.Node, decision: Decision) -> Products | str | None:
    """The statistic that holds the Gram matrix of what a node's weight is multiplied with.

    Returns:
        The statistic, why there is none, or None for a node without such a weight.
    """
    if decision.weight is None or node.op_type not in ("Conv", "Gemm", "MatMul"):
        return None
    weight = node.inputs[decision.weight[0]]
    if weight is None or weight.shape is None:
        return "has a weight of unknown shape"
    x = node.inputs[0]
    if x is None or x.shape is None or len(x.shape) < 2:
        return "reads an input of unknown rank"
    if node.op_type != "Conv":
        return Products() if len(weight.shape) == 2 else "multiplies with several matrices"
    if not isinstance(x.shape[1], int):
        return "reads an unknown number of channels"
    kernel = tuple(size for size in tuple(weight.shape)[2:] if isinstance(size, int))
    window = window_of(node, kernel, [size for size in tuple(x.shape)[2:] if isinstance(size, int)])
    return Products(window=window) if isinstance(window, Window) else window


def to_matrix(node: ir.Node, array: np.ndarray) -> np.ndarray:
    """A weight, or anything of its shape, as (groups, rows, columns); see the table above."""
    if node.op_type == "Conv":
        group = node.attributes.get_int("group", 1)
        return array.reshape(group, array.shape[0] // group, -1)
    return array[None] if _is_transposed(node) else array.T[None]


def from_matrix(node: ir.Node, matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The way back from `to_matrix`, contiguous."""
    if node.op_type == "Conv" or _is_transposed(node):
        return np.ascontiguousarray(matrix.reshape(shape))
    return np.ascontiguousarray(matrix[0].T)


def _is_transposed(node: ir.Node) -> bool:
    return node.op_type == "Gemm" and bool(node.attributes.get_int("transB", 0))


def window_of(node: ir.Node, kernel: tuple[int, ...], sizes: Sequence[int]) -> Window | str:
    """How a Conv reads its input, `auto_pad` resolved (ONNX Conv); or why that is unknown.

    Args:
        node: The Conv.
        kernel: Spatial shape of its filter.
        sizes: Spatial shape of its input; as many as are known.
    """
    ones = (1,) * len(kernel)
    strides = tuple(node.attributes.get_ints("strides", ones))
    dilations = tuple(node.attributes.get_ints("dilations", ones))
    pads = tuple(node.attributes.get_ints("pads", (0,) * (2 * len(kernel))))
    auto_pad = node.attributes.get_string("auto_pad", "NOTSET")
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        if len(sizes) != len(kernel):
            return f"pads by {auto_pad} an input of unknown size"
        totals = [
            max((-(-size // stride) - 1) * stride + (k - 1) * dilation + 1 - size, 0)
            for size, stride, k, dilation in zip(sizes, strides, kernel, dilations, strict=True)
        ]
        small, large = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
        pads = (*small, *large) if auto_pad == "SAME_UPPER" else (*large, *small)
    elif auto_pad == "VALID":
        pads = (0,) * (2 * len(kernel))
    group = node.attributes.get_int("group", 1)
    return Window(kernel=kernel, strides=strides, dilations=dilations, pads=pads, group=group)
