"""A metric by its name: built in, or the user's own function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from ...errors import ContractError, SamplesError
from .builtin import METRICS
from .metric import Metric, Outputs, weighted_mean

__all__ = ["metric_named"]


def metric_named(name: str, output: str | None = None) -> Metric:
    """The metric of that name.

    Args:
        name: One of the built-in metrics (`builtin.py`), options after commas (`ctc,blank=0`), or `module:function`.
            The function takes
            (outputs by name, label) of one sample and returns a float; it may carry attributes `direction`
            ("higher" unless given) and `unit` ("" unless given). The name may also lead to a `Metric`.
        output: The model output to look at; None takes the first that is not fed back as state.

    Raises:
        ContractError: There is no such metric, or it is not usable as one.
    """
    known, *said = name.split(",")
    if known in METRICS:
        return replace(METRICS[known](output, **_options(name, known, said)), output=output)
    if ":" not in name:
        raise ContractError(
            f"metric {name!r}",
            "is not a built-in metric",
            remedy=f"Choose one of {', '.join(METRICS)}, or give module:function",
        )
    return _imported(name)


def _options(name: str, known: str, said: Sequence[str]) -> dict[str, int]:
    """Integer options by name, as `METRICS[known]` takes them."""
    allowed = [each for each in inspect.signature(METRICS[known]).parameters if each != "output"]
    options = {}
    for each in said:
        option, _, value = each.partition("=")
        if option not in allowed:
            have = f"Its options are {', '.join(allowed)}" if allowed else "It has no options"
            raise ContractError(f"metric {name!r}", f"has no option {option!r}", remedy=have)
        try:
            options[option] = int(value)
        except ValueError:
            raise ContractError(
                f"metric {name!r}", f"{option} is {value!r}, no integer", remedy=f"Write it like {known},{option}=0"
            ) from None
    return options


def _imported(name: str) -> Metric:
    from ..samples.python import find_object

    where = f"metric {name!r}"
    try:
        found = find_object(name)
    except SamplesError as error:
        raise ContractError(
            where, f"cannot be imported: {error.problem}", remedy="Give module:function or file.py:function"
        ) from error
    if isinstance(found, Metric):
        return found
    if not callable(found):
        raise ContractError(
            where, "is neither a function nor a Metric", remedy="Name a function (outputs, label) -> float"
        )
    function: Callable[[Outputs, np.ndarray], object] = found
    way = getattr(found, "direction", "higher")
    if way not in ("higher", "lower"):
        raise ContractError(where, f"direction is {way!r}", remedy="Set it to 'higher' or 'lower'")
    direction: Literal["higher", "lower"] = "lower" if way == "lower" else "higher"
    unit = str(getattr(found, "unit", ""))

    def record(outputs: Outputs, label: np.ndarray) -> np.ndarray:
        try:
            value = np.atleast_1d(np.asarray(function(outputs, label), dtype=np.float64))
        except Exception as error:  # the user's own code may raise anything
            raise ContractError(
                where, f"failed on a sample: {type(error).__name__}: {error}", remedy="Correct the function"
            ) from error
        if value.shape != (1,):
            raise ContractError(where, f"returned shape {value.shape}, one number is needed", remedy="Return a float")
        return value

    return Metric(
        name=name, direction=direction, unit=unit, record=record, weighted=weighted_mean, bounded=unit == "pt"
    )
