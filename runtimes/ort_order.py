"""An ORT format file in the same bytes each time: its index of kernel types, which has the order of a hash, sorted.

The file is a FlatBuffer (onnxruntime/core/flatbuffers/schema/ort.fbs; numbers are those of the fields)::

    InferenceSession           0 ort_version   1 model   3 kernel_type_str_resolver
    KernelTypeStrResolver      0 op_kernel_type_str_args
    OpIdKernelTypeStrArgs      0 op_id   1 kernel_type_str_args
    KernelTypeStrArgs          0 kernel_type_str   1 args
    ArgTypeAndIndex            0 arg_type   1 index

ONNX Runtime writes the index from hash maps, whose order differs from process to process, and sessions read it in any
order. All else is the same each time (1.31.1: the files of mobilenetv2_100, 4.1 MB, of six processes differ in their
first 2.1 kB alone). What is written last lies first, so the model, which refers to nothing before it, stays as it lies.
"""

from __future__ import annotations

import struct
from typing import Any

from .flatbuffer import fields, number, place, tables, target, text

__all__ = ["IDENTIFIER", "in_order"]

IDENTIFIER = b"ORTM"
_ALIGNMENT = 64  # no field wants more
_VERSION, _MODEL, _RESOLVER = 0, 1, 3

_Args = tuple[tuple[int, int], ...]
_Types = tuple[tuple[bytes, _Args], ...]
_Index = tuple[tuple[bytes, _Types], ...]


def in_order(data: bytes) -> tuple[bytes, memoryview]:
    """A file as its beginning, written anew, and what follows it as it was.

    Args:
        data: What ONNX Runtime wrote.

    Returns:
        Two parts that make the file, one behind the other.
    """
    root = target(data, 0)
    model = target(data, place(data, root, _MODEL))
    start = min(model, fields(data, model))  # the table of a table's fields may lie before it
    head = bytearray(_head(text(data, root, _VERSION), _index(data, place(data, root, _RESOLVER))))
    head += bytes(-(len(head) + len(data) - start) % _ALIGNMENT)  # files are aligned from their end
    where = place(head, target(head, 0), _MODEL)
    struct.pack_into("<I", head, where, len(head) + model - start - where)
    return bytes(head), memoryview(data)[start:]


def _index(data: bytes, where: int) -> _Index:
    """Of every operator the types its kernels are chosen by, and of these the arguments that have them; sorted."""
    if not where:
        return ()
    found = []
    for op in tables(data, target(data, where), 0):
        types = []
        for each in tables(data, op, 1):
            args = tuple((number(data, arg, 0, "<b"), number(data, arg, 1, "<I")) for arg in tables(data, each, 1))
            types.append((text(data, each, 0), args))
        found.append((text(data, op, 0), tuple(sorted(types))))
    return tuple(sorted(found))


def _head(version: bytes, index: _Index) -> bytes:
    import flatbuffers  # type: ignore[import-untyped]  # ONNX Runtime requires it

    made: Any = flatbuffers.Builder(1 << 12)
    ops = [_pair(made, op, [_pair(made, name, _arguments(made, args)) for name, args in types]) for op, types in index]
    listed = _vector(made, ops)
    made.StartObject(1)
    made.PrependUOffsetTRelativeSlot(0, listed, 0)
    resolver = made.EndObject()
    said = made.CreateString(version)
    made.StartObject(4)
    made.PrependUOffsetTRelativeSlot(_RESOLVER, resolver, 0)
    made.PrependUint32Slot(_MODEL, 1, 0)  # any number but 0, until it is known how far away the model lies
    made.PrependUOffsetTRelativeSlot(_VERSION, said, 0)
    made.Finish(made.EndObject(), file_identifier=IDENTIFIER)
    return bytes(made.Output())


def _pair(made: Any, name: bytes, below: list[int]) -> int:
    said, listed = made.CreateString(name), _vector(made, below)
    made.StartObject(2)
    made.PrependUOffsetTRelativeSlot(1, listed, 0)
    made.PrependUOffsetTRelativeSlot(0, said, 0)
    return int(made.EndObject())


def _arguments(made: Any, args: _Args) -> list[int]:
    found = []
    for kind, at in args:
        made.StartObject(2)
        made.PrependUint32Slot(1, at, 0)
        made.PrependInt8Slot(0, kind, 0)
        found.append(int(made.EndObject()))
    return found


def _vector(made: Any, below: list[int]) -> int:
    made.StartVector(4, len(below), 4)
    for each in reversed(below):
        made.PrependUOffsetTRelative(each)
    return int(made.EndVector())
