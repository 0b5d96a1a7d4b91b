"""The gate of a build: prove the bundles that are there, change nothing, say which clause is not met."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ..bundle import Bundle
from ..errors import BundleError, EdgecError
from .building.baseline import Baseline
from .building.job import Job, jobs_of, request_of_job
from .building.outcome import Outcome
from .loading.source import open_source
from .progress import Progress
from .prove import prove
from .request import CompileRequest

__all__ = ["check_projects"]

Done: TypeAlias = Callable[[Outcome], None]


def check_projects(
    files: Sequence[str | Path],
    output: str | Path,
    *,
    only: Sequence[str] = (),
    baseline: Baseline | None = None,
    on: str | None = None,
    progress: Progress | None = None,
    done: Done | None = None,
) -> list[Outcome]:
    """Prove every bundle of a build against its project's contract, one after the other.

    Args:
        files: Project files.
        output: The folder that `build_projects` wrote.
        only: Names of targets; all of them where there is none.
        baseline: Earlier verdicts: what is worse than tolerated there counts as broken, too.
        on: The place to prove on; None takes the best that is at hand for each target.
        progress: Who watches.
        done: Told of every bundle as it is done.

    Returns:
        One outcome a bundle. A bundle that is missing, altered, or of another model is one with an error.

    Raises:
        InputError: A project file is wrong.
    """
    outcomes = []
    for job in jobs_of([Path(file) for file in files], Path(output), only):
        outcome = _check(job, baseline, {"on": on, "progress": progress})
        outcomes.append(outcome)
        if done is not None:
            done(outcome)
    return outcomes


def _check(job: Job, baseline: Baseline | None, options: dict[str, Any]) -> Outcome:
    started = time.perf_counter()
    try:
        request = request_of_job(job)
        if not job.output.exists():
            raise BundleError(
                str(job.output), "was not built", remedy="Build it: edgec build, with the same -o if there is one"
            )
        bundle = Bundle.open(job.output)
        _same_source(bundle, request)
        verdict = prove(
            bundle,
            evaluation=request.evaluation,
            contract=request.contract,
            metric=request.metric,
            float_model=str(request.model),
            samples=request.evaluation_samples,
            seed=request.seed,
            state=request.state if request.state.carried else None,
            preprocess=request.preprocess,
            write=False,
            **options,
        )
    except EdgecError as error:
        return Outcome.failed(job, error, time.perf_counter() - started)
    if baseline is not None:
        verdict = baseline.compared(job.name, verdict)
    return Outcome(
        job=job,
        bundle=bundle.path,
        verdict=verdict.to_json(),
        exit_code=verdict.exit_code,
        seconds=time.perf_counter() - started,
    )


def _same_source(bundle: Bundle, request: CompileRequest) -> None:
    """Refuse a bundle of another model than the project names.

    Raises:
        BundleError: It is one.
    """
    assert isinstance(request.model, str | Path)
    if bundle.manifest["source"].get("digest") != open_source(request.model).digest():
        raise BundleError(
            str(bundle.path),
            f"was not compiled from {request.model} as it is now",
            remedy="Build it again: edgec build",
        )
