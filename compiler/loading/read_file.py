"""Read a file into a model without its weights."""

from __future__ import annotations

import difflib
import hashlib
import math
import mmap
from collections.abc import Callable
from functools import partial
from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError

from ...bundle import sha256_of
from ...errors import ModelError
from .detached import TOKEN, InFile, Weights, index_of, is_detached, nbytes_of, tensors
from .file_tensor import MappedFile
from .formats import HEAD, guess_folder, guess_format
from .wire import WireError, split

__all__ = ["parse", "read_file"]

# Smaller files are read once, so they may be rewritten while the model is in use; larger ones stay on disk.
IN_MEMORY_BELOW = 64 << 20

_TEXT_FORMATS = {
    ".onnxtxt": "onnxtxt",
    ".onnxtext": "onnxtxt",
    ".textproto": "textproto",
    ".txtpb": "textproto",
    ".pbtxt": "textproto",
    ".prototxt": "textproto",
    ".json": "json",
    ".onnxjson": "json",
}
_TYPED = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")
_CORRUPT = "Copy or download the file again, or export the model again"


def read_file(path: Path, origin: str, weights: Weights) -> tuple[onnx.ModelProto, Callable[[], str]]:
    """Read an ONNX file: protobuf, or by its suffix ONNX text, protobuf text or JSON.

    Args:
        path: Absolute path.
        origin: How messages call it.
        weights: Takes the large tensors.

    Returns:
        The model, and what computes the sha256 of the file.

    Raises:
        ModelError: There is no such file, it cannot be read, or is something else.
    """
    head = _head(path, origin)
    if path.suffix.lower() in _TEXT_FORMATS:
        return _read_text(path, origin, weights)
    guess = guess_format(head)
    if guess is not None:
        raise ModelError(origin, f"is {guess[0]}; this version of edgec reads ONNX", remedy=guess[1])
    return _read_binary(path, origin, weights)


def parse(data: memoryview, origin: str, weights: Weights, file: MappedFile | None = None) -> onnx.ModelProto:
    """Split and parse serialized bytes.

    Args:
        data: The bytes.
        origin: How messages call them.
        weights: Takes the large tensors.
        file: The file `data` is a view of, when it must not be kept.

    Raises:
        ModelError: The bytes are malformed, there is no graph, or a tensor's data does not fit its type and shape.
    """
    try:
        skeleton, spans = split(data, token=TOKEN)
        proto = onnx.ModelProto()
        proto.ParseFromString(skeleton)
    except (WireError, DecodeError) as error:
        detail = f"{error}" if isinstance(error, WireError) else "it cannot be parsed"
        raise ModelError(origin, f"is truncated, corrupt or not an ONNX model: {detail}", remedy=_CORRUPT) from error
    for span in spans:
        if file is None:
            weights.add(data[span.offset : span.offset + span.nbytes])
        else:
            weights.add(InFile(file=file, offset=span.offset, nbytes=span.nbytes))
    if not proto.HasField("graph"):
        raise ModelError(origin, "is not an ONNX model: it has no graph", remedy="Give the path of an ONNX file")
    _check_sizes(proto, weights, origin)
    return proto


def _head(path: Path, origin: str) -> bytes:
    """The first bytes of a file that can be read."""
    try:
        if path.is_dir():
            problem, remedy = guess_folder(path)
            raise ModelError(origin, problem, remedy=remedy)
        if not path.exists():
            raise ModelError(origin, "does not exist", remedy=_nearest(path))
        if not path.is_file():
            raise ModelError(origin, "is not a regular file", remedy="Give the path of an ONNX file")
        with path.open("rb") as stream:
            head = stream.read(HEAD)
    except OSError as error:
        raise ModelError(
            origin, f"cannot be read ({error.strerror or error})", remedy="Check the path and its permissions"
        ) from error
    if not head:
        raise ModelError(origin, "is empty (0 bytes)", remedy=_CORRUPT)
    return head


def _nearest(path: Path) -> str:
    folder = path.parent
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"Did you mean {str(folder / near[0])!r}?" if near else "Check the path"


def _read_binary(path: Path, origin: str, weights: Weights) -> tuple[onnx.ModelProto, Callable[[], str]]:
    """The model in a protobuf file without its weights, and its digest."""
    size = path.stat().st_size
    if size < IN_MEMORY_BELOW:
        whole = path.read_bytes()
        proto = parse(memoryview(whole), origin, weights)
        return proto, lambda: hashlib.sha256(whole).hexdigest()
    with path.open("rb") as stream:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    return parse(memoryview(mapped), origin, weights, MappedFile(path.resolve())), partial(sha256_of, path)


def _read_text(path: Path, origin: str, weights: Weights) -> tuple[onnx.ModelProto, Callable[[], str]]:
    """The model in a text file: ONNX text, protobuf text or JSON."""
    text = path.read_bytes()
    format_ = _TEXT_FORMATS[path.suffix.lower()]
    try:
        if format_ == "onnxtxt":
            proto = onnx.parser.parse_model(text.decode())
        else:
            proto = onnx.load_model_from_string(text, format=format_)
    except Exception as error:  # each parser has its own exceptions, some are bare RuntimeErrors
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(origin, f"is not ONNX in {format_} form: {lines[0]}", remedy=_CORRUPT) from error
    return parse(memoryview(proto.SerializeToString()), origin, weights), lambda: hashlib.sha256(text).hexdigest()


def _check_sizes(proto: onnx.ModelProto, weights: Weights, origin: str) -> None:
    """Refuse tensors whose bytes do not fill their type and shape."""
    for tensor in tensors(proto):
        try:
            needed = nbytes_of(tensor)
        except (ValueError, TypeError) as error:  # TypeError: the element type is UNDEFINED
            raise ModelError(
                f"{origin}, tensor {tensor.name!r}",
                f"has the unknown element type {tensor.data_type}",
                remedy="Export the model again with an older onnx",
            ) from error
        unit = "bytes"
        if is_detached(tensor):
            held = weights.nbytes(index_of(tensor))
        elif tensor.HasField("raw_data"):
            held = len(tensor.raw_data)
        elif tensor.data_location == onnx.TensorProto.EXTERNAL:
            continue
        else:
            unit, held, needed = "elements", sum(len(getattr(tensor, name)) for name in _TYPED), _typed_length(tensor)
        if held != needed:
            kind = ir.DataType(tensor.data_type).name
            raise ModelError(
                f"{origin}, tensor {tensor.name!r}",
                f"has {held} {unit} of data, {kind} {list(tensor.dims)} needs {needed}",
                remedy=_CORRUPT,
            )


def _typed_length(tensor: onnx.TensorProto) -> int:
    """Entries a typed field needs (onnx.proto): complex numbers take two, 4- and 2-bit ones share a byte."""
    dtype, count = ir.DataType(tensor.data_type), math.prod(tensor.dims)
    if dtype in (ir.DataType.COMPLEX64, ir.DataType.COMPLEX128):
        return int(2 * count)
    if dtype != ir.DataType.STRING and dtype.bitwidth in (2, 4):
        return nbytes_of(tensor)
    return int(count)
