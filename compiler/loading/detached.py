"""A model whose large weights are held apart, so that ONNX's C++ tools see kilobytes whatever its size.

A detached `TensorProto` is an external tensor whose location is `TOKEN` and whose offset is an index into
a `Weights` table.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import onnx
import onnx_ir as ir

from .file_tensor import FileTensor, MappedFile, array_of

__all__ = [
    "TOKEN",
    "InFile",
    "Weights",
    "attach",
    "bodies",
    "detach",
    "graphs",
    "index_of",
    "is_detached",
    "nbytes_of",
    "tensors",
]

TOKEN = "edgec:detached"


@dataclass(frozen=True, kw_only=True, slots=True)
class InFile:
    """The data of one tensor: where in which file."""

    file: MappedFile
    offset: int
    nbytes: int


Entry: TypeAlias = memoryview | InFile | ir.TensorProtocol


@dataclass(frozen=True, slots=True)
class Weights:
    """The data of the detached tensors, by index: bytes in memory, bytes in a file, or the caller's tensor."""

    entries: list[Entry] = field(default_factory=list)

    def add(self, entry: Entry) -> int:
        """Keep `entry`; its index."""
        self.entries.append(entry)
        return len(self.entries) - 1

    def nbytes(self, index: int) -> int:
        """Bytes of an entry."""
        return int(self.entries[index].nbytes)

    def blocks(self, index: int) -> Iterator[bytes | memoryview]:
        """The bytes of an entry in pieces, those of a file without making them resident."""
        match self.entries[index]:
            case memoryview() as data:
                yield data
            case InFile(file=file, offset=offset, nbytes=nbytes):
                yield from file.blocks(offset, nbytes)
            case theirs:
                yield theirs.tobytes()

    def tensor(self, index: int, dtype: ir.DataType, shape: ir.Shape, name: str) -> ir.TensorProtocol:
        """A tensor of its own over an entry: renaming it renames nothing else."""
        match self.entries[index]:
            case memoryview() as data:
                return array_of(data, dtype, shape, name)
            case InFile(file=file, offset=offset):
                return FileTensor(file, offset, dtype, shape, name)
            case theirs:
                return ir.LazyTensor(lambda: theirs, dtype=dtype, shape=shape, name=name)


def nbytes_of(proto: onnx.TensorProto) -> int:
    """Bytes that `raw_data` needs for the type and dims of a tensor; 0 for strings."""
    dtype = ir.DataType(proto.data_type)
    if dtype == ir.DataType.STRING:
        return 0
    return (math.prod(int(dim) for dim in proto.dims) * dtype.bitwidth + 7) // 8


def is_detached(proto: onnx.TensorProto) -> bool:
    """Whether a tensor's data is in the `Weights` table."""
    return any(entry.key == "location" and entry.value == TOKEN for entry in proto.external_data)


def index_of(proto: onnx.TensorProto) -> int:
    """The index of a detached tensor's data."""
    return next(int(entry.value) for entry in proto.external_data if entry.key == "offset")


def detach(proto: onnx.TensorProto, index: int) -> None:
    """Let a tensor refer to entry `index`."""
    del proto.external_data[:]
    for key, value in (("location", TOKEN), ("offset", str(index))):
        proto.external_data.add(key=key, value=value)
    proto.data_location = onnx.TensorProto.EXTERNAL


def bodies(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The graphs in a node's attributes: bodies of If, Loop and Scan."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == onnx.AttributeProto.GRAPHS:
            yield from attribute.graphs


def graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    """The main graph, then every body, at any depth."""
    pending = [model.graph]
    while pending:
        graph = pending.pop()
        yield graph
        for node in graph.node:
            pending.extend(bodies(node))


def tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of a model: initializers and attributes, subgraphs and functions included."""
    for graph in graphs(model):
        yield from graph.initializer
        yield from _attribute_tensors(graph.node)
    for function in model.functions:
        yield from _attribute_tensors(function.node)


def _attribute_tensors(nodes: object) -> Iterator[onnx.TensorProto]:
    for node in nodes:  # type: ignore[attr-defined]
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                yield attribute.t
            elif attribute.type == onnx.AttributeProto.TENSORS:
                yield from attribute.tensors


def attach(model: ir.Model, weights: Weights) -> None:
    """Give every detached tensor of a deserialized model its data."""
    for graph in model.graphs():
        for value in graph.initializers.values():
            if _is_reference(value.const_value):
                value.const_value = _restored(value.const_value, weights, str(value.name))
        for node in graph:
            for name, attribute in tuple(node.attributes.items()):
                if attribute.type == ir.AttributeType.TENSOR and _is_reference(attribute.value):
                    node.attributes[name] = ir.AttrTensor(name, _restored(attribute.value, weights, name))
                elif attribute.type == ir.AttributeType.TENSORS and any(map(_is_reference, attribute.value)):
                    restored = [_restored(t, weights, name) if _is_reference(t) else t for t in attribute.value]
                    node.attributes[name] = ir.AttrTensors(name, restored)


def _is_reference(tensor: object) -> bool:
    return isinstance(tensor, ir.ExternalTensor) and tensor.location == TOKEN


def _restored(tensor: ir.TensorProtocol | None, weights: Weights, name: str) -> ir.TensorProtocol:
    assert isinstance(tensor, ir.ExternalTensor)
    return weights.tensor(tensor.offset or 0, tensor.dtype, tensor.shape, name)
