"""Find what keeps a provider from a form: the first single change with which it takes it, else the fewest together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from .bench import Bench
from .change import Change
from .changes import changes
from .form import Form

__all__ = ["Found", "explain"]

# What a plain form of one type is made of, beside its type.
_PLAIN = ("granularity", "shape", "constant", "rank", "attribute")


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What trying showed.

    Attributes:
        changes: With these it is taken; () where it is taken as it is, alone, or in no form.
        alone: It is taken as it is where nothing stands beside it.
        forms: Forms that were tried.
        died: Forms that ended the process of the place.
    """

    changes: tuple[Change, ...]
    alone: bool
    forms: int
    died: int


def explain(bench: Bench, form: Form) -> Found:
    """Try a form as it is, each change by itself, then plain forms of one type, reduced to what they need.

    Args:
        bench: Where.
        form: A node that is not taken in its model.
    """
    died = len(bench.died)
    known = list(changes(form))
    singles = [(change, made) for change in known if bench.runs_here(made := change.apply(form))]
    taken = bench.taken([form, *(made for _, made in singles)])
    alone = taken[0]
    forms = 1 + len(singles)
    chosen: tuple[Change, ...] = ()
    if not alone:
        landed = [change for (change, _), found in zip(singles, taken[1:], strict=True) if found]
        whole = [(change,) for change in landed if change.kind != "float"]
        floats = [(change,) for change in landed if change.kind == "float"]
        if whole:
            chosen = whole[0]
        else:  # integers of a plainer form before no integers
            chosen, tried = _together(bench, form, _plain_forms(known, integers=True))
            forms += tried
        if not chosen and floats:
            chosen = floats[0]
        elif not chosen:
            chosen, tried = _together(bench, form, _plain_forms(known, integers=False))
            forms += tried
    return Found(changes=chosen, alone=alone, forms=forms, died=len(bench.died) - died)


def _together(bench: Bench, form: Form, plain_forms: Sequence[Sequence[Change]]) -> tuple[tuple[Change, ...], int]:
    """The fewest changes of the first plain form that is taken, () where none is; and how many forms that took."""
    runnable = [(plain, made) for plain in plain_forms if bench.runs_here(made := _applied(form, plain))]
    taken = bench.taken([made for _, made in runnable])
    first = next((plain for (plain, _), found in zip(runnable, taken, strict=True) if found), None)
    chosen, tried = ((), 0) if first is None else _fewest(bench, form, first)
    return chosen, len(runnable) + tried


def _plain_forms(known: Sequence[Change], *, integers: bool) -> list[list[Change]]:
    """Everything at once: in int8 and in uint8, or in float; at the form's own operator set, and at the lowest."""
    if integers:
        results: dict[str, list[Change]] = {"quantized": [], "shared": [], "fixed": []}
        for change in known:
            if change.kind == "result":
                results[change.name].append(change)
        typed = [[change for change in known if change.name == name] for name in ("int8", "uint8")]
        found = [[*each, *results["quantized"], *_beside(known)] for each in typed]
        found += [[*plain, *results[name]] for plain in found for name in ("shared", "fixed") if results[name]]
    else:
        found = [[*(change for change in known if change.kind == "float"), *_beside(known)]]
    lowest = [change for change in known if change.kind == "opset"][-1:]
    found += [[*plain, *lowest] for plain in found if lowest]
    return [plain for plain in found if len(plain) > 1]


def _beside(known: Sequence[Change]) -> list[Change]:
    return [change for change in known if change.kind in _PLAIN or (change.kind == "bias" and change.name == "with")]


def _fewest(bench: Bench, form: Form, enough: Sequence[Change]) -> tuple[tuple[Change, ...], int]:
    """Changes none of which can be left out, and how many forms that took."""
    kept = list(enough)
    tried = 0
    for change in reversed(enough):
        fewer = [each for each in kept if each is not change]
        made = _applied(form, fewer)
        if not bench.runs_here(made):
            continue
        tried += 1
        if bench.takes(made):
            kept = fewer
    return tuple(kept), tried


def _applied(form: Form, together: Sequence[Change]) -> Form:
    return reduce(lambda made, change: change.apply(made), together, form)
