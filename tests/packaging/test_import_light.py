"""`import edgec` and `edgec --help` load nothing they do not need."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAVY = {
    "PIL",
    "dask",
    "distributed",
    "onnxruntime",
    "onnxscript",
    "peft",
    "pyarrow",
    "scipy",
    "sympy",
    "torch",
    "transformers",
}


def loaded_by(*arguments: str) -> set[str]:
    """Top-level names a fresh interpreter imports."""
    # -X importtime prints one line "import time: self | cumulative | name" per module, whoever imported it.
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, encoding="utf-8", check=True
    )
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


def test_the_listing_sees_imports() -> None:
    assert {"json", "edgec"} <= loaded_by("-c", "import json, edgec")


def test_import_edgec_loads_only_the_standard_library() -> None:
    # Against an interpreter that imports nothing: an environment may load modules of its own at start.
    extra = loaded_by("-c", "import edgec") - loaded_by("-c", "pass")
    assert extra - set(sys.stdlib_module_names) == {"edgec"}


def test_errors_and_bundle_are_light() -> None:
    assert not loaded_by("-c", "from edgec import Bundle, errors") & (HEAVY | {"numpy", "onnx", "onnx_ir"})


def test_help_loads_nothing_heavy() -> None:
    assert not loaded_by("-m", "edgec", "--help") & (HEAVY | {"onnx", "onnx_ir", "numpy"})


@pytest.mark.slow
def test_help_is_within_three_times_of_its_libraries(tmp_path: Path) -> None:
    def seconds(*arguments: str) -> float:
        def once() -> float:
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], capture_output=True, check=True, cwd=tmp_path)
            return time.perf_counter() - start

        return min(once() for _ in range(5))

    assert seconds("-m", "edgec", "--help") <= 3 * seconds("-c", "import typer, rich")
