"""What passes get from outside while they run: a place for arrays too large to hold, and who is told how far they are.

Without it arrays stay in memory and nobody is told. What is put away comes back as it was: a pass gives the same bytes
with and without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx_ir as ir

__all__ = ["Keeper", "Kept", "Outside", "given", "outside"]


class Kept(Protocol):
    """An array that was put away."""

    def read(self) -> np.ndarray:
        """The array, read again each time."""
        ...

    def tensor(self, name: str) -> ir.TensorProtocol:
        """The same as a constant of a graph, which is read when it is written."""
        ...


class Keeper(Protocol):
    """A place for arrays; what has a key is found again by a later run that was interrupted here."""

    def put(self, array: np.ndarray, dtype: ir.DataType | None = None) -> Kept:
        """Put an array away."""
        ...

    def recall(self, key: str) -> Mapping[str, Kept] | None:
        """The arrays of a key; None where it has none, or they are not whole."""
        ...

    def remember(self, key: str, arrays: Mapping[str, np.ndarray]) -> Mapping[str, Kept]:
        """Put arrays away under a key."""
        ...


@contextmanager
def _nobody(name: str, total: int) -> Iterator[Callable[[int], None]]:
    del name, total
    yield _ignore


def _ignore(units: int) -> None:
    del units


@dataclass(frozen=True, kw_only=True, slots=True)
class Outside:
    """What is there.

    Attributes:
        keeper: Where large arrays go; None keeps them in memory.
        stage: Enters a stage of so many units, and yields what is called with the units done since.
    """

    keeper: Keeper | None = None
    stage: Callable[[str, int], AbstractContextManager[Callable[[int], None]]] = _nobody


_NOTHING = Outside()
_current: ContextVar[Outside | None] = ContextVar("edgec.outside", default=None)


def outside() -> Outside:
    """What the passes that run now are given."""
    return _current.get() or _NOTHING


@contextmanager
def given(what: Outside) -> Iterator[None]:
    """Give something to the passes that run within the block."""
    token = _current.set(what)
    try:
        yield
    finally:
        _current.reset(token)
