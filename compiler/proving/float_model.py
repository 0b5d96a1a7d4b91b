"""The float model a bundle is compared with: opened from whatever form it has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import onnx
import onnx_ir as ir

from ...errors import ModelError
from ..materialize import materialize

__all__ = ["FloatModel", "float_file"]

FloatModel: TypeAlias = str | Path | bytes | ir.Model | onnx.ModelProto


@contextmanager
def float_file(model: FloatModel | None) -> Iterator[tuple[Path | bytes | None, int | None]]:
    """The model as a runtime opens it, and how many bytes it has, external data included; None and None for None.

    Raises:
        ModelError: The file cannot be read.
    """
    if model is None:
        yield None, None
    elif isinstance(model, ir.Model):
        with materialize(model) as opened:
            yield opened, len(opened) if isinstance(opened, bytes) else _file_bytes(opened)
    elif isinstance(model, onnx.ModelProto):
        data = model.SerializeToString()
        yield data, len(data)
    elif isinstance(model, bytes):
        yield model, len(model)
    else:
        path = Path(model).absolute()
        yield path, _file_bytes(path)


def _file_bytes(path: Path) -> int:
    """Bytes of a model file and of the external data it names."""
    from google.protobuf.message import DecodeError

    try:
        proto = onnx.load(path, load_external_data=False)
    except (OSError, DecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not an ONNX file"
        raise ModelError(str(path), f"cannot be read: {reason}", remedy="Give the float model's ONNX file") from error
    names = {
        entry.value for tensor in _tensors(proto.graph) for entry in tensor.external_data if entry.key == "location"
    }
    files = [path, *(path.parent / name for name in names)]
    return sum(file.stat().st_size for file in files if file.is_file())


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from _tensors(attribute.g)
