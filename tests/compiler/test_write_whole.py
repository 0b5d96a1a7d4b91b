"""Whole or not at all: a disk that is full in the middle leaves the old file, and nothing beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgec.compiler.write_whole import write_whole


def test_nothing_lies_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old, and longer")
    write_whole(file, "größer\n")
    assert file.read_bytes() == "größer\n".encode()
    assert [each.name for each in file.parent.iterdir()] == ["a.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other modes")
def test_others_may_read_it(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.txt", "")
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o644


def test_what_was_there_stays_when_it_cannot_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(file, "new")
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"a.txt": "old"}
