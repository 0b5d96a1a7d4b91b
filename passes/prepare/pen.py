"""Nodes in the place of one, for passes that spell operators out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from ..edit import add_initializer, fresh_name, opset_of, value_names
from ..scope import made_from

__all__ = ["Pen", "Spelling"]

# ReduceSum takes its axes as an input from here on, its siblings from there on.
_SUM_READS_AXES = 13
_READS_AXES = 18


class Pen:
    """Writes nodes in the place of one.

    Args:
        model: Whose names are taken.
    """

    def __init__(self, model: ir.Model) -> None:
        self._graph = model.graph
        self._opset = opset_of(model)
        self._taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
        self._numbers: dict[tuple[str, float], ir.Value] = {}
        self._node: ir.Node
        self._written: list[ir.Node]

    def try_spell(self, node: ir.Node, spelling: Spelling) -> bool:
        """Spell a node out; False where its type is not known to be floating, or the spelling says None."""
        if len(node.outputs) != 1 or node.outputs[0].dtype is None or not node.outputs[0].dtype.is_floating_point():
            return False
        operands = [value for value in node.inputs if value is not None]
        self._node, self._written = node, []
        result = spelling(self, operands)
        if result is None:
            return False
        old = node.outputs[0]
        result.type, result.shape = old.type, old.shape
        ir.convenience.replace_nodes_and_values(self._graph, node, [node], self._written, [old], [result])
        return True

    @property
    def node(self) -> ir.Node:
        """The node that is spelled out."""
        return self._node

    def write(
        self, op: str, *operands: ir.Value | None, like: ir.Value | None = None, **attributes: object
    ) -> ir.Value:
        """One more node; its result has the type and shape of `like`, or of its first operand."""
        made = ir.node(op, operands, attributes, name=fresh_name(f"{self._node.name}_{op}", self._taken))  # type: ignore[arg-type]
        made_from(made, self._node)
        self._written.append(made)
        value, model = made.outputs[0], like or operands[0]
        assert model is not None
        value.name = fresh_name(f"{made.name}_Output", self._taken)
        value.type, value.shape = model.type, model.shape
        return value

    def number(self, number: float) -> ir.Value:
        """A constant of the node's type, made once."""
        dtype = self._node.outputs[0].dtype
        assert dtype is not None
        key = (dtype.name, number)
        if key not in self._numbers:
            name = fresh_name(f"{self._node.name}_{number:g}", self._taken)
            self._numbers[key] = add_initializer(self._graph, name, np.asarray(number, dtype.numpy()))
        return self._numbers[key]

    def minus(self, value: ir.Value) -> ir.Value:
        """Its negative."""
        return self.write("Mul", value, self.number(-1.0))

    def mean(self, value: ir.Value, axes: Sequence[int], *, keepdims: bool = True) -> ir.Value:
        """The mean over axes, as the operator set writes a ReduceMean."""
        rank = None if value.shape is None else len(value.shape)
        inside = [axis + rank if axis < 0 else axis for axis in axes] if rank is not None else []
        if self._opset < _READS_AXES:
            result = self.write("ReduceMean", value, axes=list(axes), keepdims=int(keepdims))
        else:
            name = fresh_name(f"{self._node.name}_axes", self._taken)
            given = add_initializer(self._graph, name, np.asarray(axes, np.int64))
            result = self.write("ReduceMean", value, given, keepdims=int(keepdims))
        dims = [] if value.shape is None else [1 if axis in inside else dim for axis, dim in enumerate(value.shape)]
        kept = [dim for axis, dim in enumerate(dims) if keepdims or axis not in inside]
        result.shape = None if rank is None else ir.Shape(kept)
        return result

    def total(self, value: ir.Value) -> ir.Value:
        """The sum over the axes the node reduces, as its operator set writes a ReduceSum."""
        node = self._node
        kept = {"keepdims": node.attributes.get_int("keepdims", 1)}
        axes: ir.Value | None = node.inputs[1] if len(node.inputs) > 1 else None
        if "noop_with_empty_axes" in node.attributes:
            kept["noop_with_empty_axes"] = node.attributes.get_int("noop_with_empty_axes", 0)
        written = node.attributes.get_ints("axes", None)
        if written is not None and self._opset >= _SUM_READS_AXES:
            name = fresh_name(f"{node.name}_axes", self._taken)
            axes = add_initializer(self._graph, name, np.asarray(written, np.int64))
        elif written is not None:
            return self.write("ReduceSum", value, like=node.outputs[0], **kept, axes=list(written))
        operands = (value,) if axes is None else (value, axes)
        return self.write("ReduceSum", *operands, like=node.outputs[0], **kept)


# Writes a node whose inputs are given, and returns its result; None, before it writes any, where it cannot.
Spelling: TypeAlias = Callable[[Pen, list[ir.Value]], ir.Value | None]
