"""Wrappers for phones side by side: what Kotlin and Swift each write for the same bundles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.grammar import broken

from edgec.bundle import Bundle
from edgec.compiler.wrap import wrap

__all__ = ["KOTLIN", "SWIFT", "Phone"]


@dataclass(frozen=True, kw_only=True)
class Phone:
    """One language, and what it makes of the cases.

    Attributes:
        language: As `edgec wrap` calls it.
        title: As messages call it.
        file: Of a bundle called faces.
        hard: Names of any text: of the language's own words, marks and values put into text.
        types: It can hand over.
        refused: It cannot.
        runtime, provider, options: Of a bundle whose facts are all said; `facts` are the lines that say them.
        providers: Provider → the line that asks for it.
        baked: What would end a comment, or put a value into text.
        spelled: Lines that name `hard`.
    """

    language: str
    title: str
    file: str
    hard: tuple[str, ...]
    types: tuple[str, ...]
    refused: tuple[str, ...]
    runtime: str
    provider: str
    options: Mapping[str, str]
    facts: tuple[str, ...]
    providers: Mapping[str, str]
    baked: str
    spelled: tuple[str, ...]

    def text_of(self, bundle: Bundle, folder: Path) -> str:
        """The wrapper's text, whose grammar is right."""
        file = wrap(bundle, self.language, folder, name="faces")
        assert file == folder / self.file
        text = file.read_text(encoding="utf-8")
        assert broken(text, self.language) == []
        return text


KOTLIN = Phone(
    language="kotlin",
    title="Kotlin",
    file="Faces.kt",
    hard=(
        'say "hi"',
        "back\\slash",
        "class",
        "入力",
        "$x ${y}",
        "new\nline",
        "*/",
        "session",
        "x",
        "X",
        "0",
        "it",
        "😀",
    ),
    types=("float32", "float64", "float16", "bfloat16", "bool", "int8", "uint8", "int16", "int32", "int64"),
    refused=("uint16", "uint32", "uint64"),
    runtime="onnxruntime-qnn",
    provider="QNNExecutionProvider",
    options={"soc_model": "57", "backend_type": "htp"},
    facts=(
        "Needs com.microsoft.onnxruntime:onnxruntime-android-qnn, or onnxruntime on a JVM.",
        'val image1 = Port("image.1", OnnxJavaType.FLOAT, listOf(-1, 3, -1), Quantized("uint8", 0.0186, 114))',
        'val scores = Port("scores", OnnxJavaType.INT64, listOf(5))',
        'options.addConfigEntry("session.intra_op.allow_spinning", "0")',
        'options.addQnn(mapOf("backend_type" to "htp", "soc_model" to "57"))',
        'const val ORT_FILE = "model.ort"',
        'const val BAKED = "{\\u0022inputs\\u0022: {\\u0022image.1\\u0022: {\\u0022mean\\u0022: [0.5]}}}"',
        'const val MANIFEST = "DIGEST"',
        "fun open(model: ByteArray",
    ),
    providers={
        "XnnpackExecutionProvider": "options.addXnnpack(emptyMap())",
        "NnapiExecutionProvider": "options.addNnapi()",
        "CoreMLExecutionProvider": "options.addCoreML(emptyMap())",
        "WebGpuExecutionProvider": "options.addWebGPU(emptyMap())",
        "FancyExecutionProvider": "// FancyExecutionProvider is registered by your app: this wrapper has no name "
        "for it.",
    },
    baked="*/ val x $y",
    spelled=('val class_ = Port("class", ', 'val xY = Port("\\u0024x \\u0024{y}", ', '"\\ud83d\\ude00"'),
)  # fmt: skip

SWIFT = Phone(
    language="swift",
    title="Swift",
    file="Faces.swift",
    hard=(
        'say "hi"', "back\\slash", "class", "入力", "\\(x)", "new\nline", "*/", "session", "x", "X", "0", "inout", "😀",
    ),
    types=("float32", "int8", "uint8", "int32", "uint32", "int64", "uint64"),
    refused=("float64", "float16", "bfloat16", "bool", "int16", "uint16"),
    runtime="onnxruntime-objc",
    provider="CoreMLExecutionProvider",
    options={"ModelFormat": "MLProgram", "MLComputeUnits": "ALL"},
    facts=(
        'image1 = Port(name: "image.1", type: .float, shape: [nil, 3, nil], '
        'quantized: Quantized(type: "uint8", scale: 0.0186, zeroPoint: 114))',
        'scores = Port(name: "scores", type: .int64, shape: [5])',
        'try options.addConfigEntry(withKey: "session.intra_op.allow_spinning", value: "0")',
        'try options.appendExecutionProvider("CoreML", '
        'providerOptions: ["MLComputeUnits": "ALL", "ModelFormat": "MLProgram"])',
        'static let ortFile = "model.ort"',
        'static let baked = "{\\u{22}inputs\\u{22}: {\\u{22}image.1\\u{22}: {\\u{22}mean\\u{22}: [0.5]}}}"',
        'static let manifest = "DIGEST"',
    ),
    providers={
        "CoreMLExecutionProvider": 'try options.appendExecutionProvider("CoreML", providerOptions: [:])',
        "XnnpackExecutionProvider": 'try options.appendExecutionProvider("XNNPACK", providerOptions: [:])',
        "WebGpuExecutionProvider": 'try options.appendExecutionProvider("WebGPU", providerOptions: [:])',
        "NnapiExecutionProvider": "// NnapiExecutionProvider is registered by your app: Objective-C has no name "
        "for it.",
    },
    baked="*/ let x \\(y)",
    spelled=('let class_ = Port(name: "class", ', 'Port(name: "\\u{5c}(x)", '),
)  # fmt: skip
