"""An `onnx_ir.Model` of the caller's, as a proto of our own that refers to its tensors."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx
import onnx_ir as ir

from ...errors import ModelError
from .detached import TOKEN, Weights
from .external import LOAD_BELOW, Files
from .file_tensor import array_of
from .names import unique_names

__all__ = ["digest_of", "proto_of"]


def proto_of(model: ir.Model, weights: Weights, origin: str) -> onnx.ModelProto:
    """Serialize a model without its weights; neither it nor its tensors are changed.

    Raises:
        ModelError: It cannot be serialized, an initializer has no data, or external data cannot be used.
    """
    adopt = _Adoption(weights, origin)
    try:
        ours = model.clone()
        for graph in ours.graphs():
            for value in graph.initializers.values():
                value.const_value = adopt.tensor(value.const_value, str(value.name))
            for node in graph:
                _adopt_attributes(node, adopt)
        # Two values of one name are two values in memory and would become one on the wire.
        unique_names(ours)
        return ir.to_proto(ours)
    except ModelError:
        raise
    except Exception as error:  # onnx_ir wraps whatever went wrong in errors of its own
        detail = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(
            origin, f"cannot be serialized: {detail[0]}", remedy="Check how the model was built"
        ) from error


def digest_of(skeleton: bytes, weights: Weights) -> str:
    """sha256 of a model's structure and of its weights in order, hex."""
    digest = hashlib.sha256(skeleton)
    for index in range(len(weights.entries)):
        for block in weights.blocks(index):
            digest.update(block)
    return digest.hexdigest()


class _Adoption:
    """Tensors of ours that stand for the caller's: renaming ours renames nothing of theirs."""

    def __init__(self, weights: Weights, origin: str) -> None:
        self._weights = weights
        self._origin = origin
        self._files: dict[Path, Files] = {}

    def tensor(self, theirs: ir.TensorProtocol | None, name: str) -> ir.TensorProtocol:
        if theirs is None:
            raise ModelError(
                f"{self._origin}, tensor {name!r}", "is an initializer without data", remedy="Give it a value"
            )
        shape = ir.Shape(theirs.shape.numpy())
        if isinstance(theirs, ir.StringTensor):
            return ir.StringTensor(theirs.string_data(), shape=shape, name=name)
        if isinstance(theirs, ir.ExternalTensor):
            folder = Path(theirs.base_dir or ".").absolute()
            files = self._files.setdefault(folder, Files((folder,), self._origin))
            data = files.data(str(theirs.location), theirs.offset or 0, theirs.nbytes, name)
            if theirs.nbytes < LOAD_BELOW:
                whole = b"".join(data.file.blocks(data.offset, data.nbytes))
                return array_of(memoryview(whole), theirs.dtype, shape, name)
            index = self._weights.add(data)
        elif theirs.nbytes < LOAD_BELOW:
            return ir.LazyTensor(lambda: theirs, dtype=theirs.dtype, shape=shape, name=name)
        else:
            index = self._weights.add(theirs)
        return ir.ExternalTensor(TOKEN, index, None, theirs.dtype, shape=shape, name=name)


def _adopt_attributes(node: ir.Node, adopt: _Adoption) -> None:
    for name, attribute in tuple(node.attributes.items()):
        if attribute.type == ir.AttributeType.TENSOR and not attribute.is_ref():
            node.attributes[name] = ir.AttrTensor(name, adopt.tensor(attribute.as_tensor(), name))
