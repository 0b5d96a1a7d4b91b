"""A session fed with what another takes: the same inputs, of other types where nothing is in them.

A float model and its bundle with an int8 cache differ in the type of the cache alone; empty, it is the same cache.
"""

from __future__ import annotations

import numpy as np

from .base import Feeds, Latency, Placement, Session, TensorInfo

__all__ = ["Recast"]


class Recast:
    """Casts feeds that have no elements to the types the session takes.

    Args:
        session: Closed with this one.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._dtypes = {info.name: info.dtype for info in session.inputs}

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        return self._session.inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        return self._session.outputs

    @property
    def load_seconds(self) -> float:
        return self._session.load_seconds

    @property
    def threads(self) -> int:
        return self._session.threads

    def run(self, feeds: Feeds) -> dict[str, np.ndarray]:
        return self._session.run(self._cast(feeds))

    def placement(self, feeds: Feeds) -> Placement:
        return self._session.placement(self._cast(feeds))

    def run_seconds(self, feeds: Feeds) -> float:
        return self._session.run_seconds(self._cast(feeds))

    def latency(self, feeds: Feeds, runs: int) -> Latency:
        return self._session.latency(self._cast(feeds), runs)

    def close(self) -> None:
        self._session.close()

    def _cast(self, feeds: Feeds) -> Feeds:
        return {
            name: array if array.size else array.astype(self._dtypes.get(name, array.dtype))
            for name, array in feeds.items()
        }
