"""The Swift wrapper: its grammar, the real compiler with warnings as errors, a program over a stub of ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.grammar import broken
from support.swift import built
from support.wrapped import manifest_only

from edgec.bundle import Bundle
from edgec.compiler.wrap import wrap
from edgec.errors import BundleError

HARD = ['say "hi"', "back\\slash", "class", "入力", "\\(x)", "new\nline", "*/", "session", "x", "X", "0", "inout", "😀"]
TYPES = ["float32", "int8", "uint8", "int32", "uint32", "int64", "uint64"]


def text_of(bundle: Bundle, folder: Path) -> str:
    file = wrap(bundle, "swift", folder, name="faces")
    assert file == folder / "Faces.swift"
    text = file.read_text()
    assert broken(text, "swift") == []
    return text


def said_by(bundle: Bundle, folder: Path, body: str) -> list[str]:
    """What a program says that has this body, by line."""
    wrap(bundle, "swift", folder, name="faces")
    (folder / "main.swift").write_text(
        "import Foundation\nimport OnnxRuntimeBindings\nlet env = try ORTEnv(loggingLevel: .warning)\n"
        f'let bundle = URL(fileURLWithPath: "/b")\n{body}\n'
    )
    return built(folder, "Faces.swift", "main.swift")


def test_text_says_names_shapes_types_scales_options_and_what_is_baked(tmp_path: Path) -> None:
    bundle = manifest_only(
        tmp_path / "b",
        [("image.1", "float32", ["N", 3, None])],
        [("scores", "int64", [5])],
        quantized={"image.1": {"dtype": "uint8", "scale": 0.0186, "zero_point": 114}},
        session_options={"session.intra_op.allow_spinning": "0"},
        baked={"inputs": {"image.1": {"mean": [0.5]}}},
        ort={"model": "model.ort"},
        target={"name": "iphone-15", "runtime": "onnxruntime-objc", "providers": ["CoreMLExecutionProvider"]},
        provider_options={"CoreMLExecutionProvider": {"ModelFormat": "MLProgram", "MLComputeUnits": "ALL"}},
    )
    text = text_of(bundle, tmp_path)
    for line in (
        'image1 = Port(name: "image.1", type: .float, shape: [nil, 3, nil], '
        'quantized: Quantized(type: "uint8", scale: 0.0186, zeroPoint: 114))',
        'scores = Port(name: "scores", type: .int64, shape: [5])',
        'try options.addConfigEntry(withKey: "session.intra_op.allow_spinning", value: "0")',
        'try options.appendExecutionProvider("CoreML", '
        'providerOptions: ["MLComputeUnits": "ALL", "ModelFormat": "MLProgram"])',
        'static let ortFile = "model.ort"',
        'static let baked = "{\\u{22}inputs\\u{22}: {\\u{22}image.1\\u{22}: {\\u{22}mean\\u{22}: [0.5]}}}"',
        f'static let manifest = "{bundle.digest}"',
    ):
        assert line in text


@pytest.mark.parametrize(
    ("provider", "line"),
    [
        ("CoreMLExecutionProvider", 'try options.appendExecutionProvider("CoreML", providerOptions: [:])'),
        ("XnnpackExecutionProvider", 'try options.appendExecutionProvider("XNNPACK", providerOptions: [:])'),
        ("WebGpuExecutionProvider", 'try options.appendExecutionProvider("WebGPU", providerOptions: [:])'),
        (
            "NnapiExecutionProvider",
            "// NnapiExecutionProvider is registered by your app: Objective-C has no name for it.",
        ),
    ],
)
def test_providers(tmp_path: Path, provider: str, line: str) -> None:
    target = {"name": "t", "runtime": "r", "providers": [provider, "CPUExecutionProvider"]}
    bundle = manifest_only(tmp_path / "b", [("x", "float32", [1])], [("y", "float32", [1])], target=target)
    text = text_of(bundle, tmp_path)
    assert line in text
    assert "CPUExecutionProvider" not in text


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "bool", "int16", "uint16"])
def test_types_objective_c_cannot_hand_over_are_refused(tmp_path: Path, dtype: str) -> None:
    bundle = manifest_only(tmp_path / "b", [("x", dtype, [1])], [("y", "float32", [1])])
    with pytest.raises(BundleError) as error:
        wrap(bundle, "swift", tmp_path, name="faces")
    assert str(error.value) == (
        f"faces: 'x': is of type {dtype}, which a wrapper in Swift cannot hand over. "
        f"Types it can are {', '.join(TYPES)}."
    )


def test_names_of_any_text_parse(tmp_path: Path) -> None:
    ends = [(name, "float32", [1]) for name in HARD]
    bundle = manifest_only(tmp_path / "b", ends, list(reversed(ends)), baked={"*/": "*/ let x \\(y)"})
    text = text_of(bundle, tmp_path)
    assert 'let class_ = Port(name: "class", ' in text
    assert 'Port(name: "\\u{5c}(x)", ' in text
    assert text.isascii()


@pytest.mark.slow
def test_a_run_checks_what_it_is_given(tmp_path: Path) -> None:
    bundle = manifest_only(
        tmp_path / "b",
        [("x", "float32", ["N", 2])],
        [("y", "float32", ["N", 2])],
        session_options={"a.b": "1"},
        target={"name": "p", "runtime": "onnxruntime-objc", "providers": ["CoreMLExecutionProvider"]},
        provider_options={"CoreMLExecutionProvider": {"ModelFormat": "MLProgram"}},
    )
    said = said_by(
        bundle,
        tmp_path,
        """
        let options = try Faces.options()
        try options.setIntraOpNumThreads(2)
        let model = try Faces(env: env, bundle: bundle, options: options)
        let values: [Float] = [1, 2, 3, 4, 5, 6]
        let y = try model.run(x: .init(values)).y
        print(y.shape, y.values)
        for shape in [[3, 2], [2, 3], [6], [-1, 2]] {
            do { print(try model.run(x: .init(values, shape: shape)).y.values.count) }
            catch { print(error.localizedDescription) }
        }
        do { _ = try model.run(x: .init([1])) } catch { print(error.localizedDescription) }
        print(model.session.log)
        print(try Faces(env: env, bundle: bundle).session.log)
        """,
    )
    takes = "input x takes [?, 2], not 6 values of"
    options = '"a.b=1", "CoreML [\\"ModelFormat=MLProgram\\"]"'
    assert said == [
        "[3, 2] [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]",
        "6",
        f"{takes} [2, 3]",
        f"{takes} [6]",
        f"{takes} [?, 2]",
        "input x takes [?, 2], not 1 values",
        f'["/b/model.onnx", {options}, "threads=2", "x [3, 2]", "x [3, 2]"]',
        f'["/b/model.onnx", {options}]',
    ]


@pytest.mark.slow
def test_state_is_fed_back_and_can_be_forgotten(tmp_path: Path) -> None:
    bundle = manifest_only(
        tmp_path / "b",
        [("a", "float32", [None]), ("past", "int64", [1, None])],
        [("y", "float32", [None]), ("z", "int64", [1, None])],
        state={"past": "z"},
        start={"past": np.zeros((1, 3), np.int64)},
    )
    said = said_by(
        bundle,
        tmp_path,
        """
        let model = try Faces(env: env, bundle: bundle)  // the stub answers y with a, z with past
        print(try model.run(a: .init([7])).y.values)
        print(try model.run(a: .init([8, 9])).y.values)
        try model.reset()
        print(model.session.log)
        """,
    )
    assert said == ["[7.0]", "[8.0, 9.0]", '["/b/model.onnx", "a [1], past [1, 3]", "a [2], past [1, 3]"]']


@pytest.mark.slow
def test_names_of_any_text_and_every_type(tmp_path: Path) -> None:
    ends = [(name, dtype, [1]) for name, dtype in zip(HARD, [*TYPES, *TYPES], strict=False)]
    bundle = manifest_only(
        tmp_path / "b", ends, ends,
        quantized={name: {"dtype": "int4", "scale": 1e-30, "zero_point": -3} for name in HARD},
        baked={"*/": "*/ let x \\(y)"},
    )  # fmt: skip
    text = text_of(bundle, tmp_path)
    names = [line.split()[3] for line in text.splitlines() if " = Port(name:" in line][: len(HARD)]
    shown = ", ".join(f"Faces.InputPorts.{name}.name" for name in names)
    given = ", ".join(f"{name}: .init([1])" for name in names)
    body = (
        "let model = try Faces(env: env, bundle: bundle)\n"
        f'print(try model.run({given}).x.values)\nprint([{shown}].joined(separator: "|"))'
    )
    first, *rest = said_by(bundle, tmp_path, body)
    assert first == "[1]"
    assert "\n".join(rest).split("|") == HARD
