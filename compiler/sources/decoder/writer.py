"""Writes a graph node by node, every value with its type and shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from ....passes.edit import add_initializer, add_lazy_initializer

__all__ = ["Described", "Dims", "Writer", "dims_of"]

Dims: TypeAlias = Sequence[int | str]
# Name, type and shape of an output; None where it is left out.
Described: TypeAlias = tuple[str, ir.DataType, Dims] | None

_MICROSOFT = "com.microsoft"


class Writer:
    """A graph that grows.

    Args:
        name: The graph's name.
        opset: The version of the default operator set.
    """

    def __init__(self, name: str, opset: int) -> None:
        self.graph = ir.Graph([], [], nodes=[], name=name, opset_imports={"": opset, _MICROSOFT: 1})

    def input(self, name: str, dtype: ir.DataType, dims: Dims) -> ir.Value:
        """One more graph input."""
        value = ir.Value(name=name, type=ir.TensorType(dtype), shape=ir.Shape(dims))
        self.graph.inputs.append(value)
        return value

    def constant(self, name: str, array: np.ndarray) -> ir.Value:
        """A constant; that of this name where there is one."""
        found = self.graph.initializers.get(name)
        return add_initializer(self.graph, name, array) if found is None else found

    def lazy(self, name: str, make: Callable[[], np.ndarray], dims: Sequence[int], dtype: ir.DataType) -> ir.Value:
        """A constant whose array is made each time it is read; that of this name where there is one."""
        found = self.graph.initializers.get(name)
        if found is not None:
            return found
        return add_lazy_initializer(self.graph, name, make, dtype, ir.Shape(dims))

    def write(
        self,
        op: str,
        inputs: Sequence[ir.Value | None],
        *,
        name: str,
        dims: Dims,
        dtype: ir.DataType = ir.DataType.FLOAT,
        domain: str = "",
        **attributes: object,
    ) -> ir.Value:
        """One more node with one output, called after it."""
        outputs = ((f"{name}/output_0", dtype, dims),)
        return self.write_all(op, inputs, name=name, outputs=outputs, domain=domain, **attributes)[0]

    def write_all(
        self,
        op: str,
        inputs: Sequence[ir.Value | None],
        *,
        name: str,
        outputs: Sequence[Described],
        domain: str = "",
        **attributes: object,
    ) -> list[ir.Value]:
        """One more node with several outputs; those left out are not among the values returned."""
        node = ir.node(op, inputs, attributes, domain=domain, num_outputs=len(outputs), name=name)  # type: ignore[arg-type]
        made = []
        for value, described in zip(node.outputs, outputs, strict=True):
            if described is None:
                value.name = ""
                continue
            value.name, value.type, value.shape = described[0], ir.TensorType(described[1]), ir.Shape(described[2])
            made.append(value)
        self.graph.append(node)
        return made

    def contrib(
        self,
        op: str,
        inputs: Sequence[ir.Value | None],
        *,
        name: str,
        outputs: Sequence[Described],
        **attributes: object,
    ) -> list[ir.Value]:
        """One more node of `com.microsoft`."""
        return self.write_all(op, inputs, name=name, outputs=outputs, domain=_MICROSOFT, **attributes)


def dims_of(value: ir.Value) -> list[int | str]:
    """The dimensions of a value that has some."""
    assert value.shape is not None
    return [dim if isinstance(dim, int) else str(dim) for dim in value.shape]
