"""C++17, over ONNX Runtime's own C++ header."""

from __future__ import annotations

from collections.abc import Mapping

from .language import Language
from .names import identifiers, snake

__all__ = ["CPP"]

# numpy's name → the type ONNX Runtime knows it by, what a vector holds: std::vector<bool> has no bytes, and C++17 no
# half floats, so that these are their bits.
_TYPES = {
    "float32": ("FLOAT", "float"),
    "float64": ("DOUBLE", "double"),
    "float16": ("FLOAT16", "std::uint16_t"),
    "bfloat16": ("BFLOAT16", "std::uint16_t"),
    "bool": ("BOOL", "std::uint8_t"),
    **{f"{sign}int{bits}": (f"{sign}int{bits}".upper(), f"std::{sign}int{bits}_t") for sign in ("", "u")
       for bits in (8, 16, 32, 64)},
}  # fmt: skip
# Types a scale may belong to, though no app hands over such tensors.
_PACKED = {"int4": "INT4", "uint4": "UINT4"}

_KEPT = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t class compl const
const_cast constexpr continue decltype default delete do double dynamic_cast else enum explicit export extern false
float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private
protected public register reinterpret_cast return short signed sizeof static static_assert static_cast struct switch
template this thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t
while xor xor_eq concept requires co_await co_return co_yield consteval constinit char8_t std session
"""
_RESERVED = frozenset(_KEPT.split())

# Source: ONNX Runtime, onnxruntime_cxx_api.h: AppendExecutionProvider takes a short name and options; CUDA and TensorRT
# have values of their own, NNAPI a function in a header of its own.
_GENERIC = {
    "QNNExecutionProvider": "QNN",
    "XnnpackExecutionProvider": "XNNPACK",
    "OpenVINOExecutionProvider": "OpenVINO",
    "CoreMLExecutionProvider": "CoreML",
    "WebGpuExecutionProvider": "WebGPU",
}
_VALUED = {"CUDAExecutionProvider": ("CUDA", "CUDA"), "TensorrtExecutionProvider": ("TensorRT", "TensorRT")}
_NNAPI = "NnapiExecutionProvider"


def _append_provider(provider: str, options: Mapping[str, str]) -> str:
    pairs = ", ".join(f"{{{_string(key)}, {_string(value)}}}" for key, value in sorted(options.items()))
    table = f"std::unordered_map<std::string, std::string>{{{pairs}}}"
    if provider in _GENERIC:
        return f'    options.AppendExecutionProvider("{_GENERIC[provider]}", {table});'
    if provider in _VALUED:
        kind, short = _VALUED[provider]
        variable = short.lower()
        return (
            f"    Ort::{kind}ProviderOptions {variable};\n"
            f"    {variable}.Update({table});\n"
            f"    options.AppendExecutionProvider_{short}_V2(*{variable});"
        )
    if provider == _NNAPI:
        return (
            "    Ort::ThrowOnError(OrtSessionOptionsAppendExecutionProvider_Nnapi(options, 0));"
            "  // declared in nnapi_provider_factory.h"
        )
    return f"    // {provider} is registered by your app: C++ has no name for it."


def _string(text: str) -> str:
    """A literal in ASCII: bytes of UTF-8 in octal, which no compiler's character set changes."""
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b'"\\?' else f"\\{byte:03o}" for byte in text.encode())
    return f'"{"".join(plain)}"'


def _dims(shape: tuple[int | None, ...]) -> str:
    return ", ".join("-1" if dim is None else str(dim) for dim in shape)


def _element(dtype: str) -> str:
    return f"ONNX_TENSOR_ELEMENT_DATA_TYPE_{_PACKED.get(dtype) or _TYPES[dtype][0]}"


def _namespace(name: str) -> str:
    return identifiers([name], snake, _RESERVED)[name]


CPP = Language(
    name="cpp",
    title="C++",
    template="cpp.hpp.jinja",
    file=lambda name: f"{_namespace(name)}.hpp",
    style=snake,
    reserved=_RESERVED,
    dtypes=_TYPES,
    filters={
        "append_provider": _append_provider,
        "dims": _dims,
        "double": repr,
        "element": _element,
        "storage": lambda dtype: _TYPES[dtype][1],
        "string_literal": _string,
    },
    words={"namespace": _namespace},
)
