"""Run a list of passes over a model, watched by observers.

The driver observes statistics a pass `needs` and nobody measured yet; a pass that `invalidates` makes them stale.
A pass that works `in_turn` is measured for and called again until nothing is missing.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import onnx_ir as ir

from ..errors import EdgecError, InternalError
from ..passes.base import Pass
from ..passes.observe.statistics import Need, forget_observations, observation_of

__all__ = ["Measure", "PassObserver", "PassReport", "run_passes"]

_log = logging.getLogger(__name__)

Measure: TypeAlias = Callable[[ir.Model, Sequence[Need]], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class PassReport:
    """What one pass did."""

    index: int
    name: str
    modified: bool
    seconds: float
    nodes_before: int
    nodes_after: int


class PassObserver(Protocol):
    """Watches passes; raises to stop the pipeline."""

    def before(self, each: Pass, model: ir.Model) -> None: ...
    def after(self, each: Pass, model: ir.Model, report: PassReport) -> None: ...


def run_passes(
    model: ir.Model, passes: Sequence[Pass], *, measure: Measure, observers: Sequence[PassObserver] = ()
) -> list[PassReport]:
    """Edit `model` in place, pass after pass.

    Args:
        model: The model; it is edited.
        passes: What runs, in order.
        measure: Observes the needs given to it and sets them on the values.
        observers: Called around every pass.

    Returns:
        One report per pass.

    Raises:
        EdgecError: What a pass or an observer raised.
        InternalError: Anything else a pass raised; names the pass and what would have followed.
    """
    with _no_collection():
        return _run(model, passes, measure, observers)


def _run(
    model: ir.Model, passes: Sequence[Pass], measure: Measure, observers: Sequence[PassObserver]
) -> list[PassReport]:
    reports = []
    for index, each in enumerate(passes):
        for observer in observers:
            observer.before(each, model)
        _observe_missing(model, each, measure)
        nodes, start = len(model.graph), time.perf_counter()
        try:
            result = each(model)
            while each.in_turn and _observe_missing(model, each, measure):
                result = ir.passes.PassResult(model, modified=each(model).modified or result.modified)
        except Exception as error:
            cause = _edgec_error(error)
            if cause is not None:
                raise cause from error
            raise InternalError(
                f"pass {index} {each!r:.200}",
                f"failed with {type(error).__name__}: {error}",
                affects=f"Behind it: {', '.join(later.name for later in passes[index + 1 :]) or 'nothing'}",
                remedy="Report it with the model; `--scheme float` compiles without this pass",
            ) from error
        report = PassReport(
            index=index,
            name=each.name,
            modified=result.modified,
            seconds=time.perf_counter() - start,
            nodes_before=nodes,
            nodes_after=len(model.graph),
        )
        _log.debug("%2d %-22s %s %6.1f ms  nodes %d -> %d", index, each.name, "*" if result.modified else " ",
                   report.seconds * 1e3, nodes, len(model.graph))  # fmt: skip
        for observer in observers:
            observer.after(each, model, report)
        if result.modified and each.invalidates:
            for node in model.graph:
                for value in node.outputs:
                    forget_observations(value)
        reports.append(report)
    return reports


@contextmanager
def _no_collection() -> Iterator[None]:
    """Put Python's cyclic collection off: one in mid-pass walks the whole graph, and cost as much as all passes."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _observe_missing(model: ir.Model, each: Pass, measure: Measure) -> bool:
    """Measure what a pass needs and nobody measured yet; whether there was anything."""
    needs = each.needs(model)
    if not needs:
        return False
    values = {value.name: value for value in model.graph.inputs}
    values |= {value.name: value for node in model.graph for value in node.outputs}
    missing = [need for need in needs if observation_of(values[need.value], need.statistic) is None]
    if missing:
        measure(model, missing)
    return bool(missing)


def _edgec_error(error: BaseException | None) -> EdgecError | None:
    """The EdgecError at the root of what onnx_ir's pass infrastructure wrapped."""
    while error is not None:
        if isinstance(error, EdgecError):
            return error
        error = error.__cause__
    return None
