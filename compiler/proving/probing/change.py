"""One thing about a form that could be otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .form import Form

__all__ = ["Change"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Change:
    """One thing about a form that could be otherwise.

    Attributes:
        kind: `activations`, `weights`, `granularity`, `symmetry`, `result`, `shape`, `attribute`, `bias`, `constant`,
            `rank`, `opset` or `float`.
        takes: What it is afterwards.
        gets: What it was.
        apply: Makes it; gives back a form that it does not concern unchanged.
        name: Of the attribute; of the type.
        value: The number that an option would take.
    """

    kind: str
    takes: str
    gets: str
    apply: Callable[[Form], Form]
    name: str = ""
    value: int = 0
