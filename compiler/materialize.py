"""Hand a model in memory to a runtime: its weights as they are, or all of it as bytes or a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx_ir as ir

from ..runtimes.base import ModelInMemory
from .loading.file_tensor import FileTensor, MappedFile

__all__ = ["EXTERNAL_ABOVE", "in_memory", "materialize", "weight_bytes"]

# Protobuf stops at 2 GiB, and bytes cost their size twice while they are parsed.
EXTERNAL_ABOVE = 256 << 20
# Smaller tensors (shapes, scales) stay in the graph, where shape inference sees them.
_DETACHED_ABOVE = 1 << 10
_DETACHED_TYPES = frozenset(
    ir.DataType[name] for name in ("FLOAT", "DOUBLE", "FLOAT16", "INT8", "UINT8", "INT32", "INT64")
)


def weight_bytes(model: ir.Model) -> int:
    """Bytes of all initializers, subgraphs included."""
    graphs = [model.graph, *model.graph.subgraphs()]
    return sum(
        v.const_value.nbytes for graph in graphs for v in graph.initializers.values() if v.const_value is not None
    )


def in_memory(model: ir.Model) -> ModelInMemory:
    """The graph serialized, and the arrays of the main graph's larger weights as they are: mapped files stay mapped.

    Args:
        model: The model. It is not changed, but must be nobody else's meanwhile.
    """
    weights: dict[str, np.ndarray] = {}
    kept: list[tuple[ir.Value, ir.TensorProtocol]] = []
    maps: dict[Path, MappedFile] = {}
    for value in model.graph.initializers.values():
        tensor = value.const_value
        if tensor is None or not value.name or not value.uses():
            continue  # ONNX Runtime forgets what nobody reads, and then misses it
        if tensor.nbytes < _DETACHED_ABOVE or tensor.dtype not in _DETACHED_TYPES:
            continue
        if isinstance(tensor, FileTensor):
            # Maps of this session alone: what it made resident goes when it does.
            path = tensor.file.path
            weights[value.name] = tensor.mapped(maps.setdefault(path, MappedFile(path)))
        else:
            weights[value.name] = tensor.numpy()
        kept.append((value, tensor))
        value.const_value = ir.ExternalTensor(
            "weights", 0, tensor.nbytes, tensor.dtype, shape=ir.Shape(weights[value.name].shape), name=value.name
        )
    try:
        return ModelInMemory(graph=ir.serde.serialize_model(model).SerializeToString(), weights=weights)
    finally:
        for value, tensor in kept:
            value.const_value = tensor


@contextmanager
def materialize(model: ir.Model) -> Iterator[Path | bytes]:
    """Serialized bytes, or the path of a file whose weights lie beside it; gone when the block ends."""
    if weight_bytes(model) <= EXTERNAL_ABOVE:
        yield ir.serde.serialize_model(model).SerializeToString()
        return
    with tempfile.TemporaryDirectory(prefix="edgec-") as folder:
        path = Path(folder) / "model.onnx"
        ir.save(model, path, external_data="model.onnx.data")
        yield path
