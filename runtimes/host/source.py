"""A model as the request that opens it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ModelError
from ..base import ModelInMemory, ModelSource

if TYPE_CHECKING:
    import onnx

__all__ = ["source_of"]


def source_of(model: ModelSource, *, shares_files: bool) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays that say what to open.

    Args:
        model: A file, or what it would hold.
        shares_files: Whether the host sees this machine's files; else they are sent.

    Raises:
        ModelError: A file is missing, or cannot be read.
    """
    if isinstance(model, ModelInMemory):
        return {}, {"model:": np.frombuffer(model.graph, dtype=np.uint8), **model.weights}
    if isinstance(model, bytes):
        return {}, {"model:": np.frombuffer(model, dtype=np.uint8)}
    if not model.is_file():
        raise ModelError(str(model), "no such file", remedy="Check the path")
    if shares_files:
        return {"path": str(model.absolute())}, {}
    names = [model.name, *_external(model)]
    return {"files": names}, {f"file:{name}": _contents(model, name) for name in names}


def _contents(model: Path, name: str) -> np.ndarray:
    try:
        return np.fromfile(model.parent / name, dtype=np.uint8)
    except OSError as error:
        raise ModelError(
            str(model),
            f"its file {name} cannot be read: {error.strerror}",
            remedy="Keep the model and the files it names together",
        ) from error


def _external(model: Path) -> list[str]:
    """Files that a model names: its weights', its compiled nodes'; none where it cannot be read: the host says why."""
    import onnx
    from google.protobuf.message import DecodeError
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    try:
        graph = onnx.load(model, load_external_data=False).graph
    except DecodeError:
        return []
    weights = {str(ExternalDataInfo(each).location) for each in _tensors(graph) if uses_external_data(each)}
    return sorted(weights | {name for node in graph.node if node.op_type == "EPContext" for name in binaries_of(node)})


def binaries_of(node: onnx.NodeProto) -> Iterator[str]:
    """The file an EPContext node keeps what its provider compiled in; none where the node holds it."""
    given = {attribute.name: attribute for attribute in node.attribute}
    embedded = "embed_mode" not in given or given["embed_mode"].i == 1
    if not embedded and "ep_cache_context" in given:
        yield given["ep_cache_context"].s.decode()


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Initializers and constants, those of subgraphs included."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)
