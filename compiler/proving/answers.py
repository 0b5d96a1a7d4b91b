"""What a session answers to golden feeds, step by step, its state carried from step to step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...runtimes.base import Feeds, Session
from ..samples import replay
from ..samples.base import Sample, State

__all__ = ["answers_of"]


def answers_of(session: Session, feeds: Sequence[Feeds], state: State) -> list[dict[str, np.ndarray]]:
    """Outputs of every step.

    Args:
        session: Who is asked.
        feeds: Of every step; carried inputs are taken from the first alone.
        state: Outputs fed back as inputs.
    """
    carried = set(state.carried)
    steps = tuple({name: array for name, array in step.items() if name not in carried} for step in feeds)
    start = {name: feeds[0][name] for name in carried if feeds and name in feeds[0]}
    sample = Sample(id="golden", steps=steps)
    replayed = replay(session.run, sample, session.inputs, State(carried=state.carried, start=start))
    return [answer for _, answer in replayed]
