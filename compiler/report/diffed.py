"""What changed between two bundles: for the terminal, and as Markdown."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType

from ..diff import BundleDiff, Side
from ..diffing.values import Change
from ..diffing.weights import WeightChange
from .compared import shortened
from .layout import facts, heading, table
from .units import seconds, share, short_digest, size

__all__ = ["diff_markdown", "diffed"]

_LONGEST = 60
_PARTS = (
    ("Verdict", "verdict"), ("Contract", "contract"), ("Measured", "measured"), ("Origin", "origin"),
    ("Versions", "versions"), ("Recipe", "recipe"), ("Files", "files"),
)  # fmt: skip
# Of what a proof measured, the last part of its name.
_UNITS: Mapping[str, Callable[[float], str]] = {
    **dict.fromkeys(("p50", "p95"), seconds),
    **dict.fromkeys(("bundle_bytes", "float_bytes", "crossing_bytes"), size),
    **dict.fromkeys(("integer_mac_share", "wanted_mac_share", "equal_share"), share),
    "sqnr_db": "{:.1f} dB".format,
    "ratio": "{:.2f}x".format,
}
_COLUMNS = ("what", "old", "new")
_WEIGHTS = ("weight", "layer", "old", "new", "SQNR", "max change")


def diffed(found: BundleDiff, *, top: int | None) -> Iterator[RenderableType]:
    """The parts of the report, in order; parts without a change are left out.

    Args:
        found: What differs.
        top: Show so many weights, those that changed most first; None shows all.
    """
    yield facts([("old", _side(found.old)), ("new", _side(found.new)), ("result", _result(found))])
    for title, name in _PARTS:
        rows = _rows(getattr(found, name), name)
        if rows:
            yield heading(title)
            yield table(_COLUMNS, rows)
    if found.weights.changed:
        yield heading(_weights_title(found))
        yield table(_WEIGHTS, map(_weight, _most(found, top)), right=_WEIGHTS[4:])
    yield from _notes(found)


def diff_markdown(found: BundleDiff, *, top: int | None) -> str:
    """The same as GitHub-flavoured Markdown, each part folded."""
    lines = [
        "### edgec diff", "", "| | bundle | payload | model |", "|---|---|---|---|",
        *(f"| {word} | {_cell(s.name)} | `{short_digest(s.digest)}` | {size(s.size_bytes)} |"
          for word, s in (("old", found.old), ("new", found.new))),
        "", f"**{_result(found)}**",
    ]  # fmt: skip
    for title, name in _PARTS:
        if rows := _rows(getattr(found, name), name):
            lines += _folded(title, _COLUMNS, rows)
    if found.weights.changed:
        lines += _folded(_weights_title(found), _WEIGHTS, [_weight(each) for each in _most(found, top)])
    for note in _notes(found):
        lines += ["", note]
    return "\n".join(lines) + "\n"


def _side(side: Side) -> str:
    return f"{side.name}  {short_digest(side.digest)}  {size(side.size_bytes)}"


def _result(found: BundleDiff) -> str:
    if found.old.digest == found.new.digest:
        return "the same payload" + (", another contract or verdict" if found.differs else "")
    ratio = found.new.size_bytes / found.old.size_bytes if found.old.size_bytes else math.inf
    return f"another payload, {ratio:.3g}x the size"


def _notes(found: BundleDiff) -> Iterator[str]:
    for name in found.unproved:
        yield f"{name} has no proof: verdict, contract and what was measured are not compared"
    if found.machines:
        yield f"times were taken on different machines: {found.machines[0]}; {found.machines[1]}"


def _rows(changes: Sequence[Change], part: str) -> list[tuple[str, str, str]]:
    return [(each.name, _value(part, each.name, each.old), _value(part, each.name, each.new)) for each in changes]


def _value(part: str, name: str, value: Any) -> str:
    """A value in its unit: what a proof measured says by its key which one that is."""
    if value is None:
        return "–"
    if part == "files":
        return short_digest(str(value))
    unit = _UNITS.get(name.rpartition(".")[2]) if part == "measured" else None
    return _shown(value) if unit is None else unit(value)


def _weights_title(found: BundleDiff) -> str:
    return f"Weights: {len(found.weights.changed)} changed, {found.weights.same} the same"


def _most(found: BundleDiff, top: int | None) -> Sequence[WeightChange]:
    changed = found.weights.changed
    if top is None:
        return changed
    return sorted(changed, key=lambda each: -math.inf if each.sqnr_db is None else each.sqnr_db)[:top]


def _weight(each: WeightChange) -> tuple[str, ...]:
    far = each.sqnr_db
    said = "" if far is None else "only stored otherwise" if math.isinf(far) and far > 0 else f"{far:.1f} dB"
    error = "" if each.max_error is None or not each.max_error else f"{each.max_error:.3g} of {each.peak:.3g}"
    return shortened(each.name), shortened(each.layer), each.old or "–", each.new or "–", said, error


def _shown(value: Any) -> str:
    """A value as JSON writes it, cut in the middle; floats with four digits."""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shortened(text, _LONGEST)


def _folded(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        "", f"<details><summary>{title}</summary>", "",
        "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns),
        *("| " + " | ".join(map(_cell, row)) + " |" for row in rows),
        "", "</details>",
    ]  # fmt: skip


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
