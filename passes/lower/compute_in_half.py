"""f(x) -> Cast(f(half x), float32): what ships computes in float16, its inputs and outputs stay float32.

Each node is rewritten by itself; a Cast to float32 that nobody reads in the end goes, so Casts remain where float16
begins and ends.

Stays float32, with a reason:

1. Operators whose ONNX definition takes no float16 there, or makes floats of something else (Cast, Range, random
   numbers).
2. Operators whose results leave float16's range for ordinary operands (`WIDE`), and what computes with nothing but such
   results: the mean of squares of a normalization, the shares of a Softmax written out.
3. Nodes with a constant that float16 cannot hold, and those `FindBeyondHalf` saw with larger numbers on samples.
4. Q/DQ, the bodies of If, Loop and Scan, and what the user excludes.

float16 keeps 11 bits and reaches 65504 (IEEE 754-2019). Scope: the main graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op, opset_of, skip, value_names
from ..scope import made_from, out_of_scope
from .beyond_half import beyond_half

__all__ = ["WIDE", "ComputeInHalf"]

WIDE = frozenset(
    f"{name}"
    for name in (
        *("CumSum", "Exp", "Pow", "Reciprocal"),
        *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceProd", "ReduceSum", "ReduceSumSquare"),
    )
)
_LEFT = frozenset(("Cast", "CastLike", "DequantizeLinear", "DynamicQuantizeLinear", "Identity", "QuantizeLinear"))
_LIMITS = np.finfo(np.float16)


@dataclass(frozen=True, kw_only=True)
class ComputeInHalf(Pass):
    """Compute in float16 where float16 can hold it.

    Attributes:
        exclude_nodes: Regular expressions over node names that stay float32.
        exclude_ops: Operator types that stay float32.
        only_ops: When not empty, the only operator types that compute in float16.
        float_nodes: Names of nodes that stay float32.
    """

    exclude_nodes: tuple[str, ...] = ()
    exclude_ops: tuple[str, ...] = ()
    only_ops: tuple[str, ...] = ()
    float_nodes: tuple[str, ...] = ()

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph, halves, wide = model.graph, _Halves(model), set[ir.Value]()
        done = False
        for node in tuple(graph):
            operands = _half_operands(node, opset_of(model))
            if isinstance(operands, str):
                if operands:
                    skip(node, operands)
                continue
            if node.op_type in WIDE or _computes_with(node, operands, wide):
                skip(node, "can leave float16's range")
                wide.update(node.outputs)
                continue
            reason = self._excluded(node) or beyond_half(node) or _unfit(node, operands)
            if reason is not None:
                skip(node, reason)
                continue
            halves.rewrite(graph, node, operands)
            done = True
        halves.drop_unread(graph)
        return ir.passes.PassResult(model, modified=done)

    def _excluded(self, node: ir.Node) -> str | None:
        scope = {"exclude_nodes": self.exclude_nodes, "exclude_ops": self.exclude_ops, "only_ops": self.only_ops}
        if node.name in self.float_nodes:
            return "was measured to be better off in float"
        return out_of_scope(node, **scope)


class _Halves:
    """The float16 twins of a model's values.

    Args:
        model: Whose names are taken.
    """

    def __init__(self, model: ir.Model) -> None:
        self._taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
        self._twins: dict[ir.Value, ir.Value] = {}
        self._casts: set[ir.Node] = set()  # back to float32

    def rewrite(self, graph: ir.Graph, node: ir.Node, operands: tuple[int, ...]) -> None:
        """Let a node compute in float16, its float results cast back for whoever wants them."""
        before: list[ir.Node] = []
        inputs = list(node.inputs)
        for index in operands:
            value = inputs[index]
            assert value is not None
            inputs[index] = self._twin(graph, value, before)
        new = ir.node(
            node.op_type,
            inputs,
            node.attributes,
            domain=node.domain,
            num_outputs=len(node.outputs),
            name=node.name,
        )
        made_from(new, node)
        new.metadata_props.update(node.metadata_props)
        after, replaced = [new], []
        for old, made in zip(node.outputs, new.outputs, strict=True):
            made.type, made.shape = old.type, old.shape
            replaced.append(made)
            if old.dtype == ir.DataType.FLOAT:
                made.type = ir.TensorType(ir.DataType.FLOAT16)
                made.name = fresh_name(f"{old.name}_half", self._taken)
                cast = self._cast(made, ir.DataType.FLOAT, f"{old.name}_Cast")
                after.append(cast)
                self._casts.add(cast)
                replaced[-1] = cast.outputs[0]
                self._twins[cast.outputs[0]] = made
        ir.convenience.replace_nodes_and_values(graph, node, [node], [*before, *after], node.outputs, replaced)

    def drop_unread(self, graph: ir.Graph) -> None:
        """Remove the Casts to float32 that nobody reads."""
        for value in self._twins:
            cast = value.producer()
            if cast in self._casts and not value.uses() and not value.is_graph_output():
                assert cast is not None
                graph.remove(cast, safe=True)

    def _twin(self, graph: ir.Graph, value: ir.Value, before: list[ir.Node]) -> ir.Value:
        if value not in self._twins:
            array = constant_array(value)
            name = fresh_name(f"{value.name}_half", self._taken)
            if array is not None:
                twin = add_initializer(graph, name, array.astype(np.float16))
            else:
                cast = self._cast(value, ir.DataType.FLOAT16, f"{value.name}_Cast")
                before.append(cast)
                twin = cast.outputs[0]
                twin.name = name
            self._twins[value] = twin
        return self._twins[value]

    def _cast(self, value: ir.Value, dtype: ir.DataType, name: str) -> ir.Node:
        cast = ir.node("Cast", [value], {"to": dtype.value}, name=fresh_name(name, self._taken))
        cast.outputs[0].type, cast.outputs[0].shape = ir.TensorType(dtype), value.shape
        return cast


def _half_operands(node: ir.Node, opset: int) -> tuple[int, ...] | str:
    """The float32 inputs a node can take in float16; why it stays as it is, or "" where there is nothing to say."""
    floats = [k for k, value in enumerate(node.inputs) if value is not None and value.dtype == ir.DataType.FLOAT]
    if not floats or is_op(node, *_LEFT):
        return ""
    if any(value is not None and value.dtype is None for value in (*node.inputs, *node.outputs)):
        return "has operands of no known type"
    if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type, opset, ""):
        return "is no ONNX operator"
    if any(
        attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for attribute in node.attributes.values()
    ):
        return "has bodies, which stay float32"
    schema = onnx.defs.get_schema(node.op_type, opset, "")
    allowed = {each.type_param_str: each.allowed_type_strs for each in schema.type_constraints}
    kinds = {k: schema.inputs[min(k, len(schema.inputs) - 1)].type_str for k in floats}
    if any(kind in allowed and "tensor(float16)" not in allowed[kind] for kind in kinds.values()):
        return "takes no float16"
    halved = tuple(k for k, kind in kinds.items() if kind in allowed)
    for k, value in enumerate(node.outputs):
        kind = schema.outputs[min(k, len(schema.outputs) - 1)].type_str
        unread = not value.uses() and not value.is_graph_output()
        if value.dtype == ir.DataType.FLOAT and not unread and kind not in {kinds[k] for k in halved}:
            return "makes float32 of something else"
    return halved or "takes no float16"


def _computes_with(node: ir.Node, operands: tuple[int, ...], wide: set[ir.Value]) -> bool:
    """Whether all a node computes with, constants aside, is among these results."""
    values = [node.inputs[k] for k in operands]
    read = [value for value in values if value is not None and constant_array(value) is None]
    return bool(read) and all(value in wide for value in read)


def _unfit(node: ir.Node, operands: tuple[int, ...]) -> str | None:
    """Why float16 cannot hold a node's constants, or None."""
    for value in (node.inputs[k] for k in operands):
        array = constant_array(value)
        if value is None or array is None:
            continue
        largest = float(np.abs(array).max(initial=0.0))
        if largest > float(_LIMITS.max):
            return f"its constant {value.name!r} reaches {largest:.6g}, beyond float16"
        if 0.0 < largest < float(_LIMITS.smallest_normal):
            return f"its constant {value.name!r} reaches {largest:.6g} only, where float16 has no precision left"
    return None
