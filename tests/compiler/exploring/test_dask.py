"""Trials on a Dask cluster of three processes, one of which is killed while it tries: the same front."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from edgec.compiler.cli.app import run
from edgec.compiler.explore import search
from edgec.compiler.exploring.exploration import Exploration
from edgec.compiler.exploring.trial import SCRATCH
from edgec.errors import HostError

from .conftest import BY, RECIPES

distributed = pytest.importorskip("distributed", reason="needs edgec[dask]")
pytestmark = [
    pytest.mark.torch,  # its environment has Dask
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL"),
    pytest.mark.filterwarnings("ignore"),  # Dask's own
]


@pytest.fixture
def cluster() -> Any:
    """Three workers, a process each."""
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as started:
        yield started


class Killer(threading.Thread):
    """Kills the first process that is seen trying, and remembers what it was at."""

    def __init__(self, trials: Path) -> None:
        super().__init__(daemon=True)
        self.trials, self.killed, self.tried = trials, 0, ""
        self.enough = threading.Event()

    def run(self) -> None:
        while not self.enough.is_set():
            for folder in self.trials.glob(f"{SCRATCH}*"):
                process, key, _ = folder.name.removeprefix(SCRATCH).split("-", 2)
                time.sleep(0.2)  # into the compile
                if folder.exists():
                    os.kill(int(process), signal.SIGKILL)
                    self.killed, self.tried = int(process), key
                    return
            time.sleep(0.005)


def test_one_of_three_workers_is_killed(
    cluster: Any, widths: dict[str, Path], samples: dict[str, Path], found: Exploration, tmp_path: Path
) -> None:
    before = {info["pid"] for info in workers_of(cluster)}
    assert len(before) == 3
    killer = Killer(tmp_path / "search" / "trials")
    killer.start()
    with distributed.Client(cluster) as client:
        here = search(
            widths,
            RECIPES,
            output=tmp_path / "search",
            by=BY,
            executor=client.get_executor(pure=False),
            contract={"accuracy": "90%", "size": "60KB"},
            **samples,
        )
    killer.enough.set()
    killer.join()
    assert killer.killed in before
    # What it was at was made by another.
    (entry,) = (tmp_path / "search" / "trials").glob(f"??/{killer.tried}*")
    assert (entry / "bundle" / "manifest.json").is_file()
    assert [(row.name, row.state, row.values) for row in here.rows] == [
        (row.name, row.state, row.values) for row in found.rows
    ]
    assert (here.front, here.chosen, here.exit_code) == (found.front, found.chosen, 0)


def test_the_address_of_a_scheduler(
    cluster: Any, widths: dict[str, Path], samples: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["search", str(widths["quarter"]), "--recipe", "w8,search=false", "--by", "accuracy,size", "-q"]
    words += ["--calibration", str(samples["calibration"]), "--evaluation", str(samples["evaluation"])]
    assert run([*words, "--dask", cluster.scheduler_address]) == 0
    assert (tmp_path / "search" / "recommended" / "manifest.json").is_file()


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgec.compiler.exploring import cluster as dask

    monkeypatch.setattr(dask, "_PATIENCE", "1s")
    with pytest.raises(HostError) as caught, dask.dask_executor("tcp://127.0.0.1:9"):
        pass
    assert str(caught.value).startswith("--dask tcp://127.0.0.1:9: no scheduler answers: ")
    assert caught.value.exit_code == 3


def workers_of(cluster: Any) -> list[dict[str, Any]]:
    with distributed.Client(cluster) as client:
        return [{"pid": pid} for pid in client.run(os.getpid).values()]
