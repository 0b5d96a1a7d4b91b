"""Sequences: the state a model carries from step to step of one sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from ...errors import SamplesError
from ...runtimes.base import TensorInfo
from .base import Feeds, Sample, State
from .check import cast, nearest, quoted, shapes_fit, show_shape

__all__ = ["check_state", "replay", "start_state"]


def check_state(inputs: Sequence[TensorInfo], state: State) -> None:
    """Raise SamplesError when the state names no input of the model, or a start value does not fit its input."""
    names = [info.name for info in inputs]
    for name in state.carried:
        if name not in names:
            raise SamplesError(
                f"state {name!r}",
                f"is not an input of the model{nearest(name, names)}",
                remedy=f"The model's inputs are {quoted(names)}",
            )
    for name in state.start:
        if name not in state.carried:
            raise SamplesError(
                f"state start {name!r}",
                f"is not carried{nearest(name, tuple(state.carried))}",
                remedy="Say which output feeds it back, or leave it out",
            )
    start_state(inputs, state)


def start_state(inputs: Sequence[TensorInfo], state: State) -> dict[str, np.ndarray]:
    """Carried inputs at step 0: the start given (an empty KV cache, say), else zeros with unknown dimensions 1."""
    start = {}
    for info in inputs:
        if info.name in state.start:
            where, given = f"state start {info.name!r}", np.asarray(state.start[info.name])
            # What is empty has no values to cast: a float cache may start where an int8 one does.
            value = cast(given, info.dtype, where) if given.size else given.astype(info.dtype)
            start[info.name] = _carry(value, info, "it", where)
        elif info.name in state.carried:
            start[info.name] = np.zeros([dim if isinstance(dim, int) else 1 for dim in info.shape], info.dtype)
    return start


def replay(
    run: Callable[[Feeds], Mapping[str, np.ndarray]], sample: Sample, inputs: Sequence[TensorInfo], state: State
) -> Iterator[tuple[Feeds, dict[str, np.ndarray]]]:
    """Run a sample's steps in order, feeding carried outputs back.

    Args:
        run: Feeds to outputs by name.
        sample: Its steps leave the carried inputs out.
        inputs: Every input of the model.
        state: What is carried, and from where it starts.

    Yields:
        Feeds really given (the sample's and the carried) and outputs, step by step.

    Raises:
        SamplesError: A carried output is missing, or has not its input's dtype and shape.
    """
    carried = start_state(inputs, state)
    by_name = {info.name: info for info in inputs}
    for number, step in enumerate(sample.steps):
        feeds = {**step, **carried}
        outputs = dict(run(feeds))
        yield feeds, outputs
        for name, output in state.carried.items():
            where = f"{sample.id}, step {number}, state {name!r}"
            if output not in outputs:
                raise SamplesError(
                    where,
                    f"{output!r} is not an output of the model{nearest(output, tuple(outputs))}",
                    remedy=f"The model's outputs are {quoted(tuple(outputs))}",
                )
            carried[name] = _carry(outputs[output], by_name[name], f"output {output!r}", where)


def _carry(array: np.ndarray, info: TensorInfo, what: str, where: str) -> np.ndarray:
    # Compared, not cast or tested for NaN: what the model answered goes back as it is. A cache may be empty.
    if array.dtype != info.dtype or not shapes_fit(array.shape, info.shape):
        raise SamplesError(
            where,
            f"{what} is {array.dtype} {show_shape(array.shape)} where {info.dtype} {show_shape(info.shape)} is needed",
            remedy="Carry a value of the same dtype and shape",
        )
    return array
