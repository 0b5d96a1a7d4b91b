"""Split the bytes of an ONNX file into a small model without weights and the places where the weights lie.

Protobuf copies every weight when it parses a file, and refuses files over 2 GiB. This walk goes over the
message lengths only (https://protobuf.dev/programming-guides/encoding), copies everything but large
tensor data, and leaves in each large tensor's place a reference that says where its bytes are. So no weight is parsed
or copied, and a file of any size can be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Span", "WireError", "split"]

Schema: TypeAlias = "dict[int, Schema]"

# Messages smaller than this are copied unseen: most nodes and value infos, and tensors that hold shapes.
_SMALL = 1024

# Field numbers are those of onnx.proto; a schema lists the fields to look into.
_TENSOR: Schema = {}
_GRAPH: Schema = {5: _TENSOR}  # initializer
_ATTRIBUTE: Schema = {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH}  # t, g, tensors, graphs
_NODE: Schema = {5: _ATTRIBUTE}
_GRAPH[1] = _NODE
_MODEL: Schema = {7: _GRAPH, 25: {7: _NODE}}  # graph, functions

_DATA_TYPE, _FLOAT_DATA, _RAW_DATA, _DOUBLE_DATA, _EXTERNAL_DATA, _DATA_LOCATION = 2, 4, 9, 10, 13, 14
# Packed float_data and double_data are little-endian arrays, as raw_data is; element types FLOAT and DOUBLE.
_PACKED = {_FLOAT_DATA: 1, _DOUBLE_DATA: 11}

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class WireError(ValueError):
    """The bytes are no protobuf message, or end early."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Bytes `offset` to `offset + nbytes` of the file hold one tensor's data."""

    offset: int
    nbytes: int


def split(data: memoryview, *, token: str) -> tuple[bytes, list[Span]]:
    """Take the large tensors out of a serialized `ModelProto`.

    Args:
        data: The file's bytes; read, never copied as a whole.
        token: The location written into a tensor's `external_data` in place of its data; its offset is
            the index of its span.

    Returns:
        The serialized model without large tensor data, and the spans of that data.

    Raises:
        WireError: The bytes are malformed or truncated.
    """
    spans: list[Span] = []
    pieces: list[bytes | memoryview] = []
    _message(data, 0, len(data), _MODEL, token, spans, pieces)
    return b"".join(pieces), spans


def _message(
    data: memoryview,
    start: int,
    end: int,
    schema: Schema,
    token: str,
    spans: list[Span],
    pieces: list[bytes | memoryview],
) -> int:
    """Append the message in `data[start:end]` without its large tensors; return its new length."""
    if schema is _TENSOR:
        return _tensor(data, start, end, token, spans, pieces)
    length, copied, position = 0, start, start
    while position < end:
        field, kind, value, after = _field(data, position, end)
        inner = schema.get(field)
        if inner is not None and kind == _BYTES and after - value >= _SMALL:
            before = len(pieces)
            pieces.append(data[copied:position])
            pieces.append(b"")  # the tag and the new length, once that is known
            size = _message(data, value, after, inner, token, spans, pieces)
            pieces[before + 1] = _varint(field << 3 | _BYTES) + _varint(size)
            length += (position - copied) + len(pieces[before + 1]) + size
            copied = after
        position = after
    pieces.append(data[copied:end])
    return length + end - copied


def _tensor(
    data: memoryview, start: int, end: int, token: str, spans: list[Span], pieces: list[bytes | memoryview]
) -> int:
    """The same for a TensorProto: its data, when it is one large run of bytes, becomes a reference."""
    element, found, position = 0, [], start
    while position < end:
        field, kind, value, after = _field(data, position, end)
        if field == _DATA_TYPE and kind == _VARINT:
            element = _read_varint(data, value, end)[0]
        elif field in (_RAW_DATA, *_PACKED):
            found.append((field, kind, position, value, after))
        position = after
    match found:
        case [(field, kind, position, value, after)] if (
            kind == _BYTES and after - value >= _SMALL and _PACKED.get(field, element) == element
        ):
            reference = _reference(token, len(spans))
            spans.append(Span(offset=value, nbytes=after - value))
            pieces += [data[start:position], data[after:end], reference]
            return (position - start) + (end - after) + len(reference)
    pieces.append(data[start:end])
    return end - start


def _reference(token: str, index: int) -> bytes:
    """`external_data` {location: token, offset: index} and `data_location` EXTERNAL, serialized."""

    def entry(key: str, value: str) -> bytes:
        pair = b"".join(
            _varint(number << 3 | _BYTES) + _varint(len(text)) + text
            for number, text in ((1, key.encode()), (2, value.encode()))
        )
        return _varint(_EXTERNAL_DATA << 3 | _BYTES) + _varint(len(pair)) + pair

    return entry("location", token) + entry("offset", str(index)) + _varint(_DATA_LOCATION << 3) + _varint(1)


def _field(data: memoryview, position: int, end: int) -> tuple[int, int, int, int]:
    """Field number, wire type, where its value starts and ends, of the field at `position`."""
    tag, value = _read_varint(data, position, end)
    kind = tag & 7
    if kind == _BYTES:
        size, value = _read_varint(data, value, end)
        after = value + size
    elif kind == _VARINT:
        after = _read_varint(data, value, end)[1]
    elif kind == _FIXED32:
        after = value + 4
    elif kind == _FIXED64:
        after = value + 8
    else:
        raise WireError(f"byte {position} starts no protobuf field")
    if tag < 8:
        raise WireError(f"byte {position} starts no protobuf field")
    if after > end:
        raise WireError(f"the field at byte {position} needs {after - end} bytes more than there are")
    return tag >> 3, kind, value, after


def _read_varint(data: memoryview, position: int, end: int) -> tuple[int, int]:
    """A base-128 number and the position after it."""
    number = shift = 0
    while position < end and shift < 70:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7
    raise WireError(f"the number at byte {position} has no end")


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)
