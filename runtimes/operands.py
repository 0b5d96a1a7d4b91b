"""All operands of an executed kernel: the profile leaves out weights that a kernel has packed for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import onnx

__all__ = ["Constants", "all_operands", "constants_of"]

# Of each input of a node that is present: its operand as a profile lists it if it is a constant, else None.
Constants: TypeAlias = tuple[dict[str, list[int]] | None, ...]
_FLOATS = {"float32": "float", "float64": "double"}


def constants_of(graph: Any) -> dict[str, Constants]:
    """The constant operands of every node of a `GraphProto`, by the node's name."""
    held = {tensor.name: {_dtype(tensor.data_type): list(tensor.dims)} for tensor in graph.initializer}
    return {node.name: tuple(held.get(name) for name in node.input if name) for node in graph.node}


def all_operands(args: Mapping[str, Any], constants: Constants | None) -> list[dict[str, list[int]]]:
    """Operands of one event in order, those left out put back.

    Args:
        args: The event's arguments.
        constants: What the graph knows of the node; None where it does not know it.
    """
    listed = list(args.get("input_type_shape") or ())
    if constants is None or len(listed) >= len(constants):
        return listed
    found = []
    for constant in constants:
        if constant is None or (listed and listed[0] == constant):
            if listed:
                found.append(listed.pop(0))
        else:
            found.append(constant)
    return found


def _dtype(number: int) -> str:
    name = onnx.helper.tensor_dtype_to_np_dtype(number).name
    return _FLOATS.get(name, name)
