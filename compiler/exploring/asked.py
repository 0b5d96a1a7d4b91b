"""Candidates by their content: which are the same compile, and which cannot even be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from ...errors import EdgecError
from ..building.key import Uncacheable, bundle_key
from .candidate import Candidate
from .kept import Failure
from .trial import tried

__all__ = ["Asked", "ask"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What is to be tried.

    Attributes:
        candidates: As they were given.
        keys: Candidate → key of its trial; without those that cannot be read.
        alike: Candidate → the earlier one of the same key.
        failures: Candidate → why it cannot be read.
        notes: What is tried every time.
    """

    candidates: tuple[Candidate, ...]
    keys: Mapping[str, str]
    alike: Mapping[str, str]
    failures: Mapping[str, Failure]
    notes: tuple[str, ...] = ()

    @property
    def different(self) -> list[Candidate]:
        """One candidate of each key, in their order."""
        return [each for each in self.candidates if each.name in self.keys and each.name not in self.alike]


def ask(candidates: Sequence[Candidate]) -> Asked:
    """Read what candidates follow from; models and samples are read, nothing is compiled."""
    keys: dict[str, str] = {}
    alike: dict[str, str] = {}
    first: dict[str, str] = {}
    failures: dict[str, Failure] = {}
    notes: list[str] = []
    for candidate in candidates:
        try:
            keys[candidate.name] = bundle_key(tried(candidate))
        except Uncacheable as why:
            keys[candidate.name] = uuid4().hex * 2
            notes.append(f"{candidate.name} is tried every time: {why}")
        except EdgecError as error:
            failures[candidate.name] = Failure.of(error)
            continue
        earlier = first.setdefault(keys[candidate.name], candidate.name)
        if earlier != candidate.name:
            alike[candidate.name] = earlier
    return Asked(candidates=tuple(candidates), keys=keys, alike=alike, failures=failures, notes=tuple(notes))
