"""Builds: every target of every project, from the cache where it is there."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgec.bundle import Bundle
from edgec.compiler import build_project
from edgec.compiler.build_project import BuildOptions, build_one, build_projects, exit_code_of
from edgec.compiler.building.job import Job
from edgec.compiler.building.outcome import Outcome


def payload(folder: Path) -> dict[str, bytes]:
    """The bytes of all files but proofs, which are dated."""
    files = ((file.relative_to(folder), file) for file in sorted(folder.rglob("*")) if file.is_file())
    return {name.as_posix(): file.read_bytes() for name, file in files if "proof" not in name.parts}


def build(project: Path, output: str = "build", **options: Any) -> list[Outcome]:
    folder = project.parent
    return build_projects([project], folder / output, options=BuildOptions(cache_dir=folder / "cache", **options))


def test_first_compiled_then_taken_from_the_cache(project: Path) -> None:
    first = build(project)
    assert [(outcome.job.name, outcome.exit_code, outcome.cached) for outcome in first] == [
        ("faces/host", 0, False), ("faces/small", 0, False),
    ]  # fmt: skip
    assert [outcome.bundle and outcome.bundle.relative_to(project.parent).as_posix() for outcome in first] == [
        "build/faces/host", "build/faces/small",
    ]  # fmt: skip
    second = build(project, "again")
    assert [outcome.cached for outcome in second] == [True, True]
    assert [outcome.verdict for outcome in second] == [outcome.verdict for outcome in first]
    assert payload(project.parent / "again") == payload(project.parent / "build")
    for outcome in second:
        assert outcome.bundle is not None
        Bundle.open(outcome.bundle).verify()


def test_without_the_cache(project: Path) -> None:
    build(project, cache=False)
    assert not (project.parent / "cache").exists()
    assert [outcome.cached for outcome in build(project, cache=False)] == [False, False]


def test_what_changed_is_compiled_again(project: Path) -> None:
    build(project)
    text = project.read_text(encoding="utf-8").replace('scheme = "w8"', 'scheme = "w8"\nseed = 1')
    project.write_text(text, encoding="utf-8")
    assert [outcome.cached for outcome in build(project)] == [True, False]


def test_in_processes_the_same_bytes(project: Path) -> None:
    build(project, "one", cache=False)
    outcomes = build(project, "two", jobs=2)
    assert [outcome.exit_code for outcome in outcomes] == [0, 0]
    assert payload(project.parent / "two") == payload(project.parent / "one")
    assert [outcome.cached for outcome in build(project, "three")] == [True, True]


def test_one_that_fails_stops_no_other(project: Path) -> None:
    text = project.read_text(encoding="utf-8")
    project.write_text(text + '[targets.nowhere]\n[targets.strict]\ntarget = "host"\n[targets.strict.contract]\n'
                       'size_ratio = "0.01x"\n', encoding="utf-8")  # fmt: skip
    outcomes = build(project)
    assert [outcome.exit_code for outcome in outcomes] == [0, 0, 2, 16]
    assert outcomes[2].bundle is None
    assert outcomes[2].error.startswith("target 'nowhere': is not known")
    assert outcomes[3].verdict is not None
    assert outcomes[3].verdict["word"] == "broken"
    # A broken verdict is measured again.
    assert [outcome.cached for outcome in build(project)] == [True, True, False, False]


def test_a_defect_of_ours_stops_no_other(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = build_project.compile_request

    def sometimes(request: Any) -> Any:
        if request.policy.scheme == "w8":
            raise ZeroDivisionError("division by zero")
        return real(request)

    monkeypatch.setattr(build_project, "compile_request", sometimes)
    outcomes = build(project)
    assert [outcome.exit_code for outcome in outcomes] == [0, 4]
    assert outcomes[1].error == (
        "faces/small: failed with ZeroDivisionError: division by zero. "
        "Report it with the model; `edgec compile -t small` shows where."
    )


def _die(job: Job, options: BuildOptions, key: str) -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    return build_one(job, options, key)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_process_that_dies_is_said(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_project, "build_one", _die)
    outcomes = build(project, jobs=2, cache=False)
    assert [outcome.exit_code for outcome in outcomes] == [4, 4]
    assert outcomes[0].error == (
        "faces/host: the process that compiled it died. Others that were under way died with it. "
        "Build with --jobs 1, or give less --max-memory: it may have been killed for memory."
    )


class Counting(Executor):
    """An executor of the caller's."""

    def __init__(self) -> None:
        self.pool, self.tasks = ThreadPoolExecutor(1), 0

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        self.tasks += 1
        return self.pool.submit(function, *arguments, **named)


def test_an_executor_of_the_caller(project: Path) -> None:
    executor = Counting()
    outcomes = build_projects([project], project.parent / "build", options=BuildOptions(cache=False), executor=executor)
    assert ([outcome.exit_code for outcome in outcomes], executor.tasks) == ([0, 0], 2)
    assert executor.pool.submit(int).result() == 0  # left open
    executor.pool.shutdown()


def test_a_poisoned_cache_is_not_believed(project: Path) -> None:
    """Weights altered in every entry: each is found, and made again."""
    build(project)
    for file in (project.parent / "cache").rglob("model.onnx"):
        raw = bytearray(file.read_bytes())
        raw[len(raw) // 2] ^= 1
        file.write_bytes(raw)
    again = build(project, "again")
    assert [outcome.cached for outcome in again] == [False, False]
    assert payload(project.parent / "again") == payload(project.parent / "build")


def test_samples_of_code_are_compiled_every_time(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = project.with_name("feeds_of_build.py")
    shape = np.load(project.with_name("calib.npz"))["image"].shape
    code.write_text(
        f"import numpy as np\ndef feeds():\n    rng = np.random.default_rng(0)\n    for _ in range(4):\n"
        f"        yield {{'image': rng.standard_normal({(1, *shape[1:])}).astype('float32')}}\n",
        encoding="utf-8",
    )
    text = project.read_text(encoding="utf-8").replace("calib.npz", f"{code}:feeds")
    project.write_text(text, encoding="utf-8")
    build(project)
    assert [outcome.cached for outcome in build(project)] == [False, False]


@pytest.mark.parametrize(("codes", "code"), [([], 0), ([0, 0], 0), ([0, 11], 11), ([11, 11, 0], 11), ([11, 12], 1)])
def test_exit_codes(codes: list[int], code: int) -> None:
    assert exit_code_of(codes) == code
