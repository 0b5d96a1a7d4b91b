"""Reads tables of a FlatBuffer by the numbers of their fields (flatbuffers.dev/internals).

A table begins with how far before it its list of fields lies; that list has the list's own size in bytes, the table's,
and for each field how far into the table it lies, 0 where the table has none. A string or a vector begins with its
length. Where something lies elsewhere, the field has how far behind it.
"""

from __future__ import annotations

import struct

__all__ = ["Buffer", "fields", "number", "place", "tables", "target", "text", "texts"]

Buffer = bytes | bytearray


def target(data: Buffer, where: int) -> int:
    """Where the offset at a place leads."""
    return where + int(struct.unpack_from("<I", data, where)[0])


def fields(data: Buffer, table: int) -> int:
    """Where the list of a table's fields lies."""
    return table - int(struct.unpack_from("<i", data, table)[0])


def place(data: Buffer, table: int, field: int) -> int:
    """Where a table has a field; 0 where it has none."""
    listed, slot = fields(data, table), 4 + 2 * field
    if slot >= struct.unpack_from("<H", data, listed)[0]:
        return 0
    offset = int(struct.unpack_from("<H", data, listed + slot)[0])
    return table + offset if offset else 0


def number(data: Buffer, table: int, field: int, form: str) -> int:
    """A number in a table, 0 where it has none.

    Args:
        data: The file.
        table: Where the table lies.
        field: Which of its fields.
        form: How it is written, as `struct` says it.
    """
    where = place(data, table, field)
    return int(struct.unpack_from(form, data, where)[0]) if where else 0


def text(data: Buffer, table: int, field: int) -> bytes:
    """A string in a table, empty where it has none."""
    where = place(data, table, field)
    return _string(data, target(data, where)) if where else b""


def texts(data: Buffer, table: int, field: int) -> list[bytes]:
    """A vector of strings in a table, empty where it has none."""
    return [_string(data, each) for each in tables(data, table, field)]


def tables(data: Buffer, table: int, field: int) -> list[int]:
    """Where the tables of a vector lie; none where the table has none."""
    where = place(data, table, field)
    if not where:
        return []
    start = target(data, where)
    return [target(data, start + 4 + 4 * each) for each in range(struct.unpack_from("<I", data, start)[0])]


def _string(data: Buffer, start: int) -> bytes:
    return bytes(data[start + 4 : start + 4 + int(struct.unpack_from("<I", data, start)[0])])
