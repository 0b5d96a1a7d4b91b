"""Constants stored in a narrower type behind a Cast: which ones may be, and the edit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from ..edit import add_initializer, fresh_name, insert_after, is_overridable, rewire, value_names

__all__ = ["constants_of", "every_name", "saved_bytes", "store_as"]

# One node, and five times the constant's name.
_OVERHEAD, _NAMES = 70, 5
_QUANTIZED = {"DequantizeLinear", "QuantizeLinear"}


def every_name(model: ir.Model) -> set[str]:
    """Names of values and nodes, bodies included."""
    nodes = ir.traversal.RecursiveGraphIterator(model.graph)
    return value_names(model.graph) | {node.name for node in nodes if node.name}


def constants_of(model: ir.Model, *dtypes: ir.DataType) -> Iterator[tuple[ir.Graph, ir.Value]]:
    """Initializers of these types, bodies included, that are constant for good, read, and no output.

    What a DequantizeLinear reads is stored as it should be.
    """
    for graph in (model.graph, *model.graph.subgraphs()):
        for value in tuple(graph.initializers.values()):
            if value.const_value is None or value.const_value.dtype not in dtypes:
                continue
            readers = {node.op_type for node, _ in value.uses()}
            if not readers or readers & _QUANTIZED or is_overridable(value) or value.is_graph_output():
                continue
            yield graph, value


def saved_bytes(value: ir.Value, narrow: int) -> int:
    """Bytes a file loses when `value` is stored in `narrow` bytes behind a Cast."""
    assert value.const_value is not None
    return value.const_value.nbytes - narrow - _OVERHEAD - _NAMES * len(value.name or "")


def store_as(graph: ir.Graph, value: ir.Value, narrow: np.ndarray, taken: set[str]) -> None:
    """Let every reader of an initializer read Cast(narrow), in the type it had."""
    assert value.const_value is not None
    dtype, shape, uses = value.const_value.dtype, ir.Shape(narrow.shape), tuple(value.uses())
    codes = add_initializer(graph, fresh_name(f"{value.name}_{narrow.dtype.name}", taken), narrow)
    cast = ir.node("Cast", [codes], {"to": dtype.value}, name=fresh_name(f"{value.name}_Cast", taken))
    wide = cast.outputs[0]
    wide.name = fresh_name(f"{value.name}_expanded", taken)
    wide.type, wide.shape = ir.TensorType(dtype), shape
    insert_after(graph, codes, [cast])
    rewire(uses, wide)
    del graph.initializers[str(value.name)]
