"""A session fed with what another takes: the same inputs, of other types where nothing is in them.

A float model and its bundle with an int8 cache differ in the type of the cache alone; empty, it is the same cache.
"""

from __future__ import annotations

from .around import Around
from .base import Feeds, Session

__all__ = ["Recast"]


class Recast(Around):
    """Casts feeds that have no elements to the types the session takes.

    Args:
        session: Closed with this one.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._dtypes = {info.name: info.dtype for info in session.inputs}

    def given(self, feeds: Feeds) -> Feeds:
        return {
            name: array if array.size else array.astype(self._dtypes.get(name, array.dtype))
            for name, array in feeds.items()
        }
