"""TypeScript, over onnxruntime-common: one wrapper for onnxruntime-web, -node and -react-native."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from .language import Language
from .names import camel, identifiers, pascal
from .subject import Port, Subject

__all__ = ["TYPESCRIPT"]

# numpy's name → `Tensor.Type`, what holds its values (onnxruntime-common, tensor.ts); half floats are their bits.
_TYPES = {
    "float32": ("float32", "Float32Array"),
    "float64": ("float64", "Float64Array"),
    "float16": ("float16", "Uint16Array"),
    "bool": ("bool", "Uint8Array"),
    "int8": ("int8", "Int8Array"),
    "uint8": ("uint8", "Uint8Array"),
    "int16": ("int16", "Int16Array"),
    "uint16": ("uint16", "Uint16Array"),
    "int32": ("int32", "Int32Array"),
    "uint32": ("uint32", "Uint32Array"),
    "int64": ("int64", "BigInt64Array"),
    "uint64": ("uint64", "BigUint64Array"),
}

# Names of execution providers in JavaScript (onnxruntime-common, inference-session.ts). The CPU is what each package
# falls back to by itself, by a name of its own.
_PROVIDERS = {
    "WebGpuExecutionProvider": "webgpu",
    "XnnpackExecutionProvider": "xnnpack",
    "QNNExecutionProvider": "qnn",
    "CoreMLExecutionProvider": "coreml",
    "NnapiExecutionProvider": "nnapi",
    "CUDAExecutionProvider": "cuda",
    "TensorrtExecutionProvider": "tensorrt",
}

_KEPT = """
await break case catch class const constructor continue debugger default delete do else enum export extends false
finally for function if implements import in instanceof interface let new null package private protected public return
static super switch this throw true try typeof var void while with yield arguments eval prototype
"""
_RESERVED = frozenset(_KEPT.split())


def _string(text: str) -> str:
    """A literal in ASCII; JSON's are JavaScript's."""
    return json.dumps(text)


def _provider_names(providers: Iterable[str]) -> list[str]:
    return [_PROVIDERS[provider] for provider in providers if provider in _PROVIDERS]


def _options_by_name(subject: Subject) -> dict[str, Mapping[str, str]]:
    return {
        _PROVIDERS[provider]: options
        for provider, options in subject.provider_options.items()
        if provider in _PROVIDERS and options
    }


def _nested(options: Mapping[str, str]) -> dict[str, Any]:
    """`{"session.a": "1"}` as `{"session": {"a": "1"}}`: how `extra` writes config entries."""
    tree: dict[str, Any] = {}
    for key, value in options.items():
        *above, last = key.split(".")
        branch = tree
        for part in above:
            branch = branch.setdefault(part, {})
        branch[last] = value
    return tree


def _carried_dtypes(state: Iterable[tuple[Port, Port]]) -> list[str]:
    return sorted({port.dtype for _, port in state})


def _type(name: str) -> str:
    return identifiers([name], pascal, {"Inputs", "Outputs", "Port", "Runtime", "Values", "ORT"})[name]


TYPESCRIPT = Language(
    name="typescript",
    title="TypeScript",
    template="typescript.ts.jinja",
    file=lambda name: f"{name}.ts",
    style=camel,
    reserved=_RESERVED,
    dtypes=_TYPES,
    filters={
        "carried_dtypes": _carried_dtypes,
        "dims": lambda shape: ", ".join("null" if dim is None else str(dim) for dim in shape),
        "double": repr,
        "element": lambda dtype: _TYPES[dtype][0],
        "json": lambda value: json.dumps(value, sort_keys=True),
        "nested": _nested,
        "options_by_name": _options_by_name,
        "provider_names": _provider_names,
        "storage": lambda dtype: _TYPES[dtype][1],
        "string_literal": _string,
    },
    words={"type": _type},
)
