"""f(x) -> the same of operators ONNX Runtime's NNAPI provider has. Exact in real numbers.

=========================== =================================================================
operator                    becomes
=========================== =================================================================
LayerNormalization(x; s, b) d = Sub(x, mean(x)), Mul(Div(d, Sqrt(mean(Mul(d, d)) + epsilon)), s) + b
ReduceSum(x)                Mul(ReduceMean(x), number of summands)
HardSigmoid(x; a, b)        Mul(Clip(Add(Mul(x, 6 a), 6 b), 0, 6), 1/6)
HardSwish(x)                Mul(Mul(x, Clip(Add(x, 3), 0, 6)), 1/6)
Clip(x, a, b)               Min(Max(x, a), b), but for [0, 6] and [-1, 1], which it takes
Pow(x, 2)                   Mul(x, x)
=========================== =================================================================

A normalization written with Pow becomes a LayerNormalization again when a session opens, before providers are asked
(LayerNormFusion, ONNX Runtime 1.31.1), one with Mul does not.

Scope: float values of the main graph; sums over axes of known size; constant bounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import constant_array, constant_scalar, is_op
from .pen import Pen, Spelling

__all__ = ["SMALLER", "SpellSmaller"]


@dataclass(frozen=True, kw_only=True)
class SpellSmaller(Pass):
    """Write operators in those the NNAPI provider has.

    Attributes:
        ops: Operators to write so, of `SMALLER`.
    """

    ops: tuple[str, ...]

    def __post_init__(self) -> None:
        for op in self.ops:
            if op not in SMALLER:
                raise ValueError(f"ops: {op!r} is not one of {', '.join(SMALLER)}")

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        pen = Pen(model)
        nodes = [node for node in model.graph if is_op(node, *self.ops)]
        done = [node for node in nodes if pen.try_spell(node, SMALLER[node.op_type])]
        return ir.passes.PassResult(model, modified=bool(done))


def _layer_norm(pen: Pen, operands: list[ir.Value]) -> ir.Value | None:
    x, scale, *bias = operands
    axis = pen.node.attributes.get_int("axis", -1)
    if x.shape is None:
        return None
    rank = len(x.shape)
    axes = range(axis % rank, rank)
    epsilon = pen.number(pen.node.attributes.get_float("epsilon", 1e-5))
    centred = pen.write("Sub", x, pen.mean(x, axes), like=x)
    variance = pen.mean(pen.write("Mul", centred, centred), axes)
    deviation = pen.write("Sqrt", pen.write("Add", variance, epsilon))
    result = pen.write("Mul", pen.write("Div", centred, deviation), scale)
    return pen.write("Add", result, bias[0]) if bias else result


def _sum(pen: Pen, operands: list[ir.Value]) -> ir.Value | None:
    x, *given = operands
    axes = constant_array(given[0]) if given else pen.node.attributes.get_ints("axes", None)
    if x.shape is None or axes is None or not len(axes):
        return None
    axes = [int(axis) % len(x.shape) for axis in axes]
    sizes = [x.shape[axis] for axis in axes]
    known = [size for size in sizes if isinstance(size, int)]
    if len(known) != len(sizes):
        return None
    mean = pen.mean(x, axes, keepdims=bool(pen.node.attributes.get_int("keepdims", 1)))
    return pen.write("Mul", mean, pen.number(float(math.prod(known))))


def _hard_sigmoid(pen: Pen, operands: list[ir.Value]) -> ir.Value:
    alpha, beta = (pen.node.attributes.get_float(name, default) for name, default in (("alpha", 0.2), ("beta", 0.5)))
    inner = operands[0]
    if not math.isclose(6 * alpha, 1.0, rel_tol=1e-6):
        inner = pen.write("Mul", inner, pen.number(6 * alpha))
    return pen.write("Mul", _to_six(pen, inner, 6 * beta), pen.number(1 / 6))


def _hard_swish(pen: Pen, operands: list[ir.Value]) -> ir.Value:
    product = pen.write("Mul", operands[0], _to_six(pen, operands[0], 3.0))
    return pen.write("Mul", product, pen.number(1 / 6))


def _to_six(pen: Pen, x: ir.Value, more: float) -> ir.Value:
    return pen.write("Clip", pen.write("Add", x, pen.number(more)), pen.number(0.0), pen.number(6.0))


def _clip(pen: Pen, operands: list[ir.Value]) -> ir.Value | None:
    """With its bounds as inputs."""
    node = pen.node
    given = [node.inputs[index] if index < len(node.inputs) else None for index in (1, 2)]
    low, high = (constant_scalar(value) for value in given)
    unknown = any(value is not None and bound is None for value, bound in zip(given, (low, high), strict=True))
    if unknown or "min" in node.attributes or "max" in node.attributes or (low, high) in ((0, 6), (-1, 1)):
        return None
    bounds = [("Max", low), ("Min", high)]
    written = [(op, bound) for op, bound in bounds if bound is not None and abs(bound) < _ENDLESS]
    if written == [("Max", 0)]:
        return pen.write("Relu", operands[0])
    result = None
    for op, bound in written:
        result = pen.write(op, result or operands[0], pen.number(bound))
    return result


_ENDLESS = 3e38


def _square(pen: Pen, operands: list[ir.Value]) -> ir.Value | None:
    x, exponent = operands
    return pen.write("Mul", x, x) if constant_scalar(exponent) == 2 else None


SMALLER: Mapping[str, Spelling] = {
    "Clip": _clip,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "LayerNormalization": _layer_norm,
    "Pow": _square,
    "ReduceSum": _sum,
}
