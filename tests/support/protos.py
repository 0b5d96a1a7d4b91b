"""`ModelProto`s and files of them, for tests of the door."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

__all__ = ["external", "proto", "saved"]


def proto(
    text: str, /, *, opset: int = 17, ir_version: int = 8, imports: str = "", **constants: np.ndarray
) -> onnx.ModelProto:
    """The model of `name (inputs) => (outputs) { nodes }`, initializers given as arrays."""
    declared = f'"": {opset}' + (f", {imports}" if imports else "")
    model = onnx.parser.parse_model(f"<ir_version: {ir_version}, opset_import: [{declared}]>\n{text}")
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items())
    return model


def saved(model: onnx.ModelProto, path: Path) -> Path:
    """Write a model as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def external(model: onnx.ModelProto, name: str, location: str, *, offset: int = 0, length: int | None = None) -> bytes:
    """Let one initializer refer to an external file; returns the bytes that belong at `offset` there."""
    tensor = next(t for t in model.graph.initializer if t.name == name)
    data = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entries = {"location": location, "offset": offset, "length": len(data) if length is None else length}
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))
    return data
