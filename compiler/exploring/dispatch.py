"""Trials given to processes, here or elsewhere; one whose process dies is given to another.

In processes of this machine, those that were under way when one died are repeated alone, one after the other: that
which ends its process again has failed, the others have not. Other executors are asked once more: Dask's own scheduler
has by then given the trial to others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Executor, Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeAlias

from ...errors import InternalError
from ..building.workers import workers
from .kept import Failure
from .trial import Trial, Tried, run_trial

__all__ = ["run_trials"]

# Told of every trial as it is done.
Done: TypeAlias = Callable[[Trial, Tried], None]
_ATTEMPTS = 2


def run_trials(trials: Sequence[Trial], *, executor: Executor | None, jobs: int, done: Done) -> None:
    """Run trials, each once; one that fails stops no other.

    Args:
        trials: What to run.
        executor: Runs them; None makes one of `jobs` processes, or runs a single job in this process.
        jobs: Processes.
        done: Told of every trial as it is done, in any order.
    """
    if executor is not None:
        _elsewhere(trials, executor, done)
    elif jobs == 1 or len(trials) == 1:
        for trial in trials:
            done(trial, run_trial(trial))
    else:
        _here(list(trials), jobs, done)


def _here(waiting: list[Trial], jobs: int, done: Done) -> None:
    while waiting:
        left = _in_processes(waiting, min(jobs, len(waiting)), done)
        # Processes take trials in their order: those under way are the first that did not end.
        suspects, waiting = left[:jobs], left[jobs:]
        for suspect in suspects:
            for died in _in_processes([suspect], 1, done):
                done(died, _dead(died, "the process that ran it died twice, the second time alone in it"))


def _in_processes(trials: Sequence[Trial], count: int, done: Done) -> list[Trial]:
    """Run trials in processes until one dies; those that did not end, in order."""
    left = list(trials)
    with workers(count) as pool:
        futures: dict[Future[Tried], Trial] = {}
        try:
            for trial in trials:
                futures[pool.submit(run_trial, trial)] = trial
        except BrokenProcessPool:  # one died while others were still being given
            pass
        for future in as_completed(futures):
            try:
                tried = future.result()
            except BrokenProcessPool:
                continue
            except Exception as error:  # it cannot be handed over: trials return what goes wrong
                tried = _dead(futures[future], f"cannot be given to a process: {_said(error)}")
            left.remove(futures[future])
            done(futures[future], tried)
    return left


def _elsewhere(trials: Sequence[Trial], executor: Executor, done: Done) -> None:
    waiting, why = list(trials), ""
    for attempt in range(_ATTEMPTS):
        left: list[Trial] = []
        futures: dict[Future[Tried], Trial] = {}
        for trial in waiting:
            try:
                futures[executor.submit(run_trial, trial)] = trial
            except RuntimeError as error:  # it is broken, or shut down
                left, why = [*left, trial], _said(error)
        for future in as_completed(futures):
            try:
                tried = future.result()
            except (Exception, CancelledError) as error:  # of the executor: trials return what goes wrong
                left, why = [*left, futures[future]], _said(error)
                continue
            done(futures[future], tried)
        waiting = left
        if not waiting or attempt + 1 == _ATTEMPTS:
            break
    for trial in waiting:
        done(trial, _dead(trial, f"the executor could not run it: {why}"))


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")


def _dead(trial: Trial, problem: str) -> Tried:
    error = InternalError(
        trial.candidate.name,
        problem,
        remedy="Search with --jobs 1: it may have been killed for memory, or hold what cannot be sent",
    )
    return Tried(key=trial.key, failure=Failure.of(error))
