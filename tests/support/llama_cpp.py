"""llama.cpp's own quantizer, where its library is installed: with llama-cpp-python, or named by EDGEC_LIBGGML."""

from __future__ import annotations

import ctypes
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np


def quantizer() -> Callable[[np.ndarray, int], np.ndarray] | None:
    """Makes the bytes of a float32 matrix in a type of ggml; None where there is no library."""
    file = _library()
    if file is None:
        return None
    library = ctypes.CDLL(str(file))
    library.ggml_row_size.restype = ctypes.c_size_t
    library.ggml_row_size.argtypes = [ctypes.c_int, ctypes.c_int64]
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    pointer = ctypes.c_void_p
    library.ggml_quantize_chunk.argtypes = [
        ctypes.c_int, pointer, pointer, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, pointer,
    ]  # fmt: skip

    def quantize(w: np.ndarray, kind: int) -> np.ndarray:
        rows, columns = w.shape
        made = np.empty((rows, library.ggml_row_size(kind, columns)), np.uint8)
        # Some types refuse to quantize without weights of importance.
        importance = np.ones(columns, np.float32)
        data = np.ascontiguousarray(w, np.float32)
        library.ggml_quantize_chunk(kind, data.ctypes.data, made.ctypes.data, 0, rows, columns, importance.ctypes.data)
        return made

    return quantize


def _library() -> Path | None:
    if named := os.environ.get("EDGEC_LIBGGML"):
        return Path(named)
    found = importlib.util.find_spec("llama_cpp")
    if found is None or not found.submodule_search_locations:
        return None
    folder = Path(next(iter(found.submodule_search_locations))) / "lib"
    return next(iter(sorted(folder.glob("libggml-base*"))), None)
