"""What a graph carries from node to node: a value and the Q/DQ pair behind it are one thing under one name.

Names are read as quantizers write them, ours and ONNX Runtime's:

=============================== =================================================
`X`                             the value
`X_QuantizeLinear_Output`       its integers
`X_DequantizeLinear_Output`     what readers see of it
`X_QuantizeLinear_Input`        ONNX Runtime: the float side of a graph output X
`X_float`                       ours: the same
=============================== =================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...passes.edit import constant_array, is_constant
from ...passes.spec import INTEGER_TYPES

__all__ = ["Carried", "Window", "carried_values", "constant_values"]

_INSIDE = ("_DequantizeLinear_Output", "_QuantizeLinear_Output", "_QuantizeLinear_Input")
_PUBLIC = ("_float", "_QuantizeLinear_Input")
_FLOATS = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE, ir.DataType.BFLOAT16)
_QUANTIZE = ("QuantizeLinear",)
_DEQUANTIZE = ("DequantizeLinear",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """The real values a quantized tensor can hold: those outside are clipped. Scalars."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Carried:
    """One value of a graph as its readers see it.

    Attributes:
        names: What it may be called in another form of the model, the surest first.
        value: The float value before any Q; None where integers were computed directly.
        read: What readers see: behind Q/DQ where there is a pair, else `value`.
        producer: The node that computes it; None for a graph input.
        depth: Position of that node in the graph; 0 for inputs.
        window: What its integers can hold; None when it is float, or has a scale per channel.
    """

    names: tuple[str, ...]
    value: ir.Value | None
    read: ir.Value
    producer: ir.Node | None
    depth: int
    window: Window | None = None

    @property
    def op(self) -> str:
        """Operator that computes it; `input` for a graph input."""
        return "input" if self.producer is None else self.producer.op_type


def carried_values(model: ir.Model) -> list[Carried]:
    """The float values of the main graph in graph order, Q/DQ pairs folded into what they carry."""
    graph = model.graph
    constants = constant_values(graph)
    place = {node: index for index, node in enumerate(graph, start=1)}
    found: list[Carried] = []
    for value in _activations(graph, constants):
        producer = value.producer()
        if producer is not None and producer.op_type in (*_QUANTIZE, *_DEQUANTIZE):
            if producer.op_type == "DequantizeLinear" and not _behind_quantize(producer):
                found.append(_computed_in_integers(value, producer, place))
            continue
        if value.dtype not in (*_FLOATS, None):
            continue
        found.append(_float_value(value, producer, place))
    return sorted(found, key=lambda each: each.depth)


def constant_values(graph: ir.Graph) -> set[ir.Value]:
    """Values that no input reaches: initializers, and what is computed of them alone."""
    constants = {value for value in graph.initializers.values() if not value.is_graph_input()}
    for node in graph:
        inputs = [value for value in node.inputs if value is not None]
        if all(value in constants or is_constant(value) for value in inputs) and not _has_bodies(node):
            constants.update(node.outputs)
    return constants


def _activations(graph: ir.Graph, constants: set[ir.Value]) -> Iterator[ir.Value]:
    yield from (value for value in graph.inputs if value not in constants)
    for node in graph:
        yield from (value for value in node.outputs if value.name and value not in constants)


def _float_value(value: ir.Value, producer: ir.Node | None, place: dict[ir.Node, int]) -> Carried:
    pair = _pair_behind(value)
    depth = 0 if producer is None else place[producer]
    if pair is None:
        return Carried(names=(str(value.name),), value=value, read=value, producer=producer, depth=depth)
    quantize, seen = pair
    names = [_stripped(str(seen.name))]
    if seen.is_graph_output():
        names.insert(0, str(seen.name))
    own = str(value.name)
    bare = next((own.removesuffix(s) for s in _PUBLIC if own.endswith(s) and own.removesuffix(s) in names), own)
    names += [name for name in (_stripped(str(quantize.outputs[0].name)), bare) if name not in names]
    return Carried(
        names=tuple(dict.fromkeys(names)),
        value=value,
        read=seen,
        producer=producer,
        depth=depth,
        window=_window(quantize),
    )


def _computed_in_integers(value: ir.Value, dequantize: ir.Node, place: dict[ir.Node, int]) -> Carried:
    """A DequantizeLinear whose integers come from an integer kernel in the graph (Pad, QLinearConv, ...)."""
    integers = dequantize.inputs[0]
    producer = None if integers is None else integers.producer()
    return Carried(
        names=(_stripped(str(value.name)),),
        value=None,
        read=value,
        producer=producer,
        depth=place[dequantize if producer is None else producer],
        window=_window(dequantize),
    )


def _pair_behind(value: ir.Value) -> tuple[ir.Node, ir.Value] | None:
    """The QuantizeLinear that reads a value, and the output of a DequantizeLinear behind it."""
    for node, index in value.uses():
        if node.op_type not in _QUANTIZE or index != 0:
            continue
        for reader, position in node.outputs[0].uses():
            if reader.op_type in _DEQUANTIZE and position == 0:
                return node, reader.outputs[0]
    return None


def _behind_quantize(node: ir.Node) -> bool:
    producer = None if node.inputs[0] is None else node.inputs[0].producer()
    return producer is not None and producer.op_type in _QUANTIZE


def _window(node: ir.Node) -> Window | None:
    scale, zero = constant_array(node.inputs[1]), constant_array(node.inputs[2] if len(node.inputs) > 2 else None)
    if scale is None or scale.size != 1:
        return None
    dtype = "uint8" if zero is None else zero.dtype.name
    if dtype not in INTEGER_TYPES:
        return None
    low, high, _, _ = INTEGER_TYPES[dtype]
    step, offset = float(scale.reshape(())), 0.0 if zero is None else float(zero.astype(np.float32).reshape(()))
    # Half a step beyond the last code still rounds to it.
    return Window(low=(low - offset - 0.5) * step, high=(high - offset + 0.5) * step)


def _stripped(name: str) -> str:
    return next((name.removesuffix(suffix) for suffix in _INSIDE if name.endswith(suffix)), name)


def _has_bodies(node: ir.Node) -> bool:
    return any(a.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for a in node.attributes.values())
