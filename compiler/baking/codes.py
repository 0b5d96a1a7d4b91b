"""Embeddings in bytes or bits: in numpy, and as nodes behind a model.

======== ==================================== ======== ====================================
code     answer                               bytes    alike
======== ==================================== ======== ====================================
`int8`   round(127 x / max|x|)                D        cosine, as of floats
`binary` x > 0, eight in a byte               D / 8    bits that differ; cosine of ±1
centers  of each part, the nearest of 256     D / part cosine, of the centers
======== ==================================== ======== ====================================

Of bytes and bits each vector has its own scale, which cosines do not see, so nothing is calibrated. Bits lie as
`numpy.packbits` lays them, the first in the highest. Centers are those of product quantization (Jégou, Douze, Schmid
2011; `passes.codebook.product`), float32, (M, 256, d): the nearest is that of the largest x c - |c|² / 2, the first of
equals.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import onnx_ir as ir

from ...passes.edit import add_initializer, fresh_name, value_names
from ...runtimes.base import TensorInfo

__all__ = ["Coding", "append_code", "coded_info", "decode", "encode"]

# `int8`, `binary`, or centers (M, 256, d) of a product code.
Coding: TypeAlias = str | np.ndarray

_TINY = float(np.finfo(np.float32).tiny)
# ReduceMax reads its axes from an input from here on.
_READS_AXES = 18


def encode(values: np.ndarray, code: Coding) -> np.ndarray:
    """An embedding's code, along the last axis."""
    if isinstance(code, np.ndarray):
        parts = values.astype(np.float64).reshape(*values.shape[:-1], len(code), code.shape[2])
        near = np.einsum("...md,mcd->...mc", parts, code) - np.square(code.astype(np.float64)).sum(axis=2) / 2
        return np.asarray(near.argmax(axis=-1), np.uint8)
    if code == "binary":
        return np.packbits(values > 0, axis=-1)
    wide = values.astype(np.float64)
    largest = np.maximum(np.abs(wide).max(axis=-1, keepdims=True), _TINY)
    return np.asarray(np.rint(wide / largest * 127), np.int8)


def decode(codes: np.ndarray, code: Coding) -> np.ndarray:
    """Numbers of the direction a code keeps, float32: bytes as they are, bits as 1 and -1, centers one by another."""
    if isinstance(code, np.ndarray):
        picked = code.astype(np.float32)[np.arange(len(code)), codes]
        return np.asarray(picked.reshape(*codes.shape[:-1], -1))
    if code == "binary":
        return np.asarray(np.unpackbits(codes, axis=-1).astype(np.float32) * 2 - 1)
    return codes.astype(np.float32)


def coded_info(info: TensorInfo, code: Coding) -> TensorInfo:
    """An output as it is once it answers codes."""
    if isinstance(code, np.ndarray):
        return TensorInfo(name=info.name, dtype=np.dtype(np.uint8), shape=(*info.shape[:-1], len(code)))
    if code == "int8":
        return TensorInfo(name=info.name, dtype=np.dtype(np.int8), shape=info.shape)
    last = info.shape[-1]
    assert isinstance(last, int)
    return TensorInfo(name=info.name, dtype=np.dtype(np.uint8), shape=(*info.shape[:-1], last // 8))


def append_code(graph: ir.Graph, index: int, code: Coding, rank: int, opset: int) -> None:
    """Nodes behind output `index`; the last takes its place and its name.

    Args:
        graph: Whose output it is.
        index: Which.
        code: `int8`, `binary`, or centers.
        rank: Axes of the output.
        opset: The version of the operator set.
    """
    before = graph.outputs[index]
    name = str(before.name)
    taken = value_names(graph) | {node.name for node in graph if node.name}
    dims: list[Any] = [None] * rank if before.shape is None else list(before.shape)
    before.name = fresh_name(f"{name}_float", taken)

    def constant(suffix: str, array: np.ndarray | np.generic) -> ir.Value:
        return add_initializer(graph, fresh_name(f"{name}_{suffix}", taken), np.asarray(array))

    def add(op: str, *operands: ir.Value, **attributes: Any) -> ir.Value:
        node = ir.node(op, operands, attributes, name=fresh_name(f"{name}_{op}", taken))
        node.outputs[0].name = fresh_name(f"{node.name}_Output", taken)
        graph.append(node)
        return node.outputs[0]

    x = before if before.dtype == ir.DataType.FLOAT else add("Cast", before, to=ir.DataType.FLOAT.value)
    kind = ir.DataType.UINT8
    if isinstance(code, np.ndarray):
        count, _, length = code.shape
        parts = constant("parts", np.array([*[0] * (rank - 1), count, 1, length], np.int64))
        centers = constant("centers", np.ascontiguousarray(code.transpose(0, 2, 1)))
        halves = constant("halves", -np.square(code).sum(axis=2, dtype=np.float64).astype(np.float32)[:, None] / 2)
        near = add("Add", add("MatMul", add("Reshape", x, parts), centers), halves)
        found = add("ArgMax", near, axis=-1, keepdims=0)
        value = add("Reshape", found, constant("codes", np.array([*[0] * (rank - 1), count], np.int64)))
        dims[-1] = count
    elif code == "binary":
        bytes_ = np.array([*[0] * (rank - 1), dims[-1] // 8, 8], np.int64)
        bits = add("Cast", add("Greater", x, constant("zero", np.float32(0))), to=ir.DataType.FLOAT.value)
        weights = constant("places", 2.0 ** np.arange(7, -1, -1, dtype=np.float32))
        value = add("MatMul", add("Reshape", bits, constant("bytes", bytes_)), weights)
        dims[-1] //= 8
    else:
        size = add("Abs", x)
        if opset >= _READS_AXES:
            largest = add("ReduceMax", size, constant("axis", np.array([-1], np.int64)), keepdims=1)
        else:
            largest = add("ReduceMax", size, axes=[-1], keepdims=1)
        share = add("Div", x, add("Max", largest, constant("least", np.float32(_TINY))))
        value = add("Round", add("Mul", share, constant("steps", np.float32(127))))
        kind = ir.DataType.INT8
    result = add("Cast", value, to=kind.value)
    result.name, result.type, result.shape = name, ir.TensorType(kind), ir.Shape(dims)
    for each, output in enumerate(graph.outputs):
        if output is before:
            graph.outputs[each] = result
