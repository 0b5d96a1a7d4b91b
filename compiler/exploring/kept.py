"""What trials made, by their content: bundles on a shelf, and why others could not be made."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from ...bundle import Bundle
from ...errors import ContractError, EdgecError, ModelError, OptionError, SamplesError, TargetError
from ..building.shelf import Shelf
from ..write_whole import write_whole

__all__ = ["Failure", "Kept"]

# What follows from the content of a trial; a full disk or a missing package does not.
_LASTING = (ContractError, ModelError, OptionError, SamplesError, TargetError)
_FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why there is no bundle.

    Attributes:
        kind: Of the error.
        message: In one paragraph.
        exit_code: That a compile would have ended in.
        lasting: It would be the same again.
    """

    kind: str
    message: str
    exit_code: int
    lasting: bool = False

    @classmethod
    def of(cls, error: EdgecError) -> Failure:
        """The failure that an error is."""
        lasting = type(error) in _LASTING
        return cls(kind=type(error).__name__, message=str(error), exit_code=error.exit_code, lasting=lasting)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """Trials in a folder, which every worker sees.

    Attributes:
        folder: Made when something is kept.
    """

    folder: Path

    @property
    def shelf(self) -> Shelf:
        """The bundles; whoever wants the room removes the folder."""
        return Shelf(folder=self.folder, limit=sys.maxsize)

    def find(self, key: str) -> Bundle | Failure | None:
        """What came of a trial: its bundle as it lies, or its failure; None where it was not finished."""
        file = self._failure(key)
        if not file.is_file():
            return self.shelf.find(key)
        try:
            return Failure(**json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            file.unlink(missing_ok=True)
            return None

    def keep(self, key: str, failure: Failure) -> None:
        """Keep a failure that would be the same again.

        Raises:
            OSError: It cannot be written.
        """
        if failure.lasting:
            file = self._failure(key)
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, json.dumps(asdict(failure), indent=1))

    def _failure(self, key: str) -> Path:
        return self.folder / _FAILED / f"{key}.json"
