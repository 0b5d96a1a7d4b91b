"""Kotlin, over ONNX Runtime's Java API: onnxruntime-android, or onnxruntime on any JVM."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .language import Language
from .names import camel, identifiers, pascal
from .subject import Port, Subject

__all__ = ["KOTLIN"]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Type:
    """How Kotlin holds a type.

    Attributes:
        java: Its `ai.onnxruntime.OnnxJavaType`.
        element: What an array holds of it: half floats and bools are their bits.
        typed: Whether `createTensor` has to be told which, the buffer being that of several types.
    """

    java: str
    element: str
    typed: bool = False


# Source: ONNX Runtime 1.31, OnnxJavaType.java and `createTensor` of OnnxTensor.java, which has no unsigned integers but
# bytes.
_TYPES = {
    "float32": _Type(java="FLOAT", element="Float"),
    "float64": _Type(java="DOUBLE", element="Double"),
    "float16": _Type(java="FLOAT16", element="Short", typed=True),
    "bfloat16": _Type(java="BFLOAT16", element="Short", typed=True),
    "bool": _Type(java="BOOL", element="Byte", typed=True),
    "int8": _Type(java="INT8", element="Byte", typed=True),
    "uint8": _Type(java="UINT8", element="Byte", typed=True),
    "int16": _Type(java="INT16", element="Short", typed=True),
    "int32": _Type(java="INT32", element="Int"),
    "int64": _Type(java="INT64", element="Long"),
}

# Source: OrtSession.java, SessionOptions: these take options of their own as a map; NNAPI takes flags, and here none.
_MAPPED = {
    "XnnpackExecutionProvider": "addXnnpack",
    "QNNExecutionProvider": "addQnn",
    "CoreMLExecutionProvider": "addCoreML",
    "WebGpuExecutionProvider": "addWebGPU",
}
_NNAPI = "NnapiExecutionProvider"
_QNN = "QNNExecutionProvider"

_KEPT = """
as break class continue do else false for fun if in interface is null object package return super this throw true try
typealias typeof val var when while by catch constructor delegate dynamic field file finally get import init param
property receiver set setparam value where abstract actual annotation companion const crossinline data enum expect
external final infix inline inner internal lateinit noinline open operator out override private protected public
reified sealed suspend tailrec vararg it answered environment feeds session
"""
_RESERVED = frozenset(_KEPT.split())
_OWN = {"InputPorts", "Outputs", "OutputPorts", "Port", "Quantized", "Tensor", "Unit", "String", "List", "Long"}
_OWN_JAVA = {"File", "OnnxJavaType", "OnnxTensor", "OnnxValue", "OrtEnvironment", "OrtSession"}


def _string(text: str) -> str:
    """A literal in ASCII: UTF-16 units in hex, which no reader's character set changes."""
    units = text.encode("utf-16-be", "surrogatepass")
    codes = (int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2))
    plain = (chr(code) if 32 <= code < 127 and code not in b'"\\$' else f"\\u{code:04x}" for code in codes)
    return f'"{"".join(plain)}"'


def _append_provider(provider: str, options: Mapping[str, str]) -> str:
    if provider in _MAPPED:
        pairs = ", ".join(f"{_string(key)} to {_string(value)}" for key, value in sorted(options.items()))
        return f"options.{_MAPPED[provider]}({f'mapOf({pairs})' if pairs else 'emptyMap()'})"
    if provider == _NNAPI:
        return "options.addNnapi()"
    return f"// {provider} is registered by your app: this wrapper has no name for it."


def _create(port: Port, identifier: str, given: str) -> str:
    """The expression that makes a tensor of what was given; `createTensor` copies, for the buffer is not direct."""
    kind = _TYPES[port.dtype]
    shape = f"shapeOf(InputPorts.{identifier}, {given}.values.size, {given}.shape)"
    told = f", OnnxJavaType.{kind.java}" if kind.typed else ""
    return f"OnnxTensor.createTensor(environment, {kind.element}Buffer.wrap({given}.values), {shape}{told})"


def _read(ports: Iterable[Port]) -> list[str]:
    return sorted({_TYPES[port.dtype].element for port in ports})


def _buffers(subject: Subject) -> list[str]:
    return _read(subject.inputs)


def _read_by(subject: Subject) -> list[str]:
    return _read(subject.outputs)


def _artifact(subject: Subject) -> str:
    """What of ONNX Runtime's Maven packages an app takes."""
    return f"com.microsoft.onnxruntime:onnxruntime-android{'-qnn' if _QNN in subject.providers else ''}"


def _json(value: object) -> str:
    return _string(json.dumps(value, sort_keys=True))


def _class(name: str) -> str:
    return identifiers([name], pascal, _OWN | _OWN_JAVA)[name]


KOTLIN = Language(
    name="kotlin",
    title="Kotlin",
    template="kotlin.kt.jinja",
    file=lambda name: f"{_class(name)}.kt",
    style=camel,
    reserved=_RESERVED,
    dtypes=_TYPES,
    filters={
        "append_provider": _append_provider,
        "artifact": _artifact,
        "buffers": _buffers,
        "count_of": math.prod,
        "create": _create,
        "dims": lambda shape: ", ".join("-1" if dim is None else str(dim) for dim in shape),
        "double": repr,
        "element": lambda dtype: _TYPES[dtype].element,
        "java_type": lambda dtype: _TYPES[dtype].java,
        "json_literal": _json,
        "read_by": _read_by,
        "string_literal": _string,
    },
    words={"type": _class},
)
