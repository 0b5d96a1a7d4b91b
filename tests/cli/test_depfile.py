"""`--depfile`: a build tool learns from `compile` and `build` what a bundle follows from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import edgec as package

OURS = Path(package.__file__)


def rules(file: Path) -> dict[str, set[str]]:
    """Output → sources, of names without blanks; what has no source is left out."""
    lines = file.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    parts = (line.partition(":") for line in lines)
    return {output: set(sources.split()) for output, _, sources in parts if sources.strip()}


def named(folder: Path, *names: str) -> set[str]:
    return {str(OURS), *(str(folder / name) for name in names)}


def test_compile_names_what_it_read(folder: Path, edgec: Callable[..., Any]) -> None:
    words = ("compile", "model.onnx", "--calibration", "calib.npz", "--no-prove", "-o", "made", "--depfile", "made.d")
    assert edgec(*words).code == 0
    assert rules(folder / "made.d") == {"made/manifest.json": named(folder, "model.onnx", "calib.npz")}
    (folder / "edgec.toml").write_text("[compile]\nseed = 1\n", encoding="utf-8")
    assert edgec(*words, "--overwrite", "--evaluation", "eval.npz").code == 0
    wanted = named(folder, "model.onnx", "calib.npz", "eval.npz", "edgec.toml")
    assert rules(folder / "made.d") == {"made/manifest.json": wanted}


def test_build_names_it_for_each_bundle(folder: Path, edgec: Callable[..., Any]) -> None:
    (folder / "edgec.toml").write_text(
        '[model]\npath = "model.onnx"\nname = "faces"\n[calibration]\npath = "calib.npz"\n'
        '[targets.host]\n[targets.small]\ntarget = "host"\nscheme = "w8"\n',
        encoding="utf-8",
    )
    wanted = named(folder, "edgec.toml", "model.onnx", "calib.npz")
    for words in (("--cache-dir", "cache"), ("--cache-dir", "cache")):  # compiled, then from the cache
        assert edgec("build", *words, "--depfile", "deep/build.d").code == 0
        found = rules(folder / "deep" / "build.d")
        assert found == dict.fromkeys(("build/faces/host/manifest.json", "build/faces/small/manifest.json"), wanted)


def test_a_compile_that_fails_leaves_none(folder: Path, edgec: Callable[..., Any]) -> None:
    (folder / "model.onnx").write_bytes(b"no model")
    assert edgec("compile", "model.onnx", "-o", "made", "--depfile", "made.d").code == 2
    assert not (folder / "made.d").exists()
