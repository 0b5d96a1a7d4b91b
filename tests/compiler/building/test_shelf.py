"""Finished bundles, kept whole or not at all."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgec.bundle import MANIFEST, Bundle
from edgec.compiler.building.shelf import Shelf

KEY = "ab" + "0" * 62


def made(folder: Path, size: int = 10) -> Bundle:
    """A folder that opens as a bundle."""
    (folder / "proof").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(bytes(range(256)) * size)
    (folder / "proof" / "verdict.json").write_text("{}", encoding="utf-8")
    values: dict[str, object] = {"schema_version": "1", "edgec": "", "model": "model.onnx", "scheme": ""}
    values |= {name: {} for name in ("files", "target", "source", "samples", "versions", "session_options", "state")}
    values |= {name: [] for name in ("inputs", "outputs", "notes")}
    (folder / MANIFEST).write_text(json.dumps(values), encoding="utf-8")
    return Bundle.open(folder)


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_what_is_kept_comes_out_as_it_was(tmp_path: Path) -> None:
    shelf = Shelf(folder=tmp_path / "cache", limit=1 << 20)
    bundle = made(tmp_path / "made")
    assert shelf.take(KEY, tmp_path / "out") is None
    shelf.keep(KEY, bundle)
    taken = shelf.take(KEY, tmp_path / "out")
    assert taken is not None
    assert taken.path == tmp_path / "out"
    assert contents(tmp_path / "out") == contents(tmp_path / "made")
    assert shelf.take("ab" + "1" * 62, tmp_path / "other") is None
    assert not (tmp_path / "other").exists()


def test_what_is_kept_is_found_where_it_lies(tmp_path: Path) -> None:
    shelf = Shelf(folder=tmp_path / "cache", limit=1 << 20)
    assert shelf.find(KEY) is None
    shelf.keep(KEY, made(tmp_path / "made"))
    found = shelf.find(KEY)
    assert found is not None
    assert found.path.is_relative_to(tmp_path / "cache")
    assert contents(found.path) == contents(tmp_path / "made")
    (found.path / "model.onnx").write_bytes(b"altered")
    assert shelf.find(KEY) is None
    assert not shelf.holds(KEY)  # it is gone


def test_an_output_that_is_it_already_is_left_alone(tmp_path: Path) -> None:
    shelf = Shelf(folder=tmp_path / "cache", limit=1 << 20)
    shelf.keep(KEY, made(tmp_path / "made"))
    shelf.take(KEY, tmp_path / "out")
    before = (tmp_path / "out" / MANIFEST).stat()
    shelf.take(KEY, tmp_path / "out")
    assert (tmp_path / "out" / MANIFEST).stat().st_ino == before.st_ino
    (tmp_path / "out" / "proof" / "verdict.json").write_text("[]", encoding="utf-8")
    shelf.take(KEY, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "made")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), chosen=st.integers(0, 99))
def test_one_flipped_bit_is_found(
    tmp_path_factory: pytest.TempPathFactory, place: float, bit: int, chosen: int
) -> None:
    """In the list or in a file: the entry counts as missing, goes, and the output is as it was."""
    folder = tmp_path_factory.mktemp("shelf")
    shelf = Shelf(folder=folder / "cache", limit=1 << 20)
    shelf.keep(KEY, made(folder / "made", size=1))
    files = sorted(file for file in (folder / "cache").rglob("*") if file.is_file() and file.stat().st_size)
    file = files[chosen % len(files)]
    raw = bytearray(file.read_bytes())
    raw[int(place * len(raw))] ^= 1 << bit
    file.write_bytes(raw)
    taken = shelf.take(KEY, folder / "out")
    if taken is None:
        assert not (folder / "out").exists()
        assert list((folder / "cache").glob("*/*")) == []
    else:  # white space in the list, say
        assert contents(folder / "out") == contents(folder / "made")


def test_what_was_used_longest_ago_goes(tmp_path: Path) -> None:
    shelf = Shelf(folder=tmp_path / "cache", limit=3 * 2560 + 3000)
    keys = [f"{number:02x}" + "0" * 62 for number in range(4)]
    for number, key in enumerate(keys[:3]):
        shelf.keep(key, made(tmp_path / f"made{number}"))
        os.utime(tmp_path / "cache" / key[:2] / key, (number, number))
    assert shelf.take(keys[0], tmp_path / "out") is not None  # now the one used last
    shelf.keep(keys[3], made(tmp_path / "made3"))
    left = {entry.name for entry in (tmp_path / "cache").glob("??/*")}
    assert keys[1] not in left
    assert {keys[0], keys[3]} <= left


def test_what_a_killed_build_left_goes_after_a_day(tmp_path: Path) -> None:
    shelf = Shelf(folder=tmp_path / "cache", limit=1 << 20)
    for name, age in ((".new-1", 25), (".new-2", 1)):
        (tmp_path / "cache" / name).mkdir(parents=True)
        then = time.time() - age * 3600
        os.utime(tmp_path / "cache" / name, (then, then))
    shelf.keep(KEY, made(tmp_path / "made"))
    assert not (tmp_path / "cache/.new-1").exists()
    assert (tmp_path / "cache/.new-2").exists()


def test_a_cache_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file", encoding="utf-8")
    Shelf(folder=tmp_path / "cache", limit=1 << 20).keep(KEY, made(tmp_path / "made"))
    assert (tmp_path / "cache").read_text(encoding="utf-8") == "a file"
