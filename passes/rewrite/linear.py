"""Layers y = W x + b with constant W and b, seen alike: W as (groups, outputs, inputs, taps).

========================= ===================== =============================================
node                      weight                as (groups, outputs, inputs, taps)
========================= ===================== =============================================
Conv                      (O, I/g, k...)        (g, O/g, I/g, K)
ConvTranspose             (I, O/g, k...)        (g, O/g, I/g, K), axes of a group swapped
Gemm, transB=1            (N, K)                (1, N, K, 1)
Gemm, MatMul              (K, N)                (1, N, K, 1), transposed
========================= ===================== =============================================
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..edit import constant_array, is_constant, is_op, is_overridable

__all__ = ["Linear", "linear_of"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Linear:
    """One such node.

    Attributes:
        node: The node; its weight is input 1, its bias, if any, input 2.
        groups, outputs, inputs: Groups, and channels of each of them.
    """

    node: ir.Node
    groups: int
    outputs: int
    inputs: int

    @property
    def weight(self) -> np.ndarray:
        """float32, shape (groups, outputs, inputs, taps); a view where possible."""
        w = constant_array(self.node.inputs[1])
        assert w is not None
        match self.node.op_type:
            case "Conv":
                return w.reshape(self.groups, self.outputs, self.inputs, -1)
            case "ConvTranspose":
                return w.reshape(self.groups, self.inputs, self.outputs, -1).swapaxes(1, 2)
        return (w if self._transposed else w.T)[None, :, :, None]

    def stored(self, weight: np.ndarray) -> np.ndarray:
        """A weight of that view as the node stores it."""
        w = self.node.inputs[1]
        assert w is not None
        assert w.shape is not None
        if self.node.op_type == "ConvTranspose":
            weight = weight.swapaxes(1, 2)
        if self.node.op_type in ("Gemm", "MatMul") and not self._transposed:
            weight = weight[0, :, :, 0].T
        return np.ascontiguousarray(weight.reshape(w.shape.numpy()))

    @property
    def bias(self) -> np.ndarray | None:
        """float32 as the node stores it: its last axis, or only one value, is the output channel; None without one."""
        return constant_array(self.node.inputs[2]) if len(self.node.inputs) > 2 else None

    @property
    def _transposed(self) -> bool:
        return self.node.op_type == "Gemm" and self.node.attributes.get_int("transB", 0) == 1

    @property
    def channel_axis(self) -> int:
        """Of its input and output: 1 in a convolution, the last of a matrix."""
        return 1 if self.node.op_type in ("Conv", "ConvTranspose") else -1

    def columns_of(self, labels: np.ndarray) -> np.ndarray | None:
        """Labels of the input channels, shape (groups, inputs), or None when the labels vary along other axes."""
        channels = self.groups * self.inputs
        if labels.ndim:
            axis = self.channel_axis % labels.ndim
            if any(size != 1 for k, size in enumerate(labels.shape) if k != axis):
                return None
            if labels.size not in (1, channels):
                return None
        return np.broadcast_to(labels.reshape(-1), (channels,)).reshape(self.groups, self.inputs)

    def labels_behind(self, rows: np.ndarray, rank: int | None) -> np.ndarray | None:
        """Labels of the output: `rows` along the channel axis; None where the rank is unknown."""
        if self.channel_axis == 1:
            weight = self.node.inputs[1]
            assert weight is not None
            assert weight.shape is not None
            rank = len(weight.shape)
        if rank is None or rank < 2:
            return None
        return rows.reshape([-1 if k == self.channel_axis % rank else 1 for k in range(rank)])


def linear_of(node: ir.Node) -> Linear | str | None:
    """The layer a node is; why it cannot be rewritten; or None when it multiplies nothing by a weight."""
    if not is_op(node, "Conv", "ConvTranspose", "Gemm", "MatMul"):
        return None
    weight = node.inputs[1]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if weight is None or node.inputs[0] is None or is_constant(node.inputs[0]):
        return "its first operand is constant"
    if is_overridable(weight) or (bias is not None and is_overridable(bias)):
        return "its weight or bias is a graph input, which the caller may replace"
    if not is_constant(weight) or (bias is not None and not is_constant(bias)):
        return None if node.op_type == "MatMul" else "its weight or bias is computed at run time"
    if weight.dtype != ir.DataType.FLOAT or weight.shape is None:
        return "its weight is not FLOAT"
    if len(tuple(weight.uses())) > 1 or weight.is_graph_output():
        return "its weight is shared with another node"
    dims = weight.shape.numpy()
    if 0 in dims:
        return "its weight is empty"
    if node.op_type in ("Conv", "ConvTranspose"):
        groups = node.attributes.get_int("group", 1)
        if len(dims) < 3:
            return "its weight has no window"
        first, second = dims[0] // groups, dims[1]
        outputs, inputs = (first, second) if node.op_type == "Conv" else (second, first)
        return Linear(node=node, groups=groups, outputs=outputs, inputs=inputs)
    if len(dims) != 2:
        return "its weight is no matrix"
    if node.op_type == "Gemm" and node.attributes.get_int("transA", 0) == 1:
        return "reads its input transposed"
    rows, columns = dims
    if node.op_type == "Gemm" and node.attributes.get_int("transB", 0) == 1:
        rows, columns = columns, rows
    return Linear(node=node, groups=1, outputs=columns, inputs=rows)
