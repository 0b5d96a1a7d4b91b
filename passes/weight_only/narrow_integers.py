"""I -> Cast(narrow I): integer constants (indices, tables) in the narrowest type that holds them. Exact.

Exporters write every index as int64. ONNX Runtime folds the Cast at load, so nothing changes at run time.
Scope: the main graph and bodies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, insert_after, is_overridable, rewire, value_names

__all__ = ["NarrowIntegers"]

_WIDE = (ir.DataType.INT64, ir.DataType.INT32)
_NARROW = (np.int8, np.uint8, np.int16, np.uint16, np.int32)
# One node, and five times the constant's name.
_OVERHEAD, _NAMES = 70, 5


@dataclass(frozen=True, kw_only=True)
class NarrowIntegers(Pass):
    """Store int64 and int32 constants in fewer bits, widened when the model is loaded.

    Attributes:
        minimum: Fewest bytes a constant must save, what it costs in nodes and names counted.
    """

    minimum: int = 256

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph)
        taken.update(node.name for node in ir.traversal.RecursiveGraphIterator(model.graph) if node.name)
        graphs = (model.graph, *model.graph.subgraphs())
        found = [(graph, value) for graph in graphs for value in graph.initializers.values()]
        done = [value for graph, value in found if self._try_narrow(graph, value, taken)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_narrow(self, graph: ir.Graph, value: ir.Value, taken: set[str]) -> bool:
        tensor, uses = value.const_value, tuple(value.uses())
        if tensor is None or tensor.dtype not in _WIDE or is_overridable(value) or value.is_graph_output() or not uses:
            return False
        # What a quantized kernel reads (an int32 bias) is part of its pattern.
        if any(reader.op_type == "DequantizeLinear" for reader, _ in uses):
            return False
        if tensor.nbytes < self.minimum:
            return False
        x = constant_array(value)
        assert x is not None
        narrow = _narrowest(x)
        if x.nbytes - narrow.nbytes - _OVERHEAD - _NAMES * len(value.name or "") < self.minimum:
            return False
        codes = add_initializer(graph, fresh_name(f"{value.name}_narrow", taken), narrow)
        cast = ir.node("Cast", [codes], {"to": tensor.dtype.value}, name=fresh_name(f"{value.name}_Cast", taken))
        wide = cast.outputs[0]
        wide.name = fresh_name(f"{value.name}_wide", taken)
        wide.type, wide.shape = ir.TensorType(tensor.dtype), ir.Shape(x.shape)
        insert_after(graph, codes, [cast])
        rewire(uses, wide)
        del graph.initializers[str(value.name)]
        return True


def _narrowest(x: np.ndarray) -> np.ndarray:
    """The same integers in the first type that holds them all, or as they are."""
    low, high = x.min(), x.max()
    for kind in _NARROW:
        limits = np.iinfo(kind)
        if np.dtype(kind).itemsize < x.itemsize and limits.min <= low and high <= limits.max:
            return x.astype(kind)
    return x
