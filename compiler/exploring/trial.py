"""One trial, wherever it runs: compile, prove on the evaluation samples, keep what came of it."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import EdgecError, InternalError, OutputError
from ..building.workers import proving_alone
from ..compile import compile_request
from ..progress import Quiet
from ..request import CompileRequest
from .candidate import Candidate
from .kept import Failure, Kept
from .limits import of_trial

__all__ = ["SCRATCH", "Trial", "Tried", "run_trial", "tried"]

_log = logging.getLogger(__name__)

# What a trial under way writes to: the process and the start of its key behind it. The shelf tidies what is left.
SCRATCH = ".trial-"


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What a worker needs to know.

    Attributes:
        key: Of its content.
        candidate: What is tried.
        kept: Where what came of it goes.
    """

    key: str
    candidate: Candidate
    kept: Kept


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """What a worker has to say: what came of it is kept.

    Attributes:
        key: Of the trial.
        failure: Why there is no bundle; None where there is one.
        seconds: From start to end.
        cached: It was finished before.
    """

    key: str
    failure: Failure | None = None
    seconds: float = 0.0
    cached: bool = False


def tried(candidate: Candidate) -> CompileRequest:
    """The compile of a trial: proved, but for times; what broke a limit is not examined.

    Raises:
        ContractError: There is no such metric.
    """
    whole = candidate.whole()
    return replace(whole, contract=of_trial(whole.contract), trial=True, prove=True, report=False, diagnose=False)


def run_trial(trial: Trial) -> Tried:
    """Run a trial, unless somebody has finished it; nothing is raised but what ends a process.

    Latency is left out: it is measured of all points in one place.
    """
    started = time.perf_counter()
    failure: Failure | None = None
    try:
        if not trial.kept.shelf.holds(trial.key):
            _make(trial)
    except EdgecError as error:
        failure = Failure.of(error)
        _remember(trial, failure)
    except Exception as error:  # no trial may stop another
        _log.debug("%s", trial.candidate.name, exc_info=True)
        failure = Failure.of(
            InternalError(
                trial.candidate.name,
                f"failed with {type(error).__name__}: {' '.join(str(error).split())}",
                remedy="Compile it alone to see where: edgec compile",
            )
        )
    return Tried(key=trial.key, failure=failure, seconds=time.perf_counter() - started)


def _make(trial: Trial) -> None:
    folder = trial.kept.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(
            dir=folder, prefix=f"{SCRATCH}{os.getpid()}-{trial.key[:12]}-", ignore_cleanup_errors=True
        )
    except OSError as error:
        raise _unwritable(folder, error.strerror or "") from error
    with scratch:
        request = replace(
            tried(trial.candidate), output=Path(scratch.name) / "bundle", progress=Quiet(), proving=proving_alone
        )
        trial.kept.shelf.keep(trial.key, compile_request(request).bundle)
    if not trial.kept.shelf.holds(trial.key):
        raise _unwritable(folder, "the bundle was not kept")


def _remember(trial: Trial, failure: Failure) -> None:
    try:
        trial.kept.keep(trial.key, failure)
    except OSError as error:
        _log.info("the failure of %s is not kept: %s", trial.candidate.name, error)


def _unwritable(folder: Path, why: str) -> OutputError:
    return OutputError(str(folder), f"cannot be written: {why}", remedy="Free some space, or give another -o")
