"""The Kotlin wrapper: the real compiler with warnings as errors, and a JVM over a stub of ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.kotlin import kotlin_classes, ran
from support.phones import KOTLIN
from support.wrapped import manifest_only

from edgec.bundle import Bundle
from edgec.compiler.wrap import wrap


def said_by(bundle: Bundle, folder: Path, body: str) -> list[str]:
    """What a program says that has this body, by line; it closes all that it opened."""
    wrap(bundle, "kotlin", folder, name="faces")
    (folder / "Main.kt").write_text(
        "import ai.onnxruntime.OnnxTensor\nimport ai.onnxruntime.OrtSession\n"
        "import edgec.Faces\nimport edgec.Faces.Tensor\nimport java.io.File\n"
        f"fun main() {{\n{body}\ncheck(OnnxTensor.open == 0 && OrtSession.open == 0) {{ OnnxTensor.open }}\n}}\n"
    )
    return ran(kotlin_classes(folder, folder / "Faces.kt", folder / "Main.kt"), folder)


@pytest.mark.parametrize(
    "said", [{"beside": {"model.onnx.data": b""}}, {"context": {"model": "c", "binaries": ["c.bin"]}}]
)
def test_a_model_with_files_beside_it_opens_from_its_folder_alone(tmp_path: Path, said: dict[str, Any]) -> None:
    bundle = manifest_only(tmp_path / "b", [("x", "float32", [1])], [("y", "float32", [1])], **said)
    assert "ByteArray" not in KOTLIN.text_of(bundle, tmp_path)


@pytest.mark.slow
def test_a_run_on_the_jvm_checks_what_it_is_given_and_closes_all(tmp_path: Path) -> None:
    bundle = manifest_only(
        tmp_path / "b",
        [("x", "float32", ["N", 2]), ("done", "bool", [])],
        [("y", "float32", ["N", 2]), ("z", "bool", [])],
        session_options={"a.b": "$1"},
        target={"name": "p", "runtime": "onnxruntime-xnnpack", "providers": ["XnnpackExecutionProvider"]},
    )
    said = said_by(
        bundle,
        tmp_path,
        """
        val values = floatArrayOf(1f, 2f, 3f, 4f, 5f, 6f)
        val done = Tensor(byteArrayOf(1))
        Faces.open(File("bundle")) { setIntraOpNumThreads(2) }.use { model ->
            val (y, z) = model.run(x = Tensor(values), done = done).let { it.y to it.z }
            println("${y.shape.asList()} ${y.values.asList()} ${z.shape.asList()} ${z.values.asList()}")
            for (shape in listOf(longArrayOf(3, 2), longArrayOf(2, 3), longArrayOf(6), longArrayOf(-1, 2)))
                try { println(model.run(Tensor(values, *shape), done).y.values.size) }
                catch (error: IllegalArgumentException) { println(error.message) }
            try { model.run(Tensor(values), Tensor(byteArrayOf(1, 0))) }
            catch (error: IllegalArgumentException) { println("${error.message}, ${OnnxTensor.open} open") }
            try { model.run(Tensor(values.copyOf(5)), done) }
            catch (error: IllegalArgumentException) { println(error.message) }
        }
        Faces.open(ByteArray(3)).use { }
        OrtSession.log.filterNot { "->" in it }.forEach(::println)
        println(OrtSession.log[1])
        """,
    )
    assert said == [
        "[3, 2] [1.0, 2.0, 3.0, 4.0, 5.0, 6.0] [] [1]",
        "6",
        "input x takes [?, 2], not 6 values of [2, 3]",
        "input x takes [?, 2], not 6 values of [6]",
        "input x takes [?, 2], not 6 values of [?, 2]",
        "input done takes [], not 2 values, 0 open",
        "input x takes [?, 2], not 5 values",
        "bundle/model.onnx [a.b=$1, XNNPACK{}, threads=2]",
        "3 bytes [a.b=$1, XNNPACK{}]",
        "xFLOAT[3, 2] doneBOOL[] -> y z",
    ]


@pytest.mark.slow
def test_state_is_fed_back_and_can_be_forgotten_on_the_jvm(tmp_path: Path) -> None:
    bundle = manifest_only(
        tmp_path / "b",
        [("x", "float32", [None]), ("past", "float32", [None])],
        [("present", "float32", [None]), ("y", "float32", [None])],
        state={"past": "present"},
        start={"past": np.zeros(1, np.float32)},
    )
    said = said_by(
        bundle,
        tmp_path,
        """
        Faces.open(File("bundle")).use { model ->  // the stub answers y with x, present with past
            model.run(x = Tensor(floatArrayOf(7f, 8f)))
            println(model.run(x = Tensor(floatArrayOf(9f))).y.values.asList())
            model.reset()
            model.run(x = Tensor(floatArrayOf(7f)))
        }
        OrtSession.log.drop(1).forEach(::println)
        """,
    )
    fed = "xFLOAT[{}] pastFLOAT[1] -> y present"
    assert said == ["[9.0]", fed.format(2), fed.format(1), fed.format(1)]
    assert "fun run(x: Tensor<FloatArray>): Outputs" in (tmp_path / "Faces.kt").read_text()


@pytest.mark.slow
def test_names_of_any_text_and_every_type_on_the_jvm(tmp_path: Path) -> None:
    ends = [
        (name, dtype, [1])
        for name, dtype in zip(KOTLIN.hard, [*KOTLIN.types, "float32", "float32", "float32"], strict=True)
    ]
    bundle = manifest_only(
        tmp_path / "b", ends, ends,
        quantized={name: {"dtype": "int4", "scale": 1e-30, "zero_point": -3} for name in KOTLIN.hard},
        baked={"*/": KOTLIN.baked},
    )  # fmt: skip
    text = KOTLIN.text_of(bundle, tmp_path)
    names = [line.split()[1] for line in text.splitlines() if line.strip().startswith("val ") and " = Port(" in line]
    one = {"Float": "1f", "Double": "1.0", "Long": "1L"}
    kinds = ["Float", "Double", *["Short"] * 2, *["Byte"] * 3, "Short", "Int", "Long", *["Float"] * 3]
    made = ", ".join(f"Tensor({kind}Array(1) {{ {one.get(kind, '1')} }})" for kind in kinds)
    show = "\n".join(f"print(Faces.InputPorts.{name}.name + '|')" for name in names[: len(KOTLIN.hard)])
    body = f'Faces.open(File("b")).use {{ println(it.run({made}).x.values[0]) }}\n{show}'
    first, *rest = said_by(bundle, tmp_path, body)
    assert first == "1"
    assert "\n".join(rest).split("|")[:-1] == list(KOTLIN.hard)
