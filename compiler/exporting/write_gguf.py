"""Write a GGUF file through the `gguf` package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import MissingExtraError
from .gguf_blocks import Packed

__all__ = ["write_gguf"]


def write_gguf(file: Path, metadata: Mapping[str, Any], tensors: Mapping[str, Packed | np.ndarray]) -> None:
    """Write metadata and tensors; a file that is there is replaced when all is written.

    Raises:
        MissingExtraError: The package is not installed.
        OSError: It cannot be written.
    """
    try:
        from gguf import GGMLQuantizationType, GGUFWriter
    except ImportError as error:
        raise MissingExtraError(str(file), "gguf", "gguf") from error
    partial = file.with_name(f".{file.name}.part")
    writer = GGUFWriter(partial, metadata["general.architecture"])
    try:
        for key, value in metadata.items():
            if key != "general.architecture":
                _add(writer, key, value)
        for name, tensor in tensors.items():
            if isinstance(tensor, Packed):
                writer.add_tensor(name, tensor.data, raw_dtype=GGMLQuantizationType[tensor.kind])
            else:
                writer.add_tensor(name, _plain(tensor))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        partial.replace(file)
    except BaseException:
        writer.close()
        partial.unlink(missing_ok=True)
        raise


def _add(writer: Any, key: str, value: object) -> None:
    match value:
        case bool():
            writer.add_bool(key, value)
        case int():
            writer.add_uint32(key, value)
        case float():
            writer.add_float32(key, value)
        case str():
            writer.add_string(key, value)
        case _:
            writer.add_array(key, value)


def _plain(array: np.ndarray) -> np.ndarray:
    """Floats of the types the package knows: float32 and float16 as they are, others as float32."""
    return np.ascontiguousarray(array if array.dtype.name in ("float16", "float32") else array.astype(np.float32))
