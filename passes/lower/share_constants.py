"""One initializer for all equal constants. Exact.

Zero points of 0, bounds of Slices, axes: a small quantized model holds the same few bytes dozens of times, each with
its name. Weights are not compared, as that would read all of them.

Scope: the main graph, constants up to `largest` bytes that nobody outside can see or replace.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass

__all__ = ["ShareConstants"]


@dataclass(frozen=True, kw_only=True)
class ShareConstants(Pass):
    """Let readers of equal constants read the first of them.

    Attributes:
        largest: Most bytes of a constant that is compared.
    """

    largest: int = 1 << 12

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        first: dict[tuple[object, ...], ir.Value] = {}
        modified = False
        for name, value in tuple(model.graph.initializers.items()):
            tensor = value.const_value
            if tensor is None or tensor.nbytes > self.largest or tensor.dtype == ir.DataType.STRING:
                continue
            if value.is_graph_input() or value.is_graph_output():
                continue
            kept = first.setdefault((tensor.dtype, tuple(tensor.shape), tensor.tobytes()), value)
            if kept is not value:
                value.replace_all_uses_with(kept)
                del model.graph.initializers[name]
                modified = True
        return ir.passes.PassResult(model, modified=modified)
