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

from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import is_op
from .pen import Pen, Spelling

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
        pen = Pen(model)
        done = [
            node
            for node in tuple(model.graph)
            if is_op(node, *self.ops) and pen.try_spell(node, SPELLINGS[node.op_type])
        ]
        return ir.passes.PassResult(model, modified=bool(done))


def _neg(pen: Pen, operands: list[ir.Value]) -> ir.Value:
    return pen.minus(operands[0])


def _abs(pen: Pen, operands: list[ir.Value]) -> ir.Value:
    return pen.write("Max", operands[0], pen.minus(operands[0]))


def _min(pen: Pen, operands: list[ir.Value]) -> ir.Value:
    return pen.minus(pen.write("Max", *(pen.minus(value) for value in operands), like=pen.node.outputs[0]))


def _hard_swish(pen: Pen, operands: list[ir.Value]) -> ir.Value:
    return pen.write("Mul", operands[0], pen.write("HardSigmoid", operands[0], alpha=1.0 / 6.0, beta=0.5))


def _swish(pen: Pen, operands: list[ir.Value]) -> ir.Value:
    alpha = pen.node.attributes.get_float("alpha", 1.0)
    inner = operands[0] if alpha == 1.0 else pen.write("Mul", operands[0], pen.number(alpha))
    return pen.write("Mul", operands[0], pen.write("Sigmoid", inner))


def _sum_of_squares(pen: Pen, operands: list[ir.Value]) -> ir.Value:
    return pen.total(pen.write("Mul", operands[0], operands[0]))


def _l2(pen: Pen, operands: list[ir.Value]) -> ir.Value:
    return pen.write("Sqrt", _sum_of_squares(pen, operands))


def _softsign(pen: Pen, operands: list[ir.Value]) -> ir.Value:
    return pen.write("Div", operands[0], pen.write("Add", _abs(pen, operands), pen.number(1.0)))


SPELLINGS: Mapping[str, Spelling] = {
    "Abs": _abs,
    "HardSwish": _hard_swish,
    "Min": _min,
    "Neg": _neg,
    "ReduceL2": _l2,
    "ReduceSumSquare": _sum_of_squares,
    "Softsign": _softsign,
    "Swish": _swish,
}
