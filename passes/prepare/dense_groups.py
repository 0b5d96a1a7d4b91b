"""Conv<group = g>(x, W) -> Conv(x, D), with W's groups along the diagonal of D and zeros elsewhere. Exact.

ONNX Runtime's int8 Conv multiplies one group after the other and has fast kernels for channels in fours and filters in
sixteens alone; of few filters each it is slower than float, though all groups at once, zeros included, are faster.
Microseconds with one thread, Zen 4, 1.31.1, 2026-11-21 (`tests/benchmarks/groups.py`):

================================== ===== ============ ==========
convolution                        float int8, groups int8, dense
================================== ===== ============ ==========
10 x 5 -> 10 x 1, 3x3, 128 x 128     867         5540        502
16 x 2 -> 16 x 3, 3x3, 64 x 64       269         2421        162
16 x 1 -> 16 x 2, 3x3, 128 x 128     466         8432        288
4 x 8 -> 4 x 8, 1x1, 16 x 16           5            9          4
================================== ===== ============ ==========

A depthwise Conv of one filter per channel has a kernel of its own and stays. So does one whose channels are joined in
more groups than the zeros are cheaper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op, skip, value_names

__all__ = ["DenseGroups"]


@dataclass(frozen=True, kw_only=True)
class DenseGroups(Pass):
    """Write grouped convolutions of few filters each as one.

    Attributes:
        most: Groups up to which zeros are cheaper.
        filters: Filters per group from which on groups have fast kernels themselves.
    """

    most: int
    filters: int

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph)
        found = [node for node in model.graph if is_op(node, "Conv")]
        done = [node for node in found if self._try_rewrite(model.graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_rewrite(self, graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
        groups, old = node.attributes.get_int("group", 1), node.inputs[1]
        w = constant_array(old)
        if groups == 1 or w is None or w.dtype != np.float32 or w.ndim < 3 or w.shape[:2] == (groups, 1):
            return False
        each = w.shape[0] // groups
        if each >= self.filters:
            return False
        if groups > self.most:
            skip(node, f"has {groups} groups; zeros in their place are faster up to {self.most}")
            return False
        assert old is not None
        dense = np.zeros((w.shape[0], w.shape[1] * groups, *w.shape[2:]), np.float32)
        for group in range(groups):
            rows, columns = slice(group * each, (group + 1) * each), slice(group * w.shape[1], (group + 1) * w.shape[1])
            dense[rows, columns] = w[rows]
        node.replace_input_with(1, add_initializer(graph, fresh_name(f"{old.name}_dense", taken), dense))
        node.attributes["group"] = ir.AttrInt64("group", 1)
        return True
