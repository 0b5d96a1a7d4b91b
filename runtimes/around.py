"""A session around another: what is not changed is the other's."""

from __future__ import annotations

import numpy as np

from .base import Feeds, Latency, Placement, Session, TensorInfo

__all__ = ["Around"]


class Around:
    """Passes everything on; whoever derives from it changes what is asked or answered.

    Args:
        session: Closed with this one.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

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

    def given(self, feeds: Feeds) -> Feeds:
        """What the other session is fed with."""
        return feeds

    def run(self, feeds: Feeds) -> dict[str, np.ndarray]:
        return self._session.run(self.given(feeds))

    def placement(self, feeds: Feeds) -> Placement:
        return self._session.placement(self.given(feeds))

    def run_seconds(self, feeds: Feeds) -> float:
        return self._session.run_seconds(self.given(feeds))

    def latency(self, feeds: Feeds, runs: int) -> Latency:
        return self._session.latency(self.given(feeds), runs)

    def close(self) -> None:
        self._session.close()
