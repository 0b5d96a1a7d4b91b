"""The model as a ribbon: its kernels in the order they ran, each as wide as its multiply-accumulates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from markupsafe import Markup

from ..units import count, plural, share
from .svg import Ids, chart, element

__all__ = ["Stretch", "ribbon", "stretches"]

_HEIGHT = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """Kernels one after the other that run alike.

    Attributes:
        kind: `integer`, `float`, or `away`: off the provider wanted.
        first, last: Names of the first and the last kernel.
        kernels: How many.
        macs: Of all of them.
    """

    kind: str
    first: str
    last: str
    kernels: int
    macs: int


def stretches(kernels: Sequence[tuple[str, str, int]]) -> list[Stretch]:
    """Join neighbours of one kind.

    Args:
        kernels: (kind, name, MACs) in the order they ran; those without MACs have no width and are left out.
    """
    found = []
    for kind, group in groupby([each for each in kernels if each[2]], key=lambda each: each[0]):
        members = list(group)
        macs = sum(each[2] for each in members)
        found.append(Stretch(kind=kind, first=members[0][1], last=members[-1][1], kernels=len(members), macs=macs))
    return found


def ribbon(ids: Ids, found: Sequence[Stretch], width: int) -> Markup:
    """Draw it; float is hatched, so that it is told apart without colour, too."""
    total = sum(each.macs for each in found)
    hatch, cross = ids.new("hatch"), ids.new("cross")
    body = [element("defs", _pattern(hatch, "float", 45), _pattern(cross, "away", -45))]
    fills = {"float": f"url(#{hatch})", "away": f"url(#{cross})"}
    x = 0.0
    for each in found:
        wide = each.macs / total * width
        named = escape(each.first if each.kernels == 1 else f"{each.first} … {each.last}")
        told = f"{named}: {plural(each.kernels, 'kernel')}, {count(each.macs)} MACs, {_WORDS[each.kind]}"
        filled = {"style": f"fill:{fills[each.kind]}"} if each.kind in fills else {}
        shape = {"x": x, "y": 2, "width": max(wide, 0.6), "height": _HEIGHT - 4}
        body.append(element("rect", element("title", told), **shape, class_=f"stretch {each.kind}", **filled))
        x += wide
    described = "; ".join(
        f"{share(sum(each.macs for each in found if each.kind == kind) / total)} {words}"
        for kind, words in _WORDS.items()
        if any(each.kind == kind for each in found)
    )
    return chart(ids, width, _HEIGHT, body, title="where the multiply-accumulates run", description=described)


_WORDS = {"integer": "in integer kernels", "float": "in float kernels", "away": "off the provider wanted"}


def _pattern(name: str, kind: str, angle: int) -> str:
    return element(
        "pattern",
        element("rect", width=6, height=6, class_=f"ground {kind}"),
        element("line", x1=0, x2=0, y1=0, y2=6, class_=f"stripe {kind}"),
        id=name,
        width=6,
        height=6,
        patternUnits="userSpaceOnUse",
        patternTransform=f"rotate({angle})",
    )
