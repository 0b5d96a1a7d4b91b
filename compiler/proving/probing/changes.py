"""All that could be otherwise about a form, one thing at a time, in the order of what is easiest to mend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from .change import Change
from .change_attributes import attributes
from .change_operands import biases, shapes
from .change_results import results
from .change_types import floats, symmetry, types
from .form import Form

__all__ = ["changes"]

_OPSETS = (20, 17, 13)


def changes(form: Form) -> Iterator[Change]:
    """Each change that a form can undergo; the last gives its integers up."""
    yield from types(form)
    yield from symmetry(form)
    yield from results(form)
    yield from shapes(form)
    yield from attributes(form)
    yield from biases(form)
    yield from _opsets(form)
    yield from floats(form)


def _opsets(form: Form) -> Iterator[Change]:
    mine = form.opsets.get("", 0)
    for opset in _OPSETS:
        if opset < mine:
            yield Change(
                kind="opset",
                takes=f"opset {opset}",
                gets=str(mine),
                apply=partial(_at_opset, opset=opset),
                value=opset,
            )


def _at_opset(form: Form, opset: int) -> Form:
    return replace(form, opsets={**form.opsets, "": opset})
