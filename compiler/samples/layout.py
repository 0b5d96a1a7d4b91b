"""How the axes of stored values become feeds: sample axis, step axis, batch axis.

A *value* is what a file holds for one input of one sample, sample axis gone. With r the rank of the input:

==============  =======================  ==========================================
rank of value   one step                 sequence (the model carries state)
==============  =======================  ==========================================
r - 1           feed = value[None]       value[None] at every step
r               feed = value             step t: value[t:t+1]
r + 1           error                    step t: value[t]
==============  =======================  ==========================================

A step axis of length 1 beside longer ones is a constant too. An input of rank 0 has no batch axis:
a value of rank 0 is constant, one of rank 1 has steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ...errors import SamplesError
from ...runtimes.base import TensorInfo
from .base import Feeds
from .check import show_shape

__all__ = ["rows_per_sample", "sample_shape", "steps_of"]


def rows_per_sample(info: TensorInfo, ndim: int, *, sequence: bool, where: str) -> int:
    """Rows of an array `[rows, ...]` of `ndim` axes that make one sample.

    It is one, but for an input whose batch is fixed to B > 1 and an array that has no batch axis of its own:
    there B consecutive rows are one sample.

    Raises:
        SamplesError: An array of so many axes cannot feed the input.
    """
    rank = len(info.shape)
    highest = rank + 2 if sequence else rank + 1
    if not max(rank, 1) <= ndim <= highest:
        axes: tuple[tuple[str, ...], ...] = (("samples",), ("samples", "steps")) if sequence else (("samples",),)
        forms = [show_shape((*names, *info.shape[1:])) for names in axes]
        raise SamplesError(
            where,
            f"the array has {ndim} axes, which {show_shape(info.shape)} cannot be read from",
            remedy=f"Save it as {' or '.join(forms)}",
        )
    first = info.shape[0] if rank else None
    return first if isinstance(first, int) and first > 1 and ndim == rank and not sequence else 1


def sample_shape(info: TensorInfo) -> tuple[int | str | None, ...]:
    """Shape of one sample's value without its batch axis, or with it where the batch is fixed to more than one."""
    first = info.shape[0] if info.shape else None
    return info.shape if isinstance(first, int) and first > 1 else info.shape[1:]


def steps_of(
    values: Mapping[str, np.ndarray], inputs: Sequence[TensorInfo], *, sequence: bool, where: str
) -> tuple[Feeds, ...]:
    """Feeds of each step from one sample's values; views, no copies.

    Args:
        values: Value of each input by name.
        inputs: The inputs that `values` feeds.
        sequence: Whether the model carries state, so that samples have steps.
        where: The sample, for messages.

    Raises:
        SamplesError: A value's rank fits no row of the table above, or step counts differ.
    """
    if not sequence:
        return ({info.name: _single(values[info.name], info, where) for info in inputs},)
    found = {info.name: _stepped(values[info.name], info, where) for info in inputs}
    count = max((steps for steps, _ in found.values()), default=1)
    for name, (steps, _) in found.items():
        if steps not in (1, count) or steps == 0:
            raise SamplesError(
                f"{where}, input {name!r}",
                f"has {steps} steps, the sample has {count}",
                remedy="Give every input the same number of steps, or one that holds for all",
            )
    return tuple({name: at(0 if steps == 1 else t) for name, (steps, at) in found.items()} for t in range(count))


def _single(value: np.ndarray, info: TensorInfo, where: str) -> np.ndarray:
    rank = len(info.shape)
    if value.ndim == rank:
        return value
    if value.ndim == rank - 1:
        return value[np.newaxis]
    raise _misfit(value, info, where, "")


def _stepped(value: np.ndarray, info: TensorInfo, where: str) -> tuple[int, Callable[[int], np.ndarray]]:
    rank = len(info.shape)
    if value.ndim == rank + 1:
        return len(value), lambda t: np.asarray(value[t])
    if value.ndim == rank and rank:
        return len(value), lambda t: value[t : t + 1]
    if value.ndim == max(rank - 1, 0):
        constant = value[np.newaxis] if rank else value
        return 1, lambda _: constant
    raise _misfit(value, info, where, " at each step")


def _misfit(value: np.ndarray, info: TensorInfo, where: str, when: str) -> SamplesError:
    return SamplesError(
        f"{where}, input {info.name!r}",
        f"has shape {show_shape(value.shape)} where {show_shape(info.shape)} is needed{when}",
        remedy="Save the samples in the model's shape, or change that with --shape",
    )
