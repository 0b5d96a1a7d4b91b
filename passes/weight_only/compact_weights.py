"""W -> Mul(Cast(int8 codes), scale): weights are a quarter of the size in the file, float once loaded.

ONNX Runtime folds the Cast and the Mul at load (constant folding, 1.31.1), so the float kernels run as before:
no slower, no smaller in memory. A DequantizeLinear would not be folded and would run at every inference.

W8 error: at most half a step, s_w = max|w| / 127 per output channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, insert_after, is_overridable, rewire, skip, value_names
from ..quantize.params import of_tensor, quantize
from ..scope import out_of_scope
from ..spec import PerAxis, PerTensor, QuantSpec

__all__ = ["CompactWeights"]

# Operator → (index of its weight, axis of the output channels).
_WEIGHTS = {
    "Conv": (1, 0),
    "ConvTranspose": (1, 1),
    "Gemm": (1, 1),
    "MatMul": (1, -1),
    "Gather": (0, 0),
    "LSTM": (1, 1),
    "GRU": (1, 1),
    "RNN": (1, 1),
}
_RECURRENT = ("LSTM", "GRU", "RNN")


@dataclass(frozen=True, kw_only=True)
class CompactWeights(Pass):
    """Store the weights of float kernels as int8, expanded when the model is loaded.

    Attributes:
        minimum: Fewest elements of a weight worth three extra tensors.
    """

    per_channel: bool = True
    minimum: int = 256
    exclude_nodes: tuple[str, ...] = ()
    exclude_ops: tuple[str, ...] = ()
    only_ops: tuple[str, ...] = ()

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
        axes: dict[ir.Value, int] = {}
        excluded: set[ir.Value] = set()
        for node in ir.traversal.RecursiveGraphIterator(model.graph):
            if node.op_type not in _WEIGHTS or node.domain not in ("", "ai.onnx"):
                continue
            reason = out_of_scope(
                node, exclude_nodes=self.exclude_nodes, exclude_ops=self.exclude_ops, only_ops=self.only_ops
            )
            if reason:
                skip(node, reason)
                excluded.update(weight for weight, _ in _weights_of(node))
                continue
            for weight, axis in _weights_of(node):
                axes.setdefault(weight, axis)
        done = [
            weight
            for weight, axis in axes.items()
            if weight not in excluded and self._try_compact(model.graph, weight, axis, taken)
        ]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_compact(self, graph: ir.Graph, weight: ir.Value, axis: int, taken: set[str]) -> bool:
        if weight.graph is not graph or not weight.is_initializer() or weight.is_graph_output():
            return False
        x = constant_array(weight)
        if is_overridable(weight) or x is None or x.dtype != np.float32 or x.size < self.minimum or x.ndim < 2:
            return False
        axis %= x.ndim
        granularity = PerAxis(axis=axis) if self.per_channel else PerTensor()
        params = of_tensor(QuantSpec(dtype="int8", granularity=granularity, symmetric=True), x)
        shape = [-1 if k == axis else 1 for k in range(x.ndim)] if self.per_channel else []
        uses = tuple(weight.uses())
        codes = add_initializer(graph, fresh_name(f"{weight.name}_quantized", taken), quantize(x, params))
        scale = add_initializer(graph, fresh_name(f"{weight.name}_scale", taken), params.scale.reshape(shape))
        cast = ir.node("Cast", [codes], {"to": ir.DataType.FLOAT.value}, name=fresh_name(f"{weight.name}_cast", taken))
        cast.outputs[0].name = fresh_name(f"{weight.name}_codes", taken)
        cast.outputs[0].type, cast.outputs[0].shape = ir.TensorType(ir.DataType.FLOAT), weight.shape
        mul = ir.node("Mul", [cast.outputs[0], scale], name=fresh_name(f"{weight.name}_expand", taken))
        mul.outputs[0].name = fresh_name(f"{weight.name}_expanded", taken)
        mul.outputs[0].type, mul.outputs[0].shape = ir.TensorType(ir.DataType.FLOAT), weight.shape
        insert_after(graph, codes, (cast, mul))
        rewire(uses, mul.outputs[0])
        return True


def _weights_of(node: ir.Node) -> list[tuple[ir.Value, int]]:
    index, axis = _WEIGHTS[node.op_type]
    if node.op_type == "Gemm":
        axis = 0 if node.attributes.get_int("transB", 0) else 1
    indices = (1, 2) if node.op_type in _RECURRENT else (index,)
    return [(value, axis) for k in indices if k < len(node.inputs) and (value := node.inputs[k]) is not None]
