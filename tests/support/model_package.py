"""ONNX Runtime's own reader of model packages, by its C API: Python has no binding of it (1.31.1)."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

__all__ = ["Opened", "Refused", "open_package"]

API = 31  # ORT_API_VERSION of the first release this was tried with
_Pointer = ctypes.c_void_p
# Places in OrtApi, which never change, and in OrtModelPackageApi (onnxruntime_c_api.h, 1.31).
ERROR, ENV, OPTIONS, INPUTS, RELEASE_STATUS, PACKAGES = 2, 3, 10, 30, 93, 427
OF_OPTIONS, OPEN, VERSION, COMPONENTS, VARIANTS, PROVIDER, SELECT, NAME, FOLDER, SESSION = (
    0,
    2,
    4,
    6,
    8,
    9,
    11,
    13,
    14,
    15,
)


class Refused(Exception):  # noqa: N818 - what ONNX Runtime says, as it says it
    """ONNX Runtime does not take the package."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """What it found in a package, and chose for a session on the CPU provider."""

    version: int
    components: list[str]
    variants: dict[str, str]
    chosen: str
    folder: Path
    inputs: int


def open_package(folder: Path) -> Opened:
    """Open a folder as a package, choose a variant of its first component, and open a session of it.

    Raises:
        Refused: ONNX Runtime refuses it.
    """
    api = _api()
    package = ctypes.cast(_function(api, PACKAGES)(), ctypes.POINTER(_Pointer))
    env, options, chosen, context, component, session = (_Pointer() for _ in range(6))
    _call(api, ENV, ctypes.c_int(4), ctypes.c_char_p(b"test"), ctypes.byref(env))
    _call(api, OPTIONS, ctypes.byref(options))
    _call(package, OF_OPTIONS, env, options, ctypes.byref(chosen))
    _call(package, OPEN, ctypes.c_char_p(str(folder).encode()), ctypes.byref(context))
    version, inputs = ctypes.c_int64(), ctypes.c_size_t()
    _call(package, VERSION, context, ctypes.byref(version))
    components = _names(package, COMPONENTS, context)
    first = ctypes.c_char_p(components[0].encode())
    variants = {}
    for name in _names(package, VARIANTS, context, first):
        provider = ctypes.c_char_p()
        _call(package, PROVIDER, context, first, ctypes.c_char_p(name.encode()), ctypes.byref(provider))
        variants[name] = _said(provider)
    _call(package, SELECT, context, first, chosen, ctypes.byref(component))
    name, place = ctypes.c_char_p(), ctypes.c_char_p()
    _call(package, NAME, component, ctypes.byref(name))
    _call(package, FOLDER, component, ctypes.byref(place))
    _call(package, SESSION, env, component, _Pointer(), ctypes.byref(session))
    _call(api, INPUTS, session, ctypes.byref(inputs))
    return Opened(
        version=version.value,
        components=components,
        variants=variants,
        chosen=_said(name),
        folder=Path(_said(place)),
        inputs=inputs.value,
    )


@cache
def _api() -> Any:
    capi = Path(onnxruntime.__file__).parent / "capi"
    found = [*capi.glob("libonnxruntime.so*"), *capi.glob("libonnxruntime*.dylib"), *capi.glob("onnxruntime.dll")]
    if not found:
        pytest.skip("this wheel of ONNX Runtime has no library of its own")
    library = ctypes.CDLL(str(found[0]))
    library.OrtGetApiBase.restype = _Pointer
    base = ctypes.cast(library.OrtGetApiBase(), ctypes.POINTER(_Pointer))
    api = ctypes.CFUNCTYPE(_Pointer, ctypes.c_uint32)(base[0])(API)
    if not api:
        pytest.skip(f"this ONNX Runtime is older than version {API} of its API")
    return ctypes.cast(api, ctypes.POINTER(_Pointer))


def _function(table: Any, place: int, *kinds: Any) -> Any:
    return ctypes.CFUNCTYPE(_Pointer, *kinds)(table[place])


def _call(table: Any, place: int, *words: Any) -> None:
    status = _function(table, place, *(_Pointer if hasattr(each, "_obj") else type(each) for each in words))(*words)
    if status:
        api = _api()
        said = ctypes.CFUNCTYPE(ctypes.c_char_p, _Pointer)(api[ERROR])(status)
        ctypes.CFUNCTYPE(None, _Pointer)(api[RELEASE_STATUS])(status)
        raise Refused((said or b"").decode())


def _names(table: Any, place: int, *words: Any) -> list[str]:
    names, count = ctypes.POINTER(ctypes.c_char_p)(), ctypes.c_size_t()
    _call(table, place, *words, ctypes.byref(names), ctypes.byref(count))
    return [(names[each] or b"").decode() for each in range(count.value)]


def _said(text: ctypes.c_char_p) -> str:
    return (text.value or b"").decode()
