"""Depfiles: every file a bundle follows from, in the syntax of Make, as Make and Ninja themselves read it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.protos import proto

import edgec
from edgec.compiler.depfile import sources_of, write_depfile
from edgec.compiler.request import CompileRequest
from edgec.errors import OutputError

PACKAGE = Path(edgec.__file__)
HARD = ("plain.npz", "two words.npz", "a#b.npz", "c$d.npz", "back\\ slash.npz", "e\\\\#f.npz", "g\\h.npz", "%i.npz")


def external(folder: Path) -> Path:
    model = proto(
        "g (float[1, 4] x) => (float[1, 4] y) { y = Mul(x, w) }",
        opset=17,
        ir_version=8,
        w=np.ones((1, 4), np.float32),
    )
    path = folder / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


def test_model_weights_samples_target_and_recipe_count(tmp_path: Path) -> None:
    model = external(tmp_path)
    images = tmp_path / "images"
    (images / "cats").mkdir(parents=True)
    (images / "cats" / "1.npy").write_bytes(b"")
    for name in ("eval.npz", "board.toml", "recipe.lock", "edgec.toml"):
        (tmp_path / name).write_bytes(b"")
    request = CompileRequest(
        model=model,
        target=tmp_path / "board.toml",
        calibration=images,
        evaluation=str(tmp_path / "eval.npz"),
        recipe=tmp_path / "recipe.lock",
    )
    assert set(sources_of(request, tmp_path / "edgec.toml")) == {
        PACKAGE,
        model,
        tmp_path / "weights.bin",
        images,
        images / "cats",
        images / "cats" / "1.npy",
        *(tmp_path / name for name in ("eval.npz", "board.toml", "recipe.lock", "edgec.toml")),
    }


def test_samples_that_are_code_count_by_their_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = external(tmp_path)
    (tmp_path / "feeds_of_mine.py").write_text("def feeds(): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "feeds_of_mine.py"
    for data in (f"{file}:feeds", "feeds_of_mine:feeds"):
        assert file in sources_of(CompileRequest(model=model, calibration=data))
    for data in ([{"x": np.ones((1, 4), np.float32)}], "no_such_module:feeds", "no.such:feeds"):
        names = {path.name for path in sources_of(CompileRequest(model=model, calibration=data))}
        assert names == {"__init__.py", "model.onnx", "weights.bin"}


def test_the_text_is_that_of_a_compiler(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "out.d"
    write_depfile(file, {Path("out/manifest.json"): [Path("/a b"), Path("/c")], Path("o2"): [Path("/c")]})
    assert file.read_text() == "out/manifest.json: \\\n  /a\\ b \\\n  /c\no2: \\\n  /c\n/a\\ b:\n/c:\n"
    assert [path.name for path in file.parent.iterdir()] == ["out.d"]


def test_a_place_that_takes_no_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError) as caught:
        write_depfile(tmp_path / "file" / "out.d", {})
    assert str(caught.value) == f"--depfile {tmp_path}/file/out.d: cannot be written: File exists. Name another file."


def ninja(folder: Path) -> str:
    run = subprocess.run(["ninja", "-C", folder], capture_output=True, text=True, timeout=60, check=True)
    return run.stdout.splitlines()[-1]


@pytest.mark.parametrize("name", HARD)
def test_make_reads_every_name(tmp_path: Path, name: str) -> None:
    """GNU Make rebuilds for a source with that name, and for nothing else; so does Ninja where it is installed."""
    if shutil.which("make") is None:
        pytest.skip("no make here")
    source = tmp_path / name
    source.write_text("")
    write_depfile(tmp_path / "out.d", {Path("out"): [source]})
    (tmp_path / "Makefile").write_text("out:\n\techo made >> log\n\ttouch out\n-include out.d\n")

    def make() -> int:
        subprocess.run(["make", "-s", "-C", tmp_path, "out"], capture_output=True, timeout=60, check=True)
        return len((tmp_path / "log").read_text().splitlines())

    assert make() == 1
    assert make() == 1
    later = (tmp_path / "out").stat().st_mtime_ns + 10**9
    os.utime(source, ns=(later, later))
    assert make() == 2
    if "%" not in name:
        source.unlink()
        assert make() == 3  # gone: made again, and no error


@pytest.mark.parametrize("name", [each for each in HARD if "\\" not in each])
def test_ninja_reads_every_name(tmp_path: Path, name: str) -> None:
    if shutil.which("ninja") is None:
        pytest.skip("no ninja here")
    source = tmp_path / name
    source.write_text("")
    write_depfile(tmp_path / "given.d", {Path("out"): [source]})
    (tmp_path / "build.ninja").write_text(
        "rule copy\n  command = cp given.d out.d && echo made >> log && touch out\n  depfile = out.d\nbuild out: copy\n"
    )
    assert "no work" not in ninja(tmp_path)
    assert ninja(tmp_path) == "ninja: no work to do."
    later = (tmp_path / "out").stat().st_mtime_ns + 10**9
    os.utime(source, ns=(later, later))
    assert "no work" not in ninja(tmp_path)
    assert len((tmp_path / "log").read_text().splitlines()) == 2
