"""Read a `.safetensors` file: names to tensors that stay in the file.

The format (https://huggingface.co/docs/safetensors, "Format"): 8 bytes, little endian, the length of a JSON header;
the header, name to `dtype`, `shape`, `data_offsets` from the end of the header; the bytes. Read here and not by the
`safetensors` package, whose numpy arrays know no bfloat16.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx_ir as ir

from ...errors import ModelError
from .file_tensor import FileTensor, MappedFile

__all__ = ["read_safetensors"]

_DTYPES = {
    "F64": "DOUBLE", "F32": "FLOAT", "F16": "FLOAT16", "BF16": "BFLOAT16", "F8_E4M3": "FLOAT8E4M3FN",
    "F8_E5M2": "FLOAT8E5M2", "I64": "INT64", "I32": "INT32", "I16": "INT16", "I8": "INT8", "U64": "UINT64",
    "U32": "UINT32", "U16": "UINT16", "U8": "UINT8", "BOOL": "BOOL",
}  # fmt: skip
# The reference implementation reads no longer one.
_LONGEST_HEADER = 100_000_000


def read_safetensors(path: Path, where: str) -> dict[str, FileTensor]:
    """Tensors by name, in the order of the file; their bytes are read when they are asked for.

    Args:
        path: The file.
        where: How messages call it.

    Raises:
        ModelError: It cannot be read, or is no such file.
    """
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= _LONGEST_HEADER:
                raise ValueError(f"its header would have {length} bytes")
            head = json.loads(stream.read(length))
        start, size = 8 + length, path.stat().st_size
        file = MappedFile(path)
        return {name: _tensor(file, name, said, start, size) for name, said in head.items() if name != "__metadata__"}
    except OSError as error:
        raise ModelError(where, f"cannot be read: {error.strerror}", remedy="Check the path") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(where, f"is no safetensors file: {error}", remedy="Download or save it again") from error


def _tensor(file: MappedFile, name: str, said: Mapping[str, Any], start: int, size: int) -> FileTensor:
    dtype = ir.DataType[_DTYPES[said["dtype"]]]
    shape = tuple(int(dim) for dim in said["shape"])
    first, last = (int(each) for each in said["data_offsets"])
    if last - first != math.prod(shape) * dtype.bitwidth // 8 or first < 0 or start + last > size:
        raise ValueError(f"tensor {name!r} is not where the header says")
    return FileTensor(file, start + first, dtype, ir.Shape(shape), name)
