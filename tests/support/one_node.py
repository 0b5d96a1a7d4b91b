"""Graphs of one node, and what ONNX Runtime computes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper

__all__ = ["OneNode", "node"]

_DOMAIN = "com.microsoft"


@dataclass(frozen=True, kw_only=True)
class OneNode:
    """An operator, its operands and its attributes.

    Attributes:
        op: Name, with `com.microsoft.` before it for ONNX Runtime's own.
        operands: Arrays, None for an absent one.
        opset: Version of the default operator set.
        constants: Which operands are initializers, by index; the rest are inputs.
        outputs: How many; '' in `unnamed` are left out.
        attributes: Of the node.
    """

    op: str
    operands: tuple[np.ndarray | None, ...]
    opset: int = 17
    constants: frozenset[int] = frozenset()
    outputs: int = 1
    unnamed: frozenset[int] = frozenset()
    attributes: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        shapes = "x".join("-" if each is None else str(list(each.shape)) for each in self.operands)
        attributes = ",".join(f"{name}={value}" for name, value in self.attributes.items())
        return f"{self.op}-{self.opset}-{shapes}-{attributes}".replace(" ", "").replace("\n", "")

    @property
    def model(self) -> onnx.ModelProto:
        """Inputs x0, x1, …, outputs y0, y1, …"""
        op = self.op.removeprefix(f"{_DOMAIN}.")
        domain = _DOMAIN if op != self.op else ""
        names = ["" if each is None else f"x{k}" for k, each in enumerate(self.operands)]
        made = ["" if k in self.unnamed else f"y{k}" for k in range(self.outputs)]
        one = helper.make_node(op, names, made, name="node", domain=domain, **self.attributes)
        inputs, constants = [], []
        for k, array in enumerate(self.operands):
            if array is None:
                continue
            if k in self.constants:
                constants.append(onnx.numpy_helper.from_array(array, names[k]))
            else:
                kind = helper.np_dtype_to_tensor_dtype(array.dtype)
                inputs.append(helper.make_tensor_value_info(names[k], kind, array.shape))
        outputs = [helper.make_empty_tensor_value_info(name) for name in made if name]
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(_DOMAIN, 1)]
        graph = helper.make_graph([one], "graph", inputs, outputs, constants)
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    @property
    def feeds(self) -> dict[str, np.ndarray]:
        """Operands that are inputs."""
        return {f"x{k}": x for k, x in enumerate(self.operands) if x is not None and k not in self.constants}

    def expected(self) -> list[np.ndarray]:
        """What ONNX Runtime computes, its optimizations off."""
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = ort.InferenceSession(self.model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        found: list[np.ndarray] = session.run(None, self.feeds)
        return found


def node(
    op: str,
    *operands: Any,
    opset: int = 17,
    constants: Sequence[int] = (),
    outputs: int = 1,
    unnamed: Sequence[int] = (),
    **attributes: Any,
) -> OneNode:
    """A graph of one node; numbers and lists become arrays, of int64 where they are whole."""
    arrays = tuple(None if each is None else np.asarray(each) for each in operands)
    return OneNode(
        op=op,
        operands=arrays,
        opset=opset,
        constants=frozenset(constants),
        outputs=outputs,
        unnamed=frozenset(unnamed),
        attributes=attributes,
    )
