"""docs/apps.md: from an ONNX file and a folder of samples to a checked bundle in an app, in at most ten commands each.

The very lines of the document are typed in an empty environment. What is not here is named by `ELSEWHERE`, and by the
document: an Android SDK, Xcode. In their stead stand the Gradle of Debian over a stand-in for the app's build file, and
Swift over a stub of ONNX Runtime's package. Times: --log-cli-level=INFO.
"""

from __future__ import annotations

import logging
import os
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.android import stand_in
from support.ci_desk import python
from support.newcomer import bring
from support.swift import STUB as SWIFT_STUB
from support.typed import blocks, typed

_log = logging.getLogger(__name__)

PATHS = ("cmake", "npm", "android", "apple")  # in the order of the document
NEEDS = {
    "cmake": ("cmake", "ninja", "g++"),
    "npm": ("npm", "node"),
    "android": ("gradle", "javac"),
    "apple": ("swift",),
}
# What the last commands of two paths want: an Android SDK with a phone, and a Mac.
ELSEWHERE = {"android": ("gradle :app:installDebug",), "apple": ("xcodebuild ",)}
CPP_STUB = Path(__file__).parents[1] / "support" / "onnxruntime_stub"
BUNDLES = {
    "cmake": "app/build/digits.edgec/bundle",
    "npm": "app/dist/model",
    "android": "app/app/build/edgec/digits/assets/digits",
    "apple": "app/.build/plugins/outputs/app/ReadsADigit/destination/EdgecPlugin/digits/digits",
}


@pytest.fixture(scope="module")
def paths(repository: Path) -> dict[str, list[str]]:
    """The commands of each path."""
    return dict(zip(PATHS, blocks(repository / "docs/apps.md"), strict=True))


@pytest.mark.parametrize("name", PATHS)
def test_a_path_has_ten_commands_at_most(name: str, paths: Mapping[str, list[str]]) -> None:
    commands = paths[name]
    assert 1 < len(commands) <= 10
    for command in commands:
        words = shlex.split(command)
        assert words, "a line is a command"
        assert not {"&&", "||", "|", ";", "&"} & set(words), f"{command}: more than one command"
        assert not any(word.endswith(";") for word in words if not word.startswith("s/")), command
    assert commands[0] == "pip install edgec pillow"
    assert commands[1] == f'cp -r "$EXAMPLES/{name}" app'
    (init,) = [shlex.split(command) for command in commands if command.startswith("edgec init ")]
    assert init[2:5] == ["model.onnx", "--samples", "samples"]
    built = next(index for index, command in enumerate(commands) if re.search("build|compile", command))
    checked = next(index for index, command in enumerate(commands) if command.startswith("edgec check "))
    assert built < checked


def test_what_is_not_run_here_is_named(repository: Path, paths: Mapping[str, list[str]]) -> None:
    text = (repository / "docs/apps.md").read_text(encoding="utf-8").partition("## What was run")[2]
    for name, starts in ELSEWHERE.items():
        for command in paths[name]:
            if command.startswith(starts):
                assert f"`{command}`" in text


def root_for_cpp(folder: Path) -> Path:
    """ONNX Runtime for C++: the one EDGEC_ONNXRUNTIME names, else the header of a stub."""
    if "EDGEC_ONNXRUNTIME" in os.environ:
        return Path(os.environ["EDGEC_ONNXRUNTIME"])
    (folder / "onnxruntime").mkdir()
    shutil.copytree(CPP_STUB, folder / "onnxruntime/include")
    return folder / "onnxruntime"


@pytest.mark.slow
@pytest.mark.parametrize("name", PATHS)
def test_a_path_ends_in_a_checked_bundle(
    name: str, paths: Mapping[str, list[str]], repository: Path, digits: Path, wheel: Path, tmp_path: Path
) -> None:
    missing = [tool for tool in NEEDS[name] if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)} here")
    desk = tmp_path / "desk"
    desk.mkdir()
    bring(digits, desk)
    environment = {
        **python(tmp_path, wheel),
        "EXAMPLES": str(repository / "examples"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "ONNXRUNTIME": str(root_for_cpp(tmp_path)),
        "ONNXRUNTIME_PACKAGE": str(SWIFT_STUB),
        "GRADLE_USER_HOME": str(tmp_path / "gradle"),
        "GRADLE_OPTS": "-Dorg.gradle.daemon=false",
    }
    left_out = ELSEWHERE.get(name, ())
    if name == "cmake" and "EDGEC_ONNXRUNTIME" not in os.environ:
        left_out = ("ctest ",)  # a stub reads no digits
    commands = [command for command in paths[name] if not command.startswith(left_out or "\0")]

    def after(command: str, place: Path) -> None:
        if name == "android" and command.startswith("cp "):
            stand_in(place / "app")

    seconds = typed(commands, desk, environment, after=after)
    for command, took in seconds.items():
        _log.info("%6.1f s  %s", took, command)
    _log.info("%6.1f s  %s", sum(seconds.values()), name)
    bundle = desk / BUNDLES[name]
    assert (bundle / "manifest.json").is_file()
    shutil.rmtree(tmp_path)
