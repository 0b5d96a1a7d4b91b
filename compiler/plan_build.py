"""What a build would do: which bundles are in the cache, what the others would be; nothing is compiled or written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from ..errors import EdgecError
from .building.job import Job, jobs_of, request_to_build
from .building.key import Uncacheable, bundle_key
from .building.shelf import Shelf
from .plan import Plan, SchemeEstimate, plan
from .request import CompileRequest

__all__ = ["PlannedBundle", "plan_projects"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedBundle:
    """One bundle of a build that was not begun.

    Attributes:
        job: Which.
        cached: It was made before, and would be taken from the cache.
        plan: What would be compiled; None where it is cached, or cannot be.
        error: Why it cannot be, in one paragraph; "" where it can.
        exit_code: The error's, else 0.
    """

    job: Job
    cached: bool = False
    plan: Plan | None = None
    error: str = ""
    exit_code: int = 0

    @property
    def estimate(self) -> SchemeEstimate | None:
        """What the scheme of the plan would need on the device."""
        made = self.plan
        return None if made is None else next((each for each in made.schemes if each.scheme == made.scheme), None)

    def to_json(self) -> dict[str, object]:
        """The bundle as JSON values."""
        estimate = self.estimate
        return {
            "name": self.job.name,
            "target": self.job.target,
            "project": str(self.job.project),
            "cached": self.cached,
            "scheme": None if self.plan is None else self.plan.scheme,
            "file_bytes": None if estimate is None else estimate.file_bytes,
            "peak_bytes": None if estimate is None else estimate.peak_bytes,
            "fits": None if estimate is None else estimate.fits,
            "error": self.error or None,
            "exit_code": self.exit_code,
        }


def plan_projects(
    files: Sequence[str | Path], output: str | Path, *, only: Sequence[str] = (), shelf: Shelf | None = None
) -> list[PlannedBundle]:
    """Read projects, samples and models as a build would, and stop there.

    Args:
        files: Project files.
        output: The folder of the build.
        only: Names of targets; all of them where there is none.
        shelf: Bundles made before; None looks at none.

    Returns:
        One of each bundle, in the order of the files and their targets. One that cannot be planned stops no other.

    Raises:
        InputError: A project file is wrong.
    """
    return [_planned(job, shelf) for job in jobs_of([Path(file) for file in files], Path(output), only)]


def _planned(job: Job, shelf: Shelf | None) -> PlannedBundle:
    try:
        request = request_to_build(job)
        if shelf is not None and _kept(request, shelf):
            return PlannedBundle(job=job, cached=True)
        options = {field.name: getattr(request, field.name) for field in fields(request)}
        return PlannedBundle(job=job, plan=plan(**options))
    except EdgecError as error:
        return PlannedBundle(job=job, error=str(error), exit_code=error.exit_code)


def _kept(request: CompileRequest, shelf: Shelf) -> bool:
    try:
        return shelf.holds(bundle_key(request))
    except Uncacheable:
        return False
