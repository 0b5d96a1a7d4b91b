"""Run two models side by side over samples, each with its own state from step to step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import numpy as np

from ...runtimes.base import Session
from ..samples import Samples, replay

__all__ = ["Answers", "walk"]

Answers: TypeAlias = Mapping[str, np.ndarray]


def walk(samples: Samples, left: Session, right: Session) -> Iterator[tuple[Answers, Answers]]:
    """What both answer, step by step; one step of one sample in memory.

    Args:
        samples: Feeds for both; a model is given those it has inputs for.
        left: An open session.
        right: Another.
    """
    for sample in samples:
        theirs = replay(lambda feeds: right.run(_known(feeds, right)), sample, right.inputs, samples.state)
        mine = replay(lambda feeds: left.run(_known(feeds, left)), sample, left.inputs, samples.state)
        for (_, x), (_, y) in zip(mine, theirs, strict=True):
            yield x, y


def _known(feeds: Mapping[str, np.ndarray], session: Session) -> dict[str, np.ndarray]:
    names = {info.name for info in session.inputs}
    return {name: array for name, array in feeds.items() if name in names}
