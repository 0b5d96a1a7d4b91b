"""How one bundle of a build ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import EdgecError
from .job import Job

__all__ = ["Outcome", "exit_code_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """A bundle with its verdict, or why there is none.

    Attributes:
        job: Which bundle.
        bundle: Its folder; None where it could not be made.
        verdict: `proof/verdict.json`; None with `bundle`.
        error: What was wrong, in one paragraph; "" where there is a bundle.
        exit_code: The verdict's, or the error's.
        cached: Taken from the cache.
        seconds: From start to end.
    """

    job: Job
    bundle: Path | None = None
    verdict: dict[str, Any] | None = None
    error: str = ""
    exit_code: int
    cached: bool = False
    seconds: float

    @classmethod
    def failed(cls, job: Job, error: EdgecError, seconds: float) -> Outcome:
        """An outcome without a bundle."""
        return cls(job=job, error=str(error), exit_code=error.exit_code, seconds=seconds)

    def to_json(self) -> dict[str, object]:
        """The outcome as JSON values."""
        return {
            "name": self.job.name,
            "target": self.job.target,
            "project": str(self.job.project),
            "bundle": None if self.bundle is None else str(self.bundle),
            "verdict": self.verdict,
            "error": self.error or None,
            "exit_code": self.exit_code,
            "cached": self.cached,
            "seconds": round(self.seconds, 3),
        }


def exit_code_of(codes: list[int]) -> int:
    """The exit code of a build: 0 where all are; the one that is not, where there is one kind of it; else 1."""
    kinds = {code for code in codes if code}
    return 0 if not kinds else kinds.pop() if len(kinds) == 1 else 1
