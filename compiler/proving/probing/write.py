"""Write forms as one model: each is a graph of its own beside the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from .form import Form, Operand, Result, Steps

__all__ = ["node_name", "write"]


def node_name(number: int) -> str:
    """What the node of a form is called; the names of its neighbours start with it, too."""
    return f"form{number}:"


def write(forms: Sequence[Form]) -> tuple[bytes, dict[str, np.ndarray]]:
    """A model of these forms and its feeds.

    Args:
        forms: All of one operator set; of any number, none reads another.

    Returns:
        The serialized model; feeds by input, the values each form holds.
    """
    graph = ir.Graph([], [], nodes=[], opset_imports=dict(forms[0].opsets), name="forms")
    feeds: dict[str, np.ndarray] = {}
    for number, form in enumerate(forms):
        _Writer(graph, node_name(number), feeds).add(form)
    model = ir.Model(graph, ir_version=forms[0].ir_version)
    return ir.serde.serialize_model(model).SerializeToString(), feeds


class _Writer:
    def __init__(self, graph: ir.Graph, prefix: str, feeds: dict[str, np.ndarray]) -> None:
        self._graph = graph
        self._prefix = prefix
        self._feeds = feeds

    def add(self, form: Form) -> None:
        inputs = [self._operand(index, each) for index, each in enumerate(form.inputs)]
        node = ir.node(
            form.op,
            inputs,
            dict(form.attributes),
            domain=form.domain,
            num_outputs=len(form.outputs),
            name=self._prefix,
        )
        self._graph.append(node)
        for index, (value, result) in enumerate(zip(node.outputs, form.outputs, strict=True)):
            self._result(index, value, result)

    def _operand(self, index: int, operand: Operand | None) -> ir.Value | None:
        if operand is None:
            return None
        name = f"{self._prefix}in{index}"
        if operand.constant:
            value = self._constant(name, operand.array, operand.dtype)
        else:
            value = ir.Value(name=name, type=ir.TensorType(operand.dtype), shape=ir.Shape(operand.dims))
            self._graph.inputs.append(value)
            self._feeds[name] = operand.array
        return value if operand.steps is None else self._step("DequantizeLinear", name, value, operand.steps)

    def _result(self, index: int, value: ir.Value, result: Result) -> None:
        name = f"{self._prefix}out{index}"
        if result.absent:
            value.name = ""
            return
        value.name, value.type = name, ir.TensorType(result.dtype)
        if result.steps is not None:
            value = self._step("QuantizeLinear", name, value, result.steps)
            value.type = ir.TensorType(result.steps.dtype)
        self._graph.outputs.append(value)

    def _step(self, op: str, name: str, value: ir.Value, steps: Steps) -> ir.Value:
        operands = [value, self._constant(f"{name}_scale", steps.scale, None)]
        if steps.zero is not None:
            operands.append(self._constant(f"{name}_zero_point", steps.zero, steps.dtype))
        node = ir.node(op, operands, dict(steps.attributes), name=f"{name}_{op}")
        node.outputs[0].name = f"{name}_{op}_Output"
        self._graph.append(node)
        return node.outputs[0]

    def _constant(self, name: str, array: np.ndarray, dtype: ir.DataType | None) -> ir.Value:
        tensor = ir.Tensor(array, dtype=dtype, name=name)
        value = ir.Value(name=name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(array.shape), const_value=tensor)
        self._graph.register_initializer(value)
        return value
