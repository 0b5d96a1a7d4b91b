"""Every sample is checked when it is read: names, dtype, shape, finite values.

Casts made without a word, because they keep every value (or its float32 rounding):

===================  ==========================  =======================================
data                 input                       rule
===================  ==========================  =======================================
floats               wider floats                exact
float64              float32                     rounded: numpy's default dtype
integers             any integers                exact, refused when a value does not fit
text                 string                      exact
===================  ==========================  =======================================

Anything else (uint8 pixels for a float32 input, say) is an error: a missing preprocessing step looks just so.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np

from ...errors import SamplesError
from ...runtimes.base import TensorInfo
from .base import Feeds, Sample, State

__all__ = ["cast", "check_label", "check_names", "conform", "nearest", "needed", "quoted", "show_shape", "shapes_fit"]


def needed(inputs: Sequence[TensorInfo], state: State) -> tuple[TensorInfo, ...]:
    """Inputs that the data must give: all but the carried ones."""
    return tuple(info for info in inputs if info.name not in state.carried)


def show_shape(shape: Sequence[int | str | None]) -> str:
    """`[N, 3, 224, ?]`: the shape as messages write it."""
    return "[" + ", ".join("?" if dim is None else str(dim) for dim in shape) + "]"


def shapes_fit(have: Sequence[int], want: Sequence[int | str | None]) -> bool:
    """Whether a shape has the wanted rank and fixed dimensions."""
    return len(have) == len(want) and all(
        not isinstance(need, int) or need == got for got, need in zip(have, want, strict=True)
    )


def quoted(names: Sequence[str]) -> str:
    """`'a', 'b'`, the first eight."""
    shown = ", ".join(repr(name) for name in names[:8])
    return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def nearest(name: str, names: Sequence[str]) -> str:
    """`, did you mean 'x'?` when a name is near, else nothing."""
    found = get_close_matches(name, names, n=1)
    return f", did you mean {found[0]!r}?" if found else ""


def check_names(found: Sequence[str], inputs: Sequence[TensorInfo], state: State, where: str) -> None:
    """Raise when `found` are not exactly the inputs that the data must give."""
    wanted = [info.name for info in needed(inputs, state)]
    for name in found:
        if name in state.carried:
            raise SamplesError(
                where,
                f"gives {name!r}, which the state carries from output {state.carried[name]!r}",
                remedy="Leave it out of the data; a value to start from goes into the state's start",
            )
        if name not in wanted:
            raise SamplesError(
                where,
                f"{name!r} is not an input of the model{nearest(name, wanted)}",
                remedy=f"The data must give {quoted(wanted)}",
            )
    for name in wanted:
        if name not in found:
            raise SamplesError(
                where,
                f"input {name!r} is missing; there is {quoted(found) or 'nothing'}",
                remedy=f"The data must give {quoted(wanted)}",
            )


def conform(sample: Sample, inputs: Sequence[TensorInfo], state: State) -> Sample:
    """Check a sample and cast what may be cast.

    Args:
        sample: As its reader made it.
        inputs: Every input of the model.
        state: Carried inputs are not in the sample.

    Returns:
        The sample with C-contiguous arrays of the inputs' dtypes and of shapes that fit.

    Raises:
        SamplesError: What does not fit, naming sample, step and input.
    """
    if not sample.steps:
        raise SamplesError(sample.id, "has no steps", remedy="Give each sample at least one step")
    steps = []
    for number, step in enumerate(sample.steps):
        where = sample.id if len(sample.steps) == 1 else f"{sample.id}, step {number}"
        check_names(tuple(step), inputs, state, where)
        steps.append(_conform_step(step, needed(inputs, state), where))
    check_label(sample)
    return Sample(id=sample.id, steps=tuple(steps), label=sample.label)


def _conform_step(step: Feeds, inputs: Sequence[TensorInfo], where: str) -> Feeds:
    return {info.name: _conform_array(step[info.name], info, f"{where}, input {info.name!r}") for info in inputs}


def _conform_array(array: np.ndarray, info: TensorInfo, where: str) -> np.ndarray:
    _check_shape(array, info, where)
    feed = cast(array, info.dtype, where)
    _check_finite(feed, where)
    return feed


def check_label(sample: Sample) -> None:
    """Raise when a label holds objects, NaN or Inf."""
    if sample.label is None:
        return
    if sample.label.dtype.kind in "OV":
        raise SamplesError(
            f"{sample.id}, label",
            f"is not a number, an array of numbers or text but {sample.label.dtype}",
            remedy="Give the label as a number, an array or a string",
        )
    _check_finite(sample.label, f"{sample.id}, label")


def _check_shape(array: np.ndarray, info: TensorInfo, where: str) -> None:
    if not shapes_fit(array.shape, info.shape):
        reshape = "Save the samples in the model's shape, or change that with --shape"
        raise SamplesError(
            where,
            f"has shape {show_shape(array.shape)} where {show_shape(info.shape)} is needed",
            remedy="Add the batch axis" if array.ndim == len(info.shape) - 1 else reshape,
        )
    if array.ndim and array.shape[0] == 0:
        raise SamplesError(where, f"with shape {show_shape(array.shape)} is empty", remedy="Remove the sample")


def cast(array: np.ndarray, want: np.dtype, where: str) -> np.ndarray:
    """Cast what may be cast, to C order; raise SamplesError for the rest (table above)."""
    have = array.dtype
    if have == want:
        return np.ascontiguousarray(array) if array.ndim else array
    if have.kind == want.kind == "f" and (np.can_cast(have, want, "safe") or want == np.float32):
        with np.errstate(over="ignore"):  # what overflows is Inf, which is reported next
            return array.astype(want, order="C")
    if have.kind in "iu" and want.kind in "iu":
        if np.can_cast(have, want, "safe") or _holds(array, want):
            return array.astype(want, order="C")
        raise SamplesError(
            where,
            f"holds {have} values from {array.min()} to {array.max()}, which do not fit {want}",
            remedy=f"Save values that fit {want}",
        )
    if have.kind in "UO" and want.kind in "UO" and all(isinstance(text, str) for text in array.flat):
        return array.astype(want, order="C")
    raise SamplesError(
        where,
        f"is {have}, the model takes {want}",
        remedy=f"Preprocess the samples as the model was trained and save them as {want}",
    )


def _holds(array: np.ndarray, want: np.dtype) -> bool:
    limits = np.iinfo(want)
    return array.size == 0 or (int(array.min()) >= limits.min and int(array.max()) <= limits.max)


def _check_finite(array: np.ndarray, where: str) -> None:
    if array.dtype.kind in "biuUSO":
        return
    # A sum is finite only if every term is; it reads the array once and writes nothing.
    # It may overflow where no term does, so only the elementwise test may refuse.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum()):
            return
        bad = ~np.isfinite(array)
    if not bad.any():
        return
    first = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), array.shape))
    kind = "NaN" if np.isnan(array[first]) else "Inf"
    at = f"{kind} at {show_shape(first)} comes first" if array.ndim else kind
    raise SamplesError(
        where,
        f"{int(bad.sum())} of {array.size} values {'is' if bad.sum() == 1 else 'are'} not finite: {at}",
        remedy="Remove or mend the sample; NaN and Inf cannot be calibrated or scored",
    )
