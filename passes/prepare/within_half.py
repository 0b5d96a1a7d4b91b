"""Float constants beyond what fp16 holds, cut off at ±65504, where they are operands of arithmetic.

The HTP computes in fp16 what it does not compute in integers. An attention mask of float's lowest number becomes
-infinity there, and 0 * -infinity is no number. A mask of -65504 hides as well: exp(-65504 - anything a score may be)
is 0. Exact wherever the constant was such a mask; elsewhere the device could not have held it.

Scope: scalars and tensors read by Add, Sub, Mul, Where, Max, Min, Clip or Pad of the main graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op, value_names

__all__ = ["WithinHalf"]

_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True, kw_only=True)
class WithinHalf(Pass):
    """Cut constants off at fp16's largest number."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph)
        cut: dict[ir.Value, ir.Value] = {}
        for node in model.graph:
            if not is_op(node, "Add", "Sub", "Mul", "Where", "Max", "Min", "Clip", "Pad"):
                continue
            for index, value in enumerate(node.inputs):
                array = constant_array(value)
                if value is None or array is None or array.dtype != np.float32 or not np.any(np.abs(array) > _LARGEST):
                    continue
                if value not in cut:
                    name = fresh_name(f"{value.name}_half", taken)
                    cut[value] = add_initializer(model.graph, name, np.clip(array, -_LARGEST, _LARGEST))
                node.replace_input_with(index, cut[value])
        return ir.passes.PassResult(model, modified=bool(cut))
