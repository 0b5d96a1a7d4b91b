"""XᵀX of the rows a node multiplies its weight with, by a matrix product in the graph.

A MatMul or Gemm reads its rows as they are. A Conv reads patches: a depthwise Conv with one-hot kernels cuts them
out, one output channel for each tap, so that channel c * kh * kw + i * kw + j holds x[c] at tap (i, j): the order
of a flattened W[o] of shape (C / group, kh, kw). The product of one run is float32, the sum over runs float64.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..edit import add_initializer
from .nodes import emit, integers, publish, rank_of
from .statistics import Gram, Need, Products, Window

__all__ = ["ProductsProbe"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ProductsProbe:
    """Outputs the products of a run, shape (groups, k, k), and the shape of the rows, (groups, k, rows)."""

    need: Need
    products: str
    shape: str

    @property
    def needs(self) -> tuple[Need, ...]:
        return (self.need,)

    @classmethod
    def add(cls, model: ir.Model, value: ir.Value, need: Need, statistic: Products, prefix: str) -> ProductsProbe:
        """Append the rows of `value`, their product with themselves, and their Shape."""
        rank = rank_of(value, need.value, "XᵀX")
        window = statistic.window
        if window is None:
            rows = emit(model, "Flatten", [value], f"{prefix}_rows", {"axis": rank - 1})
            one_group = emit(
                model, "Reshape", [rows, integers(model, f"{prefix}_one", [0, 1, -1])], f"{prefix}_one_group"
            )
            columns = emit(model, "Transpose", [one_group], f"{prefix}_columns", {"perm": [1, 2, 0]})
        else:
            columns = _patches(model, value, need, window, prefix)
        turned = emit(model, "Transpose", [columns], f"{prefix}_turned", {"perm": [0, 2, 1]})
        products = emit(model, "MatMul", [columns, turned], f"{prefix}_products")
        shape = emit(model, "Shape", [columns], f"{prefix}_shape")
        return cls(need=need, products=publish(model, products, 3), shape=publish(model, shape, 1, ir.DataType.INT64))

    def seen(self, outputs: Mapping[str, np.ndarray]) -> Gram:
        """The products of one run, still float32."""
        return Gram(matrix=outputs[self.products], rows=int(outputs[self.shape][2]))

    def merge(self, left: Gram, right: Gram) -> Gram:
        """The sum of both, in float64; `left` may be used up: a second k x k array is not always affordable."""
        if left.matrix.dtype != np.float64:
            left, right = right, left
        total = left.matrix if left.matrix.dtype == np.float64 else left.matrix.astype(np.float64)
        total += right.matrix
        return Gram(matrix=total, rows=left.rows + right.rows)

    def alike(self, left: Gram, right: Gram) -> bool:
        """Whether as many rows have products that agree to a thousandth of the largest."""
        limit = 1e-3 * np.abs(right.matrix).max(initial=0.0) + np.finfo(np.float32).tiny
        return left.rows == right.rows and bool(np.all(np.abs(left.matrix - right.matrix) <= limit))

    def read(self, total: Gram) -> list[Gram]:
        """The products over all runs, float64."""
        return [Gram(matrix=total.matrix.astype(np.float64, copy=False), rows=total.rows)]


def _patches(model: ir.Model, value: ir.Value, need: Need, window: Window, prefix: str) -> ir.Value:
    """The patches of a Conv as columns: (group, C / group * taps, N * positions)."""
    assert value.shape is not None
    channels = value.shape[1]
    if not isinstance(channels, int):
        raise ValueError(f"value {need.value!r}: patches need its number of channels, which is unknown")
    taps, group = math.prod(window.kernel), window.group
    if taps > 1 or any(window.pads) or any(stride > 1 for stride in window.strides):
        one_hot = np.tile(
            np.eye(taps, dtype=np.float32).reshape(taps, 1, *window.kernel), (channels, *[1] * (len(window.kernel) + 1))
        )
        kernel = add_initializer(model.graph, f"{prefix}_one_hot", one_hot)
        value = emit(
            model,
            "Conv",
            [value, kernel],
            f"{prefix}_patches",
            {
                "group": channels,
                "kernel_shape": window.kernel,
                "strides": window.strides,
                "dilations": window.dilations,
                "pads": window.pads,
            },
        )
    k = channels // group * taps
    split = integers(model, f"{prefix}_split", [0, group, k, -1])
    by_sample = emit(model, "Reshape", [value, split], f"{prefix}_by_sample")
    together = emit(model, "Transpose", [by_sample], f"{prefix}_together", {"perm": [1, 2, 0, 3]})
    flat = integers(model, f"{prefix}_flat", [group, k, -1])
    return emit(model, "Reshape", [together, flat], f"{prefix}_columns")
