"""Add(MatMul(x, W), b) -> Gemm(x, W, b), with Reshapes around it when x is not a matrix.

ONNX Runtime's QGemm takes int8 operands, an int32 bias and writes float; a MatMul with a bias behind it is
re-fused to a *float* Gemm at load instead (ONNX Runtime 1.31.1, MatMulAddFusion; defect 2 of its 2026-11 survey).
Exact in real numbers; the sum runs in another order.

1. x is (M, K): Gemm takes its place.
2. x is (..., K): x -> Reshape(-1, K) -> Gemm -> Reshape(..., N). The leading dimensions are written as
   constants when at most one of them is unknown, else taken from Shape(x).
3. b is no constant per column (a residual, a fed bias, a full matrix) and yet the runtime would fuse it: x is a
   matrix or b a vector. The Gemm goes without a bias and the Add stays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_constant, is_op, skip, sole_consumer, value_names
from ..scope import made_from

__all__ = ["MatMulAddToGemm"]


@dataclass(frozen=True, kw_only=True)
class MatMulAddToGemm(Pass):
    """Make a Gemm of MatMul and the bias behind it."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
        done = [node for node in model.graph if is_op(node, "MatMul") and self._try_fuse(model.graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_fuse(self, graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
        x, w = node.inputs
        if x is None or w is None or not is_constant(w) or w.shape is None or len(w.shape) != 2:
            return False
        add = sole_consumer(node.outputs[0])
        if add is None or not is_op(add, "Add") or add.graph is not graph:
            return False
        b = add.inputs[1] if add.inputs[0] is node.outputs[0] else add.inputs[0]
        if b is None:
            return False
        columns = w.shape[1]
        if x.shape is None or x.dtype is None:
            skip(node, "the rank or type of its input is unknown")
            return False
        if x.dtype != ir.DataType.FLOAT:
            skip(node, f"computes in {x.dtype.name}, not FLOAT")
            return False
        new: list[ir.Node] = []
        rank = len(x.shape)
        bias = self._bias(graph, b, rank, columns, taken)
        if bias is None and rank != 2 and (b.shape is None or len(b.shape) != 1):
            skip(node, "what is added to it is not one constant per column")
            return False
        matrix = x if rank == 2 else self._flatten(graph, x, str(node.name), taken, new)
        gemm = ir.node("Gemm", [matrix, w] if bias is None else [matrix, w, bias], name=node.name)
        made_from(gemm, node)
        gemm.outputs[0].type = x.type
        new.append(gemm)
        result = gemm.outputs[0]
        if rank != 2:
            result.name = fresh_name(f"{node.outputs[0].name}_gemm", taken)
            result.shape = ir.Shape([_rows(x), columns])
            result = self._unflatten(graph, x, result, columns, str(node.name), taken, new)
        replaced = [node] if bias is None else [node, add]
        old = replaced[-1].outputs[0]
        result.type, result.shape = x.type, old.shape
        ir.convenience.replace_nodes_and_values(graph, node, replaced, new, [old], [result])
        return True

    def _bias(
        self, graph: ir.Graph, b: ir.Value, rank: int, columns: int | ir.SymbolicDim, taken: set[str]
    ) -> ir.Value | None:
        """`b` as one constant per column, or None when it is something else."""
        if not is_constant(b) or b.shape is None or len(b.shape) not in range(1, max(rank, 2) + 1):
            return None
        if tuple(b.shape) != (1,) * (len(b.shape) - 1) + (columns,):
            return None
        if len(b.shape) == 1:
            return b
        return add_initializer(graph, fresh_name(f"{b.name}_row", taken), _known(constant_array(b)).reshape(-1))

    def _flatten(self, graph: ir.Graph, x: ir.Value, name: str, taken: set[str], new: list[ir.Node]) -> ir.Value:
        assert x.shape is not None
        width = x.shape[-1]
        shape = np.asarray([-1, width if isinstance(width, int) else 0], np.int64)
        if not isinstance(width, int):
            raise AssertionError("a MatMul with a constant weight has a known width")
        target = add_initializer(graph, fresh_name(f"{name}_rows", taken), shape)
        reshape = ir.node("Reshape", [x, target], name=fresh_name(f"{name}_flatten", taken))
        value = reshape.outputs[0]
        value.name = fresh_name(f"{name}_flat", taken)
        value.type, value.shape = x.type, ir.Shape([_rows(x), width])
        new.append(reshape)
        return value

    def _unflatten(
        self,
        graph: ir.Graph,
        x: ir.Value,
        y: ir.Value,
        columns: int | ir.SymbolicDim,
        name: str,
        taken: set[str],
        new: list[ir.Node],
    ) -> ir.Value:
        assert x.shape is not None
        leading = list(x.shape[:-1])
        unknown = [k for k, dim in enumerate(leading) if not isinstance(dim, int)]
        if len(unknown) <= 1:
            dims = [-1 if k in unknown else dim for k, dim in enumerate(leading)]
            target = add_initializer(graph, fresh_name(f"{name}_shape", taken), np.asarray([*dims, columns], np.int64))
        else:
            shape = ir.node("Shape", [x], name=fresh_name(f"{name}_shape_of", taken))
            start = add_initializer(graph, fresh_name(f"{name}_zero", taken), np.asarray([0], np.int64))
            end = add_initializer(graph, fresh_name(f"{name}_leading", taken), np.asarray([len(leading)], np.int64))
            head = ir.node("Slice", [shape.outputs[0], start, end], name=fresh_name(f"{name}_leading_dims", taken))
            last = add_initializer(graph, fresh_name(f"{name}_columns", taken), np.asarray([columns], np.int64))
            concat = ir.node(
                "Concat", [head.outputs[0], last], {"axis": 0}, name=fresh_name(f"{name}_out_shape", taken)
            )
            for each in (shape, head, concat):
                each.outputs[0].name = fresh_name(f"{each.name}_value", taken)
                each.outputs[0].type = ir.TensorType(ir.DataType.INT64)
            new.extend((shape, head, concat))
            target = concat.outputs[0]
        reshape = ir.node("Reshape", [y, target], name=fresh_name(f"{name}_unflatten", taken))
        new.append(reshape)
        return reshape.outputs[0]


def _rows(x: ir.Value) -> int | None:
    """Elements of all axes but the last, where they are known."""
    assert x.shape is not None
    leading = [dim for dim in x.shape[:-1] if isinstance(dim, int)]
    return math.prod(leading) if len(leading) == len(x.shape) - 1 else None


def _known(array: np.ndarray | None) -> np.ndarray:
    assert array is not None
    return array
