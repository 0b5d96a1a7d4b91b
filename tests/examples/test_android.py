"""The Android sample: its plugin under a real Gradle, its sources by grammar and by compiler.

No Android plugin for Gradle and no Android are to be had here: a stand-in for `app/build.gradle.kts` asks the plugin
for the same model, and stubs stand for what the activity uses.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.android import stand_in
from support.grammar import broken
from support.kotlin import kotlin_classes
from support.wrapped import manifest_only

from edgec.compiler.wrap import wrap

EXAMPLES = Path(__file__).parents[2] / "examples"
ANDROID_STUB = Path(__file__).parents[1] / "support" / "android_stub"


@pytest.mark.parametrize(
    "file", sorted(file.relative_to(EXAMPLES) for file in (EXAMPLES / "android").rglob("*.kt*")), ids=str
)
def test_sources_and_scripts_parse(file: Path) -> None:
    assert broken((EXAMPLES / file).read_text(), "kotlin") == []


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A copy of the sample, its app a stand-in, and of what it compiles."""
    if shutil.which("gradle") is None:
        pytest.skip("no gradle here")
    ignored = shutil.ignore_patterns("out", "build", ".gradle")
    for name in ("android", "digits"):
        shutil.copytree(EXAMPLES / name, tmp_path / name, ignore=ignored)
    sample = tmp_path / "android"
    stand_in(sample, Path(sys.executable).parent / "edgec")
    return sample


def gradle(sample: Path, *, fails: bool = False) -> str:
    run = subprocess.run(
        ["gradle", "--offline", "--no-daemon", "--console=plain", ":app:compileDigitsModel"],
        cwd=sample, env={**os.environ, "GRADLE_USER_HOME": str(sample.parent / "home")},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert (run.returncode != 0) is fails, run.stdout + run.stderr
    return run.stdout + run.stderr


@pytest.mark.slow
def test_touching_the_model_compiles_it_and_nothing_does_nothing(sample: Path) -> None:
    task = ":app:compileDigitsModel"
    assert f"{task} UP-TO-DATE" not in gradle(sample)
    made = sample / "app" / "build" / "edgec" / "digits"
    assert (made / "assets" / "digits" / "model.onnx").exists()
    assert "class Digits " in (made / "kotlin" / "Digits.kt").read_text()
    assert f"{task} UP-TO-DATE" in gradle(sample)
    for touched in ("digits/digits.onnx", "digits/calibration.npz"):
        (sample.parent / touched).touch()
        assert f"{task} UP-TO-DATE" not in gradle(sample)
        assert f"{task} UP-TO-DATE" in gradle(sample)
    project = sample / "edgec.toml"
    good = project.read_text()
    project.write_text(good.replace('size_ratio = "0.4x"', 'size_ratio = "0.01x"'))
    for _ in range(2):  # it stays broken: what failed is not up to date
        assert "size_ratio" in gradle(sample, fails=True)
    project.write_text(good)
    gradle(sample)


@pytest.mark.slow
def test_the_activity_compiles_over_the_wrapper(tmp_path: Path) -> None:
    ends = [("image", "float32", ["N", 1, 24, 24])], [("logits", "float32", ["N", 10])]
    wrapper = wrap(manifest_only(tmp_path / "b", *ends), "kotlin", tmp_path, name="digits")
    activity = next((EXAMPLES / "android").rglob("MainActivity.kt"))
    kotlin_classes(tmp_path, wrapper, activity, stubs=[*ANDROID_STUB.rglob("*.java")])
