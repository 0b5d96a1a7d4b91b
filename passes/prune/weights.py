"""Set weights of products to 0, a share of them or N of every M: the graph stays, its constants get zeros.

1. Conv, Gemm and MatMul with a constant matrix. A weight that several nodes read is masked once, under the sum of their
   Gram matrices.
2. N of every M are counted along what is summed up: rows of a matrix; of a Conv along its input channels, tap by tap,
   as sparse tensor cores read them (NVIDIA, "Accelerating Inference with Sparsity Using Ampere and TensorRT", 2021).
3. A weight that has these zeros already is left as it is.

Left dense, with the reason: depthwise convolutions, channels that are no multiple of M, tables that are read by Gather
as well. By magnitude where inputs cannot be observed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import (
    add_initializer,
    constant_array,
    fresh_name,
    is_constant,
    is_op,
    remark,
    rewire,
    value_names,
)
from ..observe.statistics import Need
from ..outside import outside
from ..round.inputs import from_matrix, to_matrix
from ..scope import out_of_scope
from ..weight_only.grams import gram_of, grams_needed
from .pattern import is_kept_in, read_pattern
from .sparsegpt import METHODS, NEEDS_GRAM, prune_matrix

__all__ = ["PruneWeights"]


@dataclass(frozen=True, kw_only=True)
class PruneWeights(Pass):
    """Zeros in the weights of products.

    Attributes:
        pattern: `2:4` or another N:M, or a share like `50%`.
        method: `magnitude`, `wanda` or `sparsegpt`.
        max_columns: Matrices with more columns than this are masked by magnitude.
        exclude_nodes: Regular expressions over names of nodes that stay dense.
    """

    pattern: str
    method: str = "sparsegpt"
    max_columns: int = 16384
    exclude_nodes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        read_pattern(self.pattern)
        if self.method not in METHODS:
            raise ValueError(f"method: {self.method!r} is not one of {', '.join(METHODS)}")

    @property
    def invalidates(self) -> bool:
        """Masked layers write other values."""
        return True

    def needs(self, model: ir.Model) -> Sequence[Need]:
        if self.method not in NEEDS_GRAM:
            return ()
        wanted = [weight for weight, _, matrix in self._dense(model) if matrix.shape[-1] <= self.max_columns]
        return tuple(dict.fromkeys(need for weight in wanted for need in grams_needed(model, weight)))

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        pattern, dense, taken = read_pattern(self.pattern), list(self._dense(model)), value_names(model.graph)
        with outside().stage("prune", sum(matrix.size for _, _, matrix in dense)) as advance:
            for weight, node, matrix in dense:
                H = self._gram(model, weight, matrix) if self.method in NEEDS_GRAM else None
                order = _order(node, matrix)
                back = np.argsort(order)
                if H is not None:
                    H = H[:, order[:, None], order]
                made = prune_matrix(self.method, matrix[..., order], H, pattern)[..., back]
                _store(model.graph, weight, from_matrix(node, made, _shape(weight)).astype(np.float32), taken)
                advance(matrix.size)
        return ir.passes.PassResult(model, modified=bool(dense))

    def _dense(self, model: ir.Model) -> Iterator[tuple[ir.Value, ir.Node, np.ndarray]]:
        """Weights without these zeros, a node that reads each, and the matrix (groups, rows, columns)."""
        pattern = read_pattern(self.pattern)
        seen: set[ir.Value] = set()
        for node in model.graph:
            weight = node.inputs[1] if is_op(node, "Conv", "Gemm", "MatMul") else None
            if weight is None or weight in seen or weight.dtype != ir.DataType.FLOAT or not is_constant(weight):
                continue
            seen.add(weight)
            reason = self._why_dense(node, weight, pattern.of)
            if reason is not None:
                remark(node, f"is not pruned: {reason}")
                continue
            array = constant_array(weight)
            assert array is not None
            matrix = to_matrix(node, array)
            if not is_kept_in(matrix[..., _order(node, matrix)], pattern):
                yield weight, node, matrix

    def _why_dense(self, node: ir.Node, weight: ir.Value, of: int) -> str | None:
        rank, shape = len(_shape(weight)), _shape(weight)
        excluded = out_of_scope(node, exclude_nodes=self.exclude_nodes, exclude_ops=(), only_ops=())
        if excluded is not None:
            return f"it {excluded}"
        if weight.is_graph_output() or 0 in shape:
            return "its weight leaves the graph, or is empty"
        if (rank != 2) if node.op_type != "Conv" else (rank < 3):
            return "its weight is no matrix"
        if any(not is_op(other, node.op_type) or index != 1 or _turned(other) != _turned(node)
               for other, index in weight.uses()):  # fmt: skip
            return "another node reads its weight in another form"
        if node.op_type == "Conv" and shape[1] == 1:
            return "it reads one channel for each it writes"
        channels = shape[1] if node.op_type == "Conv" or _turned(node) else shape[0]
        return f"it sums up {channels} channels, no multiple of {of}" if of and channels % of else None

    def _gram(self, model: ir.Model, weight: ir.Value, matrix: np.ndarray) -> np.ndarray | None:
        columns = matrix.shape[-1]
        if columns > self.max_columns:
            found: np.ndarray | str | None = f"multiplies {columns} columns, more than {self.max_columns}"
        else:
            found = gram_of(model, weight, columns)
        if isinstance(found, np.ndarray):
            return found
        for node, _ in weight.uses():
            remark(node, f"{found or 'was not observed'}: its weight is pruned by magnitude")
        return None


def _order(node: ir.Node, matrix: np.ndarray) -> np.ndarray:
    """Columns in the order N of M are counted in: of a Conv channels next to each other, tap by tap."""
    columns = np.arange(matrix.shape[-1])
    weight = node.inputs[1]
    assert weight is not None
    return columns.reshape(_shape(weight)[1], -1).T.reshape(-1) if node.op_type == "Conv" else columns


def _turned(node: ir.Node) -> bool:
    return node.op_type == "Gemm" and bool(node.attributes.get_int("transB", 0))


def _shape(weight: ir.Value) -> tuple[int, ...]:
    assert weight.shape is not None
    return tuple(weight.shape.numpy())


def _store(graph: ir.Graph, weight: ir.Value, array: np.ndarray, taken: set[str]) -> None:
    """Let a weight be this array for all that read it."""
    keeper, name = outside().keeper, str(weight.name)
    if weight.producer() is None:
        weight.const_value = ir.Tensor(array, name=name) if keeper is None else keeper.put(array).tensor(name)
    else:
        rewire(tuple(weight.uses()), add_initializer(graph, fresh_name(f"{name}_pruned", taken), array))
