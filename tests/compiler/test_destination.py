"""The output is absent or as it was until the rename."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgec.compiler.destination import check_destination, scratch, writing
from edgec.errors import OutputError

WRITE = """
import os, signal, sys, time
from pathlib import Path
from edgec.compiler.destination import writing
rename = Path.rename
def killed(self, target):
    if self.name.endswith(".partial"):
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
if sys.argv[2] == "between":
    Path.rename = killed
with writing(Path(sys.argv[1])) as folder:
    (folder / "manifest.json").write_text("new")
    if sys.argv[2] == "inside":
        print(folder.name, flush=True)
        time.sleep(600)
"""
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL and no locks on folders")


@contextmanager
def compiling(output: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that writes to an output and does not end, with the name of its folder."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITE, str(output), "inside"], stdout=subprocess.PIPE, text=True
    ) as run:
        try:
            assert run.stdout is not None
            yield run, run.stdout.readline().strip()
        finally:
            run.kill()


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


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@posix
def test_what_a_killed_compile_left_is_swept(tmp_path: Path) -> None:
    with compiling(tmp_path / "out") as (run, left):
        assert names(tmp_path) == {left}
        run.send_signal(signal.SIGKILL)
        run.wait()
    assert names(tmp_path) == {left}
    with writing(tmp_path / "other") as folder:
        bundle(folder, "x")
    assert left in names(tmp_path)  # another output's
    check_destination(tmp_path / "out", overwrite=False)
    assert names(tmp_path) == {"other"}


@posix
def test_that_of_a_compile_that_runs_stays(tmp_path: Path) -> None:
    with compiling(tmp_path / "out") as (_, running):
        with writing(tmp_path / "out") as folder:
            bundle(folder, "mine")
        assert names(tmp_path) == {"out", running}
    with writing(tmp_path / "out") as folder:
        assert names(tmp_path) == {"out", folder.name}
        bundle(folder, "again")
    assert (tmp_path / "out" / "manifest.json").read_text() == "again"


@posix
def test_what_was_set_aside_by_a_killed_compile_comes_back(tmp_path: Path) -> None:
    """It died between its two renames: there is no bundle of that name any more."""
    bundle(tmp_path / "out", "old")
    died = subprocess.run([sys.executable, "-c", WRITE, str(tmp_path / "out"), "between"])
    assert died.returncode == -signal.SIGKILL
    assert "out" not in names(tmp_path)
    with pytest.raises(OutputError):
        check_destination(tmp_path / "out", overwrite=False)
    assert names(tmp_path) == {"out"}
    assert (tmp_path / "out" / "manifest.json").read_text() == "old"


@posix
def test_what_was_set_aside_goes_when_the_new_one_came(tmp_path: Path) -> None:
    bundle(tmp_path / "out", "new")
    bundle(tmp_path / ".out.abcdefgh.old", "old")
    check_destination(tmp_path / "out", overwrite=True)
    assert names(tmp_path) == {"out"}


@posix
def test_names_that_only_resemble_stay(tmp_path: Path) -> None:
    kept = {".out.b.abcdefgh.partial", ".out.short.partial", "out.abcdefgh.partial", ".outs.abcdefgh.partial"}
    for name in kept:
        (tmp_path / name).mkdir()
    check_destination(tmp_path / "out", overwrite=False)
    assert names(tmp_path) == kept


def test_without_locks_a_day_must_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgec.compiler.leftovers.sys.platform", "win32")
    left = tmp_path / ".out.abcdefgh.partial"
    left.mkdir()
    check_destination(tmp_path / "out", overwrite=False)
    assert left.is_dir()
    os.utime(left, (time.time() - 90_000,) * 2)
    check_destination(tmp_path / "out", overwrite=False)
    assert not left.exists()


@posix
def test_a_file_system_that_knows_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refuse(*_: int) -> None:
        raise OSError(errno.EBADF, "no")

    monkeypatch.setattr(fcntl, "flock", refuse)
    left = tmp_path / ".out.abcdefgh.partial"
    left.mkdir()
    with writing(tmp_path / "out") as folder:
        bundle(folder, "new")
    assert names(tmp_path) == {"out", left.name}
