"""BatchNormalization(Conv(x, W, b)) -> Conv(x, W * g/std, (b - mean) * g/std + beta).

Exact in real numbers; in float32 within a few ulp of the weights. Holds for ConvTranspose with the
channel on axis 1 (groups split it) and for Gemm on its output columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op, skip, sole_consumer, value_names

__all__ = ["FuseConvBn"]


@dataclass(frozen=True, kw_only=True)
class FuseConvBn(Pass):
    """Fold BatchNormalization into the Conv, ConvTranspose or Gemm before it."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph)
        modified = False
        for node in model.graph:
            # Again while it succeeds: a second BatchNormalization may stand behind the first.
            while is_op(node, *_SCALERS) and self._try_fuse(model.graph, node, taken):
                modified = True
        return ir.passes.PassResult(model, modified=modified)

    def _try_fuse(self, graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
        bn = sole_consumer(node.outputs[0])
        if bn is None or not is_op(bn, "BatchNormalization") or bn.graph is not graph:
            return False
        if len([output for output in bn.outputs if tuple(output.uses()) or output.is_graph_output()]) > 1:
            skip(bn, "its running statistics are read")
            return False
        if bn.attributes.get_int("training_mode", 0):
            skip(bn, "is in training mode")
            return False
        constants = [constant_array(value) for value in (node.inputs[1], *bn.inputs[1:5])]
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        b = None if bias is None else constant_array(bias)
        if any(array is None for array in constants) or (bias is not None and b is None):
            skip(bn, "its statistics, the weight or the bias are not constant")
            return False
        w, gamma, beta, mean, var = (array for array in constants if array is not None)
        if node.op_type == "Gemm" and (
            node.attributes.get_float("alpha", 1.0) != 1.0 or node.attributes.get_float("beta", 1.0) != 1.0
        ):
            skip(bn, "the Gemm before it scales its product")
            return False
        if b is not None and b.size != 1 and b.shape not in ((mean.size,), (1, mean.size)):
            skip(bn, "the Gemm before it adds more than one value per column")
            return False
        std = np.sqrt(var.astype(np.float64) + bn.attributes.get_float("epsilon", 1e-5))
        factor = gamma.astype(np.float64) / std
        offset = np.zeros(mean.shape) if b is None else np.broadcast_to(b.astype(np.float64).reshape(-1), mean.shape)
        fused_bias = ((offset - mean) * factor + beta).astype(w.dtype)
        fused_weight = _SCALERS[node.op_type](node, w, factor).astype(w.dtype)

        weight = node.inputs[1]
        assert weight is not None
        new_weight = add_initializer(graph, fresh_name(f"{weight.name}_fused", taken), fused_weight)
        new_bias = add_initializer(graph, fresh_name(f"{weight.name}_fused_bias", taken), fused_bias)
        node.replace_input_with(1, new_weight)
        if len(node.inputs) > 2:
            node.replace_input_with(2, new_bias)
        else:
            node.resize_inputs(3)
            node.replace_input_with(2, new_bias)
        _take_over(graph, node.outputs[0], bn)
        return True


def _take_over(graph: ir.Graph, value: ir.Value, node: ir.Node) -> None:
    """`value` replaces the first output of `node`, takes its name and declared shape, and `node` goes."""
    old = node.outputs[0]
    name = old.name
    old.replace_all_uses_with(value, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    value.name = name
    value.shape = old.shape if old.shape is not None else value.shape


def _conv(_: ir.Node, w: np.ndarray, factor: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = w * factor.reshape(-1, *[1] * (w.ndim - 1))
    return scaled


def _conv_transpose(node: ir.Node, w: np.ndarray, factor: np.ndarray) -> np.ndarray:
    group = node.attributes.get_int("group", 1)
    grouped = w.reshape(group, w.shape[0] // group, *w.shape[1:])
    scaled: np.ndarray = grouped * factor.reshape(group, 1, -1, *[1] * (w.ndim - 2))
    return scaled.reshape(w.shape)


def _gemm(node: ir.Node, w: np.ndarray, factor: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = w * (factor[:, None] if node.attributes.get_int("transB", 0) else factor[None, :])
    return scaled


_SCALERS = {"Conv": _conv, "ConvTranspose": _conv_transpose, "Gemm": _gemm}
