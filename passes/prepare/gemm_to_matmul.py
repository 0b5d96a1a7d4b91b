"""Gemm(x, W, b) -> Add(MatMul(x, W'), b), where W' can have a scale per block of rows.

ONNX Runtime's QNN provider leaves a Gemm with block scales to the CPU, whatever stands around it, and gives the MatMul
to the HTP (onnxruntime-qnn 2.7.0, QAIRT 2.51, soc 57). Exact in real numbers; the bias is added last.

Left alone: alpha or beta other than 1, transA, a weight that is not a constant float matrix of whole blocks with more
than one column, and one stored as (N, K) that others read too: it would be stored twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_constant, is_op, value_names
from ..quantize.decide_blocks import fits_blocks
from ..scope import made_from

__all__ = ["GemmToMatMul"]


@dataclass(frozen=True, kw_only=True)
class GemmToMatMul(Pass):
    """Make a MatMul and an Add of each Gemm of the main graph whose weight divides into blocks.

    Attributes:
        size: Rows of W' in a block.
    """

    size: int = 32

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
        done = [node for node in model.graph if self._fits(node) and _rewrite(model.graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _fits(self, node: ir.Node) -> bool:
        if not is_op(node, "Gemm"):
            return False
        if any(node.attributes.get_float(name, 1.0) != 1.0 for name in ("alpha", "beta")):
            return False
        weight, turned = node.inputs[1], node.attributes.get_int("transB", 0)
        if node.attributes.get_int("transA", 0) or weight is None or not is_constant(weight):
            return False
        if weight.dtype != ir.DataType.FLOAT or (turned and len(tuple(weight.uses())) > 1):
            return False
        return fits_blocks(weight, 1 if turned else 0, self.size)


def _rewrite(graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
    x, weight, old = node.inputs[0], node.inputs[1], node.outputs[0]
    assert weight is not None
    if node.attributes.get_int("transB", 0):
        array = constant_array(weight)
        assert array is not None
        name = fresh_name(f"{weight.name}_transposed", taken)
        weight = add_initializer(graph, name, np.ascontiguousarray(array.T))
    matmul = ir.node("MatMul", [x, weight], name=node.name)
    made_from(matmul, node)
    new = [matmul]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None:
        product = matmul.outputs[0]
        product.name = fresh_name(f"{old.name}_product", taken)
        product.type, product.shape = old.type, old.shape
        add = ir.node("Add", [product, bias], name=fresh_name(f"{node.name}_bias", taken))
        made_from(add, node)
        new.append(add)
    result = new[-1].outputs[0]
    result.type, result.shape = old.type, old.shape
    ir.convenience.replace_nodes_and_values(graph, node, [node], new, [old], [result])
    return True
