"""Hand a model in memory to a runtime: as bytes while it is small, through a temporary folder when it is not."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx_ir as ir

__all__ = ["EXTERNAL_ABOVE", "materialize", "weight_bytes"]

# Protobuf stops at 2 GiB, and bytes cost their size twice while they are parsed.
EXTERNAL_ABOVE = 256 << 20


def weight_bytes(model: ir.Model) -> int:
    """Bytes of all initializers, subgraphs included."""
    graphs = [model.graph, *model.graph.subgraphs()]
    return sum(
        v.const_value.nbytes for graph in graphs for v in graph.initializers.values() if v.const_value is not None
    )


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
