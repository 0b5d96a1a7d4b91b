"""The output is absent or as it was until the rename."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from edgec.compiler.destination import check_destination, scratch, writing
from edgec.errors import OutputError


def bundle(folder: Path, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(text)


def test_it_appears_whole(tmp_path: Path) -> None:
    with writing(tmp_path / "deep" / "out") as folder:
        bundle(folder, "new")
        assert not (tmp_path / "deep" / "out").exists()
    assert (tmp_path / "deep" / "out" / "manifest.json").read_text() == "new"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]


def fail_while_writing(output: Path, error: BaseException) -> None:
    with writing(output) as folder:
        bundle(folder, "new")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("x")])
def test_an_error_leaves_the_old_one(tmp_path: Path, error: BaseException) -> None:
    bundle(tmp_path / "out", "old")
    with pytest.raises(type(error)):
        fail_while_writing(tmp_path / "out", error)
    assert (tmp_path / "out" / "manifest.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_rename_that_fails_puts_the_old_one_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle(tmp_path / "out", "old")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial"):
            raise OSError(errno.EACCES, "no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError), writing(tmp_path / "out") as folder:
        bundle(folder, "new")
    assert (tmp_path / "out" / "manifest.json").read_text() == "old"


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as error, writing(tmp_path / "out"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(error.value) == (
        f"{tmp_path / 'out'}: cannot be written: the disk is full. Nothing was written. "
        "Free some space, or give -o on another disk."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError) as error:
        check_destination(tmp_path / "file" / "out", overwrite=True)
    assert str(error.value) == (
        f"{tmp_path / 'file' / 'out'}: cannot be created: {tmp_path / 'file'} is not a folder. Give another -o."
    )


def test_a_scratch_is_a_place_of_its_own() -> None:
    assert scratch() != scratch()
