"""The scales at a model's own ends: what an app that already has integers, or wants them, may skip.

A code q stands for (q - zero_point) * scale (ONNX operators, QuantizeLinear and DequantizeLinear).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx_ir as ir

from ..passes.edit import constant_array, constant_scalar, is_op

__all__ = ["port_scales"]


def port_scales(model: ir.Model) -> dict[str, dict[str, Any]]:
    """Input or output name → `dtype`, `scale`, `zero_point` of the integers next to it.

    An input has them where every reader quantizes it, or takes it as codes, by one scale; an output where it comes
    from codes. Scales per channel are none of these.
    """
    found = {str(value.name): _of_input(value) for value in model.graph.inputs}
    found |= {str(value.name): _of_output(value) for value in model.graph.outputs if str(value.name) not in found}
    return {name: scale for name, scale in found.items() if scale is not None}


def _of_input(value: ir.Value) -> dict[str, Any] | None:
    uses = list(value.uses())
    if value.is_graph_output() or any(use.idx != 0 for use in uses):
        return None
    return _one(_params(use.node) for use in uses)


def _of_output(value: ir.Value) -> dict[str, Any] | None:
    node = value.producer()
    return _params(node) if node is not None and is_op(node, "DequantizeLinear") else None


def _one(scales: Iterable[dict[str, Any] | None]) -> dict[str, Any] | None:
    """What all of them are; None where they differ, or are none."""
    every = list(scales)
    return every[0] if every and all(scale == every[0] for scale in every) else None


def _params(node: ir.Node) -> dict[str, Any] | None:
    """Those of a QuantizeLinear or DequantizeLinear that has one scale."""
    if not is_op(node, "QuantizeLinear", "DequantizeLinear"):
        return None
    scale = constant_scalar(node.inputs[1])
    zero = constant_array(node.inputs[2]) if len(node.inputs) > 2 else None
    dtype = _codes(node) if zero is None else zero.dtype
    if scale is None or dtype is None or (zero is not None and zero.size != 1):
        return None
    return {"dtype": dtype.name, "scale": scale, "zero_point": 0 if zero is None else int(zero.reshape(()))}


def _codes(node: ir.Node) -> np.dtype | None:
    """The codes' type where no zero point tells it: of QuantizeLinear uint8 unless it says otherwise."""
    if is_op(node, "QuantizeLinear"):
        said = node.attributes.get_int("output_dtype", 0)
        return ir.DataType(said).numpy() if said else np.dtype(np.uint8)
    codes = node.inputs[0]
    return None if codes is None or codes.dtype is None else codes.dtype.numpy()
