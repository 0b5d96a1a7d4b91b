"""Swift, over ONNX Runtime's Objective-C API: onnxruntime-swift-package-manager, or the pod onnxruntime-objc."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from .language import Language
from .names import camel, identifiers, pascal
from .subject import Port

__all__ = ["SWIFT"]

# numpy's name → the case of ORTTensorElementDataType, what an array holds. Source: ONNX Runtime 1.24.2, ort_enums.h,
# which has no half floats, no doubles and no bools.
_TYPES = {
    "float32": ("float", "Float"),
    "int8": ("int8", "Int8"),
    "uint8": ("uInt8", "UInt8"),
    "int32": ("int32", "Int32"),
    "uint32": ("uInt32", "UInt32"),
    "int64": ("int64", "Int64"),
    "uint64": ("uInt64", "UInt64"),
}

# Source: ort_session.h, `appendExecutionProvider`, which hands name and options on to the C API: its names.
_PROVIDERS = {
    "CoreMLExecutionProvider": "CoreML",
    "XnnpackExecutionProvider": "XNNPACK",
    "WebGpuExecutionProvider": "WebGPU",
    "QNNExecutionProvider": "QNN",
}

_KEPT = """
as any associatedtype async await break case catch class continue convenience default defer deinit didSet do dynamic
else enum extension fallthrough false fileprivate final for func get guard if import in indirect infix init inout
internal is isolated lazy left let mutating nil none nonmutating open operator optional override postfix precedence
precedencegroup prefix private protocol public repeat required rethrows return right self set some static struct
subscript super switch throw throws true try type typealias unowned var weak where while willSet answered feeds session
"""
_RESERVED = frozenset(_KEPT.split())
_OWN = {"InputPorts", "Outputs", "OutputPorts", "Port", "Quantized", "Tensor", "ShapeError", "Self", "Type", "Any"}
_THEIRS = {"Array", "Data", "Double", "Float", "Int", "LocalizedError", "Set", "String", "Void"}


def _string(text: str) -> str:
    """A literal in ASCII."""
    plain = (
        letter if 32 <= ord(letter) < 127 and letter not in '"\\' else f"\\u{{{ord(letter):x}}}" for letter in text
    )
    return f'"{"".join(plain)}"'


def _table(options: Mapping[str, str]) -> str:
    pairs = ", ".join(f"{_string(key)}: {_string(value)}" for key, value in sorted(options.items()))
    return f"[{pairs or ':'}]"


def _append_provider(provider: str, options: Mapping[str, str]) -> str:
    if provider in _PROVIDERS:
        return (
            f"try options.appendExecutionProvider({_string(_PROVIDERS[provider])}, providerOptions: {_table(options)})"
        )
    return f"// {provider} is registered by your app: Objective-C has no name for it."


def _zeros(port: Port) -> str:
    """What an input that is fed back starts from."""
    assert port.start is not None
    zeros = f"[{_TYPES[port.dtype][1]}](repeating: 0, count: {math.prod(port.start)})"
    return f"Tensor({zeros}, shape: {list(port.start)})"


def _class(name: str) -> str:
    return identifiers([name], pascal, _OWN | _THEIRS)[name]


SWIFT = Language(
    name="swift",
    title="Swift",
    template="swift.swift.jinja",
    file=lambda name: f"{_class(name)}.swift",
    style=camel,
    reserved=_RESERVED,
    dtypes=_TYPES,
    filters={
        "append_provider": _append_provider,
        "dims": lambda shape: ", ".join("nil" if dim is None else str(dim) for dim in shape),
        "double": repr,
        "element": lambda dtype: _TYPES[dtype][1],
        "json_literal": lambda value: _string(json.dumps(value, sort_keys=True)),
        "ort_type": lambda dtype: _TYPES[dtype][0],
        "string_literal": _string,
        "zeros": _zeros,
    },
    words={"type": _class},
)
