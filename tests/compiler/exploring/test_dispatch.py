"""A process that dies takes nothing along but its own trial, which is tried again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgec.compiler.exploring import dispatch
from edgec.compiler.exploring.candidate import Candidate
from edgec.compiler.exploring.dispatch import run_trials
from edgec.compiler.exploring.kept import Kept
from edgec.compiler.exploring.trial import Trial, Tried
from edgec.compiler.request import CompileRequest


def trials(folder: Path, *names: str) -> list[Trial]:
    return [
        Trial(
            key=name,
            candidate=Candidate(model="m", recipe=name, request=CompileRequest(model="m.onnx")),
            kept=Kept(folder=folder),
        )
        for name in names
    ]


def noted(trial: Trial) -> Tried:
    """Says in a file that it ran; dies the first time where its name says so, or every time."""
    file = trial.kept.folder / trial.key
    times = len(file.read_text()) if file.exists() else 0
    file.write_text("x" * (times + 1))
    if trial.key.startswith("dies") or (trial.key.startswith("once") and not times):
        os.kill(os.getpid(), signal.SIGKILL)
    return Tried(key=trial.key, seconds=1.0)


def answers(waiting: Sequence[Trial], **how: Any) -> dict[str, Tried]:
    found: dict[str, Tried] = {}

    def done(trial: Trial, tried: Tried) -> None:
        assert trial.key not in found  # told once
        found[trial.key] = tried

    run_trials(waiting, done=done, **how)
    return found


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_one_that_dies_is_tried_again_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "run_trial", noted)
    names = ["a", "once", "b", "dies", "c", "d"]
    found = answers(trials(tmp_path, *names), executor=None, jobs=2)
    assert set(found) == set(names)
    assert {name: tried.failure is None for name, tried in found.items()} == {name: name != "dies" for name in names}
    failure = found["dies"].failure
    assert failure is not None
    assert failure.message == (
        "m/dies: the process that ran it died twice, the second time alone in it. "
        "Search with --jobs 1: it may have been killed for memory, or hold what cannot be sent."
    )
    assert (failure.exit_code, failure.lasting) == (4, False)
    assert len((tmp_path / "once").read_text()) == 2
    assert len((tmp_path / "dies").read_text()) == 2


def test_what_cannot_be_sent_is_said(tmp_path: Path) -> None:
    good, bad = trials(tmp_path, "good", "bad")
    request = replace(bad.candidate.request, calibration=lambda: iter(()))
    bad = replace(bad, candidate=replace(bad.candidate, request=request))
    found = answers([bad, good], executor=None, jobs=2)
    failures = {name: tried.failure.message for name, tried in found.items() if tried.failure}
    assert failures["bad"].startswith("m/bad: cannot be given to a process: ")
    assert failures["good"].startswith("m.onnx: ")  # it was tried


def test_a_single_job_runs_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def here(trial: Trial) -> Tried:
        seen.append(os.getpid())
        return Tried(key=trial.key)

    monkeypatch.setattr(dispatch, "run_trial", here)
    assert list(answers(trials(tmp_path, "a", "b"), executor=None, jobs=1)) == ["a", "b"]
    assert set(seen) == {os.getpid()}


class Losing(Executor):
    """Loses each of some trials so often."""

    def __init__(self, lost: dict[str, int]) -> None:
        self.pool, self.lost = ThreadPoolExecutor(1), lost

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        key = arguments[0].key
        if self.lost.get(key, 0):
            self.lost[key] -= 1
            future: Future[Any] = Future()
            future.set_exception(ConnectionError(f"{key}\nis lost"))
            return future
        return self.pool.submit(function, *arguments, **named)


def test_what_an_executor_loses_is_given_to_it_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "run_trial", lambda trial: Tried(key=trial.key))
    executor = Losing({"b": 1, "c": 2})
    found = answers(trials(tmp_path, "a", "b", "c"), executor=executor, jobs=1)
    assert {name: tried.failure is None for name, tried in found.items()} == {"a": True, "b": True, "c": False}
    failure = found["c"].failure
    assert failure is not None
    assert failure.message.startswith("m/c: the executor could not run it: ConnectionError: c is lost. ")
    executor.pool.shutdown()


def test_an_executor_that_was_shut_down(tmp_path: Path) -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    found = answers(trials(tmp_path, "a"), executor=executor, jobs=1)
    failure = found["a"].failure
    assert failure is not None
    assert failure.message.startswith(
        "m/a: the executor could not run it: RuntimeError: cannot schedule new futures after shutdown. "
    )
