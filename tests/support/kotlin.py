"""The Kotlin compiler, where there is one: on the path, or in the package of the Jupyter kernel, which ships it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

__all__ = ["STUB", "kotlin_classes", "ran"]

STUB = Path(__file__).parent / "onnxruntime_java_stub"
_COMPILER = "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"


def _command(*words: object, where: Path) -> str:
    run = subprocess.run(
        [str(word) for word in words], cwd=where, capture_output=True, text=True, timeout=600, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def _jars() -> list[Path]:
    """The compiler and its library; skips where neither can be had."""
    if shutil.which("javac") is None:
        pytest.skip("no JDK here")
    found = importlib.util.find_spec("run_kotlin_kernel")
    if found is None or found.origin is None:
        pytest.skip("no Kotlin compiler here: `pip install --no-deps kotlin-jupyter-kernel` brings one")
    return sorted((Path(found.origin).parent / "jars").glob("*.jar"))


def kotlin_classes(folder: Path, *sources: Path, stubs: Iterable[Path] = ()) -> str:
    """Compile Kotlin over the stub of ONNX Runtime, and other stubs in Java; every warning is an error.

    Returns:
        The class path it runs with.
    """
    jars = _jars()
    library = next(jar for jar in jars if jar.name.startswith("kotlin-stdlib"))
    classes = folder / "classes"
    _command("javac", "-d", classes, *STUB.rglob("*.java"), *stubs, where=folder)
    path = os.pathsep.join((str(classes), str(library)))
    _command(
        "java", "-Xmx1g", "-cp", os.pathsep.join(map(str, jars)), _COMPILER,
        "-no-stdlib", "-no-reflect", "-Werror", "-classpath", path, "-d", classes, *sources, where=folder,
    )  # fmt: skip
    return path


def ran(path: str, folder: Path) -> list[str]:
    """What `main` of `Main.kt` says, by line."""
    return _command("java", "-cp", path, "MainKt", where=folder).splitlines()
