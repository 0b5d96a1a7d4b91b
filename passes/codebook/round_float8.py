"""x -> Mul(Cast(Cast(Mul(x, 1 / s), float8), float), s): what layers multiply is rounded to E4M3, s = max|x| / 448.

1. The inputs of MatMul, Gemm and Conv that are not constant; a value that several of them read is rounded once.

Casts, not QuantizeLinear and DequantizeLinear, whose patterns ONNX Runtime 1.31.1 takes for integers: with weights
behind a DequantizeLinear, or between Conv, Gemm or Add and the next QuantizeLinear, it writes integer operators that
take no float8, and the session does not open; a Relu in front of a QuantizeLinear it drops, as its zero point 0 were
the lowest code, and answers wrongly. On CPUs the products themselves are float32: E4M3 is rounding here, and a form of
storage.

Left alone, with the reason: values that are not finite on the samples. Scope: the main graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, fresh_name, insert_after, is_constant, is_op, rewire, skip
from ..observe.statistics import Extremes, Need, Range, observation_of
from ..scope import out_of_scope
from ..weight_only.stored import every_name
from .float8 import LARGEST

__all__ = ["RoundFloat8"]

_LAYERS = ("MatMul", "Gemm", "Conv")
_ROUNDED = "edgec.float8"


@dataclass(frozen=True, kw_only=True)
class RoundFloat8(Pass):
    """Round activations to E4M3 in front of the layers that multiply them."""

    exclude_nodes: tuple[str, ...] = ()
    exclude_ops: tuple[str, ...] = ()
    only_ops: tuple[str, ...] = ()
    float_nodes: tuple[str, ...] = ()

    def needs(self, model: ir.Model) -> Sequence[Need]:
        return tuple(Need(value=str(value.name), statistic=Extremes()) for value in self._found(model))

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = every_name(model)
        done = [value for value, uses in self._found(model).items() if _try_round(model.graph, value, uses, taken)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _found(self, model: ir.Model) -> dict[ir.Value, list[tuple[ir.Node, int]]]:
        """Values to be rounded, and where they are read."""
        found: dict[ir.Value, list[tuple[ir.Node, int]]] = {}
        scope = {"exclude_nodes": self.exclude_nodes, "exclude_ops": self.exclude_ops, "only_ops": self.only_ops}
        for node in model.graph:
            if not is_op(node, *_LAYERS) or node.name in self.float_nodes:
                continue
            if (reason := out_of_scope(node, **scope)) is not None:
                skip(node, reason)
                continue
            for index, value in enumerate(node.inputs[:2]):
                if value is not None and _is_roundable(value):
                    found.setdefault(value, []).append((node, index))
        return found


def _is_roundable(value: ir.Value) -> bool:
    return (
        value.dtype == ir.DataType.FLOAT
        and not is_constant(value)
        and not value.is_initializer()
        and _ROUNDED not in value.meta
    )


def _try_round(graph: ir.Graph, value: ir.Value, uses: Sequence[tuple[ir.Node, int]], taken: set[str]) -> bool:
    observed = observation_of(value, Extremes())
    if not isinstance(observed, Range):
        return False
    largest = max(abs(float(observed.low)), abs(float(observed.high)))
    if not np.isfinite(largest):
        for node, _ in uses:
            skip(node, "reads values that are not finite: they are not rounded")
        return False
    scale = np.float32(largest / LARGEST) if largest > LARGEST * np.finfo(np.float32).tiny else np.float32(1)
    nodes: list[ir.Node] = []

    def add(op: str, operands: list[ir.Value], dtype: ir.DataType, **attributes: int) -> ir.Value:
        node = ir.node(op, operands, attributes, name=fresh_name(f"{value.name}_{op}", taken))
        result = node.outputs[0]
        result.name = fresh_name(f"{node.name}_Output", taken)
        result.type, result.shape = ir.TensorType(dtype), value.shape
        nodes.append(node)
        return result

    step = add_initializer(graph, fresh_name(f"{value.name}_scale", taken), np.asarray(scale))
    inverse = add_initializer(graph, fresh_name(f"{value.name}_per_scale", taken), np.asarray(1 / scale))
    kind, float8 = ir.DataType.FLOAT, ir.DataType.FLOAT8E4M3FN
    rounded = add("Mul", [value, inverse], kind)
    rounded = add("Cast", [rounded], float8, to=float8.value)
    rounded = add("Cast", [rounded], kind, to=kind.value)
    rounded = add("Mul", [rounded, step], kind)
    rounded.meta[_ROUNDED] = True
    insert_after(graph, value, nodes)
    rewire(uses, rounded)
    return True
