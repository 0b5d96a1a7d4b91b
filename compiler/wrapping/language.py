"""A language a wrapper is written in: its template, its names, how it writes a value."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Language"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Language:
    """How wrappers of one language are made.

    Attributes:
        name: What the user types.
        title: Its name in prose.
        template: The file beside this one.
        file: The name of the wrapper's file, from the name of what is wrapped.
        style: Identifiers of inputs and outputs.
        reserved: Words that cannot be one.
        dtypes: The types it can hold: numpy's names.
        filters: What the template calls, by name.
        words: What else it says, from the name of what is wrapped.
    """

    name: str
    title: str
    template: str
    file: Callable[[str], str]
    style: Callable[[str], str]
    reserved: Collection[str]
    dtypes: Collection[str]
    filters: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    words: Mapping[str, Callable[[str], str]] = field(default_factory=dict)
