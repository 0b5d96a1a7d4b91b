"""y = x W -> y = x W + x A B, A and B inputs of the graph that have defaults of rank 0. Exact without an adapter.

A (K, 0) and B (0, N) make a product of zeros, so the model runs as before; an adapter feeds others in their stead
(ONNX Runtime, `RunOptions.add_active_adapter`). Behind a bias, so that product and bias still become one kernel.
Attached before anything else is done: a rewrite that scales or rotates x sees that A reads it, too.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from ...errors import ModelError
from ...passes.edit import fresh_name, insert_after, is_constant, is_op, rewire, sole_consumer, value_names
from .linears import Linear

__all__ = ["NODES", "attach", "input_names"]

# The nodes added, as a regular expression over names: they stay float, since nobody observed an adapter.
NODES = r"_lora_(A|B|Add)(_\d+)?$"


def input_names(linear: Linear) -> tuple[str, str]:
    """What the graph calls the factors of a linear."""
    return f"{linear.name}.lora_A", f"{linear.name}.lora_B"


def attach(graph: ir.Graph, linears: Iterable[Linear]) -> None:
    """Let linears add x A B; the graph is edited.

    Raises:
        ModelError: A linear computes in a type that is not floating-point, or its names are taken.
    """
    taken = value_names(graph) | {node.name for node in graph if node.name}
    for linear in linears:
        dtype = linear.nodes[0].inputs[0].dtype if linear.nodes[0].inputs[0] is not None else None
        if dtype is None or not dtype.is_floating_point():
            raise ModelError(
                f"node {linear.names[-1]!r}",
                f"takes {'values of unknown type' if dtype is None else dtype.name}, an adapter needs floating point",
                remedy="Leave its module out of the adapter",
            )
        a_name, b_name = input_names(linear)
        if {a_name, b_name} & taken:
            raise ModelError(
                f"linear {linear.name!r}", f"has a neighbour called {a_name!r}", remedy="Rename that value"
            )
        taken |= {a_name, b_name}
        rank = ir.SymbolicDim(f"{linear.name}.rank")
        a = _input(graph, a_name, dtype, (linear.rows, 0), ir.Shape([linear.rows, rank]))
        b = _input(graph, b_name, dtype, (0, linear.columns), ir.Shape([rank, linear.columns]))
        for node in linear.nodes:
            _add(graph, node, a, b, taken)


def _input(graph: ir.Graph, name: str, dtype: ir.DataType, empty: tuple[int, int], shape: ir.Shape) -> ir.Value:
    tensor = ir.Tensor(np.zeros(empty, dtype.numpy()), dtype=dtype, name=name)
    value = ir.Value(name=name, shape=shape, type=ir.TensorType(dtype), const_value=tensor)
    graph.inputs.append(value)
    graph.register_initializer(value)
    return value


def _add(graph: ir.Graph, node: ir.Node, a: ir.Value, b: ir.Value, taken: set[str]) -> None:
    x, y = node.inputs[0], _behind_bias(node)
    assert x is not None
    assert a.shape is not None
    stem, uses = str(node.name), tuple(y.uses())
    down = ir.node("MatMul", [x, a], name=fresh_name(f"{stem}_lora_A", taken))
    up = ir.node("MatMul", [down.outputs[0], b], name=fresh_name(f"{stem}_lora_B", taken))
    add = ir.node("Add", [y, up.outputs[0]], name=fresh_name(f"{stem}_lora_Add", taken))
    leading = None if x.shape is None else list(x.shape)[:-1]
    for each, shape in ((down, None if leading is None else ir.Shape([*leading, a.shape[1]])), (up, y.shape)):
        each.outputs[0].name = fresh_name(f"{each.name}_output", taken)
        each.outputs[0].type, each.outputs[0].shape = x.type, shape
    result = add.outputs[0]
    result.type, result.shape = y.type, y.shape
    if y.is_graph_output():
        result.name, y.name = y.name, fresh_name(f"{y.name}_base", taken)
        for index, output in enumerate(graph.outputs):
            if output is y:
                graph.outputs[index] = result
    else:
        result.name = fresh_name(f"{add.name}_output", taken)
    insert_after(graph, y, [down, up, add])
    rewire(uses, result)


def _behind_bias(node: ir.Node) -> ir.Value:
    """The product, or product and bias where nothing else reads the product."""
    y = node.outputs[0]
    reader = sole_consumer(y)
    if not is_op(reader, "Add") or reader is None:
        return y
    other = reader.inputs[1] if reader.inputs[0] is y else reader.inputs[0]
    is_bias = is_constant(other) and other is not None and other.shape is not None and len(other.shape) == 1
    return reader.outputs[0] if is_bias else y
