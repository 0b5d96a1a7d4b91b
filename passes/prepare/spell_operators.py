"""f(x) -> the same of smaller operators, for a provider that has those and not f.

================== ==================================== =====
operator           becomes                              exact
================== ==================================== =====
Neg(x)             Mul(x, -1)                           yes
Abs(x)             Max(x, Mul(x, -1))                   yes
Min(a, b, ...)     -Max(-a, -b, ...)                    yes
HardSwish(x)       Mul(x, HardSigmoid(x; 1/6, 1/2))     as ONNX defines it
Swish(x; a)        Mul(x, Sigmoid(Mul(x, a)))           as ONNX defines it
ReduceL2(x)        Sqrt(ReduceSum(Mul(x, x)))           as ONNX defines it
ReduceSumSquare(x) ReduceSum(Mul(x, x))                 as ONNX defines it
Softsign(x)        Div(x, 1 + |x|)                      as ONNX defines it
================== ==================================== =====

Scope: float values of the main graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, fresh_name, is_op, opset_of, value_names
from ..scope import made_from

__all__ = ["SPELLINGS", "SpellOperators"]


@dataclass(frozen=True, kw_only=True)
class SpellOperators(Pass):
    """Write operators as others compute them.

    Attributes:
        ops: Operators to write so, of `SPELLINGS`.
    """

    ops: tuple[str, ...]

    def __post_init__(self) -> None:
        for op in self.ops:
            if op not in SPELLINGS:
                raise ValueError(f"ops: {op!r} is not one of {', '.join(SPELLINGS)}")

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        pen = _Pen(model)
        done = [node for node in tuple(model.graph) if is_op(node, *self.ops) and pen.try_spell(node)]
        return ir.passes.PassResult(model, modified=bool(done))


class _Pen:
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

    def try_spell(self, node: ir.Node) -> bool:
        """Spell a node out; False where its type is not known to be floating."""
        if len(node.outputs) != 1 or node.outputs[0].dtype is None or not node.outputs[0].dtype.is_floating_point():
            return False
        operands = [value for value in node.inputs if value is not None]
        self._node, self._written = node, []
        result = SPELLINGS[node.op_type](self, operands)
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


# ReduceSum takes its axes as an input from here on, its siblings from 18 on.
_SUM_READS_AXES = 13


def _neg(pen: _Pen, operands: list[ir.Value]) -> ir.Value:
    return pen.minus(operands[0])


def _abs(pen: _Pen, operands: list[ir.Value]) -> ir.Value:
    return pen.write("Max", operands[0], pen.minus(operands[0]))


def _min(pen: _Pen, operands: list[ir.Value]) -> ir.Value:
    return pen.minus(pen.write("Max", *(pen.minus(value) for value in operands), like=pen.node.outputs[0]))


def _hard_swish(pen: _Pen, operands: list[ir.Value]) -> ir.Value:
    return pen.write("Mul", operands[0], pen.write("HardSigmoid", operands[0], alpha=1.0 / 6.0, beta=0.5))


def _swish(pen: _Pen, operands: list[ir.Value]) -> ir.Value:
    alpha = pen.node.attributes.get_float("alpha", 1.0)
    inner = operands[0] if alpha == 1.0 else pen.write("Mul", operands[0], pen.number(alpha))
    return pen.write("Mul", operands[0], pen.write("Sigmoid", inner))


def _sum_of_squares(pen: _Pen, operands: list[ir.Value]) -> ir.Value:
    return pen.total(pen.write("Mul", operands[0], operands[0]))


def _l2(pen: _Pen, operands: list[ir.Value]) -> ir.Value:
    return pen.write("Sqrt", _sum_of_squares(pen, operands))


def _softsign(pen: _Pen, operands: list[ir.Value]) -> ir.Value:
    return pen.write("Div", operands[0], pen.write("Add", _abs(pen, operands), pen.number(1.0)))


SPELLINGS: Mapping[str, Callable[[_Pen, list[ir.Value]], ir.Value]] = {
    "Abs": _abs,
    "HardSwish": _hard_swish,
    "Min": _min,
    "Neg": _neg,
    "ReduceL2": _l2,
    "ReduceSumSquare": _sum_of_squares,
    "Softsign": _softsign,
    "Swish": _swish,
}
