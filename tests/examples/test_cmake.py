"""The CMake sample: built by Ninja and by Make, again only where something changed, and its own check passes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
STUB = ROOT / "tests" / "support" / "onnxruntime_stub"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cmake") is None or shutil.which("g++") is None, reason="no cmake, or no g++ here"),
]


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A copy of the sample and of what it compiles."""
    for name in ("cmake", "digits"):
        shutil.copytree(EXAMPLES / name, tmp_path / name, ignore=shutil.ignore_patterns("out", "build"))
    return tmp_path / "cmake"


def called(*words: object, fails: bool = False) -> str:
    """What a command said; `edgec` is that of this interpreter."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    run = subprocess.run(
        [str(word) for word in words],
        env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert (run.returncode != 0) is fails, run.stdout + run.stderr
    return run.stdout + run.stderr


def configured(sample: Path, generator: str) -> Path:
    build = sample / "build"
    called(
        "cmake", "-S", sample, "-B", build, "-G", generator, f"-DONNXRUNTIME_INCLUDE={STUB}", "-DONNXRUNTIME_LIBRARY="
    )
    return build


def test_touching_the_model_rebuilds_and_nothing_does_nothing(sample: Path) -> None:
    if shutil.which("ninja") is None:
        pytest.skip("no ninja here")
    build = configured(sample, "Ninja")
    called("cmake", "--build", build)
    header = build / "digits.edgec" / "include" / "digits.hpp"
    first = header.stat().st_mtime_ns
    assert "ninja: no work to do." in called("cmake", "--build", build)
    for touched in ("digits/digits.onnx", "digits/calibration.npz", "cmake/edgec.toml"):
        (sample.parent / touched).touch()
        assert "Compiling model digits for host" in called("cmake", "--build", build)
        assert header.stat().st_mtime_ns > first
        assert "ninja: no work to do." in called("cmake", "--build", build)


def test_make_builds_it_too(sample: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("no make here")
    build = configured(sample, "Unix Makefiles")
    assert "Compiling model digits for host" in called("cmake", "--build", build)
    assert "Compiling model" not in called("cmake", "--build", build)
    (sample.parent / "digits" / "digits.onnx").touch()
    assert "Compiling model digits for host" in called("cmake", "--build", build)


@pytest.mark.parametrize("generator", ["Ninja", "Unix Makefiles"])
def test_a_broken_contract_fails_the_build_until_it_is_mended(sample: Path, generator: str) -> None:
    if shutil.which("ninja" if generator == "Ninja" else "make") is None:
        pytest.skip(f"nothing here builds for {generator}")
    project = sample / "edgec.toml"
    good = project.read_text()
    project.write_text(good.replace('size_ratio = "0.4x"', 'size_ratio = "0.01x"'))
    build = configured(sample, generator)
    for _ in range(2):  # it stays broken: what was written is no output
        assert "size_ratio" in called("cmake", "--build", build, fails=True)
    project.write_text(good)
    called("cmake", "--build", build)


@pytest.mark.skipif("EDGEC_ONNXRUNTIME" not in os.environ, reason="EDGEC_ONNXRUNTIME names no ONNX Runtime for C++")
def test_the_picture_is_a_seven(sample: Path) -> None:
    build = sample / "build"
    called("cmake", "-S", sample, "-B", build, f"-DONNXRUNTIME_ROOT={os.environ['EDGEC_ONNXRUNTIME']}")
    called("cmake", "--build", build)
    assert "100% tests passed" in called("ctest", "--test-dir", build)
