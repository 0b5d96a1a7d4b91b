"""Build what project files say: every target of every model, from the cache where it is there, else in parallel."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from ..bundle import MANIFEST, Bundle
from ..errors import EdgecError, InternalError
from ..runtimes.cache import cache_folder
from .building.job import Job, in_one_folder, jobs_of, request_of_job, request_to_build
from .building.key import Uncacheable, bundle_key
from .building.outcome import Outcome, exit_code_of
from .building.shelf import Shelf
from .building.workers import proving_alone, workers
from .compile import compile_request
from .depfile import sources_of
from .progress import Progress, Quiet
from .request import CompileRequest

__all__ = ["CACHE_BYTES", "BuildOptions", "Outcome", "build_projects", "exit_code_of", "sources_of_build"]

_log = logging.getLogger(__name__)

CACHE_BYTES = 10 << 30

# Told of every bundle as it is done.
Done: TypeAlias = Callable[[Outcome], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildOptions:
    """How a build runs, not what it makes.

    Attributes:
        jobs: Bundles compiled at once, in a process each; 1 compiles in this process.
        max_memory: Bytes all of them together may hold while they observe and search; None does not limit it.
        cache: False neither takes from the cache nor keeps.
        cache_dir: Where bundles and observations are kept; None is this system's place for caches.
        cache_bytes: Bytes of all bundles that are kept.
        gate: False leaves it to `edgec check` to ask for execution, which may have a device's receipt of it.
        progress: Watches what is compiled in this process.
    """

    jobs: int = 1
    max_memory: int | None = None
    cache: bool = True
    cache_dir: Path | None = None
    cache_bytes: int = CACHE_BYTES
    gate: bool = True
    progress: Progress | None = None

    @property
    def shelf(self) -> Shelf | None:
        """Where finished bundles are."""
        folder = self.cache_dir or cache_folder()
        return Shelf(folder=folder / "bundles", limit=self.cache_bytes) if self.cache else None


def build_projects(
    files: Sequence[str | Path],
    output: str | Path,
    *,
    only: Sequence[str] = (),
    alone: Path | None = None,
    options: BuildOptions = BuildOptions(),
    executor: Executor | None = None,
    done: Done | None = None,
) -> list[Outcome]:
    """Build every target of every project.

    Args:
        files: Project files.
        output: The folder of the build: `output/MODEL/TARGET` is a bundle.
        only: Names of targets; all of them where there is none.
        alone: The folder of the bundle itself, where there is one only: build tools name their outputs beforehand.
        options: How it runs.
        executor: Runs what is not in the cache; None makes one of `options.jobs` processes.
        done: Told of every bundle as it is done.

    Returns:
        One outcome a bundle, in the order of the files and their targets. A bundle that cannot be made stops no other.

    Raises:
        InputError: A project file is wrong; `alone` is given, and there are several bundles.
    """
    jobs = in_one_folder(jobs_of([Path(file) for file in files], Path(output), only), alone)
    outcomes: dict[Job, Outcome] = {}
    keys: dict[Job, str] = {}

    def end(outcome: Outcome) -> None:
        outcomes[outcome.job] = outcome
        if done is not None:
            done(outcome)

    for job in jobs:
        outcome = _from_cache(job, options, keys)
        if outcome is not None:
            end(outcome)
    waiting = [job for job in jobs if job not in outcomes]
    at_once = max(1, min(len(waiting), options.jobs))
    each = options if options.max_memory is None else replace(options, max_memory=options.max_memory // at_once)
    if executor is None and at_once == 1:
        for job in waiting:
            end(build_one(job, each, keys.get(job, "")))
        return [outcomes[job] for job in jobs]
    quiet = replace(each, progress=None)
    with workers(at_once) if executor is None else nullcontext(executor) as pool:
        futures = {pool.submit(build_one, job, quiet, keys.get(job, "")): job for job in waiting}
        for future in as_completed(futures):
            end(_result(future, futures[future]))
    return [outcomes[job] for job in jobs]


def build_one(job: Job, options: BuildOptions, key: str) -> Outcome:
    """Compile and prove one bundle, and keep it.

    Args:
        job: Which.
        options: How.
        key: Its `bundle_key`; "" where it has none.
    """
    started = time.perf_counter()
    try:
        request = replace(
            _request(job, options),
            max_memory=options.max_memory,
            cache=options.cache,
            cache_dir=options.cache_dir,
            progress=options.progress or Quiet(),
            proving=proving_alone,
        )
        outcome = _of_bundle(job, compile_request(request).bundle, started)
    except EdgecError as error:
        return Outcome.failed(job, error, time.perf_counter() - started)
    except Exception as error:  # no bundle may stop another
        _log.debug("%s", job.name, exc_info=True)
        remedy = f"Report it with the model; `edgec compile -t {job.target}` shows where"
        wrong = InternalError(job.name, f"failed with {type(error).__name__}: {error}", remedy=remedy)
        return Outcome.failed(job, wrong, time.perf_counter() - started)
    # What is broken may be so by the noise of one timing: it is measured again.
    if options.shelf is not None and key and outcome.exit_code == 0:
        options.shelf.keep(key, Bundle.open(job.output))
    return outcome


def _request(job: Job, options: BuildOptions) -> CompileRequest:
    request = request_to_build(job)
    return replace(request, elsewhere=not options.gate and request.contract.proof == "executed")


def sources_of_build(jobs: Sequence[Job]) -> dict[Path, tuple[Path, ...]]:
    """The manifest of each bundle → the files it follows from, the project file among them.

    Raises:
        EdgecError: A project or a model cannot be read.
    """
    return {job.output / MANIFEST: sources_of(request_of_job(job), job.project) for job in jobs}


def _from_cache(job: Job, options: BuildOptions, keys: dict[Job, str]) -> Outcome | None:
    """The bundle that was made before, or the error that there is anyway; None leaves it to be compiled."""
    if options.shelf is None:
        return None
    started = time.perf_counter()
    try:
        keys[job] = bundle_key(_request(job, options))
        bundle = options.shelf.take(keys[job], job.output)
    except Uncacheable:
        return None
    except EdgecError as error:
        return Outcome.failed(job, error, time.perf_counter() - started)
    return None if bundle is None else replace(_of_bundle(job, bundle, started), cached=True)


def _of_bundle(job: Job, bundle: Bundle, started: float) -> Outcome:
    verdict = json.loads((bundle.proof / "verdict.json").read_text(encoding="utf-8"))
    seconds = time.perf_counter() - started
    return Outcome(job=job, bundle=bundle.path, verdict=verdict, exit_code=int(verdict["exit_code"]), seconds=seconds)


def _result(future: Future[Outcome], job: Job) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        error = InternalError(
            job.name,
            "the process that compiled it died",
            affects="Others that were under way died with it",
            remedy="Build with --jobs 1, or give less --max-memory: it may have been killed for memory",
        )
        return Outcome.failed(job, error, 0.0)
