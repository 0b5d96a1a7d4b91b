from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgec.runtimes.install.staging import scratch, staged, sweep


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_when_the_block_ends_well(tmp_path: Path) -> None:
    with staged(tmp_path / "home" / "part") as folder:
        (folder / "file").write_text("whole")
        assert not (tmp_path / "home" / "part").exists()
    assert names(tmp_path / "home") == ["part"]
    assert (tmp_path / "home" / "part" / "file").read_text() == "whole"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_when_it_does_not(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with staged(tmp_path / "part") as folder:
            (folder / "file").write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert names(tmp_path) == []


def test_what_was_there_stays_until_it_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "part"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(ValueError, match="no"), staged(target):
        raise ValueError("no")
    assert names(target) == ["old"]
    with staged(target) as folder:
        (folder / "new").touch()
        assert names(target) == ["old"]
    assert names(target) == ["new"]
    assert names(tmp_path) == ["part"]


def test_the_faster_of_two_wins(tmp_path: Path) -> None:
    target = tmp_path / "part"
    with staged(target) as slow:
        (slow / "slow").touch()
        with staged(target) as fast:
            (fast / "fast").touch()
    assert names(target) == ["fast"]
    assert names(tmp_path) == ["part"]


@pytest.mark.skipif(sys.platform == "win32", reason="no locks of folders")
def test_what_a_killed_process_left_is_swept_and_what_runs_is_not(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from edgec.runtimes.install.staging import staged\n"
        "with staged(Path(sys.argv[1]) / 'part') as folder:\n"
        "    (folder / 'half').touch(); print(folder, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        half = Path(process.stdout.readline().strip())
        sweep(tmp_path)
        assert (half / "half").exists()
        os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while names(tmp_path) and time.monotonic() < deadline:
        sweep(tmp_path)
    assert names(tmp_path) == []


def test_a_sweep_spares_what_is_whole(tmp_path: Path) -> None:
    (tmp_path / "emulators").mkdir()
    (tmp_path / ".emulators.abc.part").mkdir()
    with scratch(tmp_path, "mine") as mine:
        sweep(tmp_path)
        assert names(tmp_path) == sorted(["emulators", mine.name])
