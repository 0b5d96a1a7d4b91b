"""The Swift wrapper: the real compiler with warnings as errors, a program over a stub of ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.phones import SWIFT
from support.swift import built
from support.wrapped import manifest_only

from edgec.bundle import Bundle
from edgec.compiler.wrap import wrap


def said_by(bundle: Bundle, folder: Path, body: str) -> list[str]:
    """What a program says that has this body, by line."""
    wrap(bundle, "swift", folder, name="faces")
    (folder / "main.swift").write_text(
        "import Foundation\nimport OnnxRuntimeBindings\nlet env = try ORTEnv(loggingLevel: .warning)\n"
        f'let bundle = URL(fileURLWithPath: "/b")\n{body}\n'
    )
    return built(folder, "Faces.swift", "main.swift")


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
    ends = [(name, dtype, [1]) for name, dtype in zip(SWIFT.hard, [*SWIFT.types, *SWIFT.types], strict=False)]
    bundle = manifest_only(
        tmp_path / "b", ends, ends,
        quantized={name: {"dtype": "int4", "scale": 1e-30, "zero_point": -3} for name in SWIFT.hard},
        baked={"*/": SWIFT.baked},
    )  # fmt: skip
    text = SWIFT.text_of(bundle, tmp_path)
    names = [line.split()[3] for line in text.splitlines() if " = Port(name:" in line][: len(SWIFT.hard)]
    shown = ", ".join(f"Faces.InputPorts.{name}.name" for name in names)
    given = ", ".join(f"{name}: .init([1])" for name in names)
    body = (
        "let model = try Faces(env: env, bundle: bundle)\n"
        f'print(try model.run({given}).x.values)\nprint([{shown}].joined(separator: "|"))'
    )
    first, *rest = said_by(bundle, tmp_path, body)
    assert first == "[1]"
    assert "\n".join(rest).split("|") == list(SWIFT.hard)
