"""The two shapes every report is made of: facts by name, and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = ["Facts", "facts", "heading", "lines", "table"]

Facts: TypeAlias = Iterable[tuple[str, RenderableType | None]]


def lines(texts: Iterable[str]) -> Group | None:
    """Texts below each other; None for none."""
    found = list(texts)
    return Group(*found) if found else None


def heading(text: str) -> Text:
    """The title of a part, an empty line above it."""
    return Text(f"\n{text}", style="bold")


def facts(rows: Facts) -> Table:
    """Names on the left, what is known of them on the right; a row that is None is left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        if value is not None:
            grid.add_row(name, value)
    return grid


def table(columns: Sequence[str], rows: Iterable[Sequence[RenderableType]], *, right: Sequence[str] = ()) -> Table:
    """A table without lines; the columns named in `right` are aligned to the right."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made
