"""Whether samples may be stacked into batches: found out on the first batch of several."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...passes.observe.instrument import Probe
from ...runtimes.base import Session
from ..samples import stack
from ..samples.base import Sample

if TYPE_CHECKING:
    from ...runtimes.base import Feeds

__all__ = ["Together"]

_log = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class Together:
    """Decides on the first batch that has several samples.

    Attributes:
        session: The instrumented graph.
        probes: Its probes.
        allowed: None until it is decided.
    """

    session: Session
    probes: Sequence[Probe]
    allowed: bool | None = None

    def decide(self, batch: Sequence[Sample]) -> None:
        """Run two samples together and apart, the first time there are two."""
        if self.allowed is None and len(batch) > 1:
            singles = [sample.feeds for sample in batch[:2]]
            self.allowed = _same_when_batched(self.session, self.probes, stack(batch[:2]), singles)

    def same(self, batch: Sequence[Sample]) -> bool:
        """Whether this batch is run at once."""
        return bool(self.allowed) and len(batch) > 1


def _same_when_batched(session: Session, probes: Sequence[Probe], both: Feeds, singles: Sequence[Feeds]) -> bool:
    """Whether two samples run together show what they show one by one.

    A free first dimension is a promise the graph may not keep (a Reshape to a constant batch of 1).
    """
    from ...errors import EdgecError

    try:
        together = _seen(session, probes, both)
    except EdgecError:
        return False
    first, second = (_seen(session, probes, feeds) for feeds in singles)
    for probe, seen, left, right in zip(probes, together, first, second, strict=True):
        if not probe.alike(seen, probe.merge(left, right)):
            _log.info("samples run one by one: batched, they show something else")
            return False
    return True


def _seen(session: Session, probes: Sequence[Probe], feeds: Feeds) -> list[Any]:
    outputs = session.run(feeds)
    return [probe.seen(outputs) for probe in probes]
