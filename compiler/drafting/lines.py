"""TOML as it is written by hand: keys, values, comments that fit a line."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Mapping

__all__ = ["WIDTH", "comment", "entry", "key", "table", "value"]

WIDTH = 100


def key(name: str) -> str:
    """A key, in quotes where it needs them."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else value(name)


def value(given: object) -> str:
    """A value: text, a number, a list, an inline table."""
    if isinstance(given, Mapping):
        return "{ " + ", ".join(f"{key(name)} = {value(each)}" for name, each in given.items()) + " }"
    if isinstance(given, list | tuple):
        return "[" + ", ".join(map(value, given)) + "]"
    # JSON's strings, numbers and truths are TOML's, but for a sign that TOML wants escaped.
    return json.dumps(given, ensure_ascii=False).replace("\x7f", "\\u007f")


def entry(name: str, given: object, note: str = "") -> str:
    """`name = value   # note`."""
    text = f"{key(name)} = {value(given)}"
    return f"{text:<26}  # {note}" if note else text


def table(*names: str) -> str:
    """The head of a table."""
    return f"[{'.'.join(map(key, names))}]"


def comment(*texts: str, of: Iterable[str] = ()) -> list[str]:
    """Prose as comment lines, each text a paragraph; then lines of TOML that are not in force (`of`)."""
    prose = [line for text in texts for line in textwrap.wrap(_one_line(text), WIDTH - 2, break_on_hyphens=False)]
    return [f"# {line}".rstrip() for line in (*prose, *of)]


def _one_line(text: str) -> str:
    return " ".join(text.split())
