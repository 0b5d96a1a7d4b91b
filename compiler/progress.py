"""What a long step tells whoever watches: its name, how many units, how far."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeAlias

__all__ = ["Advance", "Progress", "Quiet"]

Advance: TypeAlias = Callable[[int], None]


class Progress(Protocol):
    """Watches the stages of a compile."""

    def stage(self, name: str, total: int | None = None) -> AbstractContextManager[Advance]:
        """Enter a stage of `total` units; call what it yields with the units done since."""
        ...


class Quiet:
    """Tells nobody."""

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Advance]:
        del name, total
        yield _ignore


def _ignore(units: int) -> None:
    del units
