"""Identifiers of a language from names of a model, which may be any text."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

__all__ = ["camel", "identifiers", "pascal", "snake"]

_WORD = re.compile(
    r"[A-Z]{2,}s(?![a-z])"  # a row of capitals with the s of a plural: IDs
    r"|[A-Z]{2,}(?=v[0-9]|to[A-Z])"  # a row before a version or a preposition: OCR of OCRv4, RGB of RGBtoYUV
    r"|[A-Z]?[a-z]*[0-9]+D(?![a-z])"  # dimensions: Conv2D, 3D
    r"|[A-Z]+(?![a-z])(?:[0-9]+D(?![a-z])|[0-9]*)"  # a row that ends before the capital of the next word: HTTP, BN1
    r"|[A-Z]?[a-z0-9]+"  # digits belong to the word they stand in: Conv2d, 16k
)


def snake(name: str) -> str:
    """`input_ids` of `inputIDs`."""
    return "_".join(_words(name)) or "value"


def pascal(name: str) -> str:
    """`InputIds` of `input_ids`."""
    return "".join(word.capitalize() for word in _words(name)) or "Value"


def camel(name: str) -> str:
    """`inputIds` of `input_ids`."""
    first, *rest = _words(name) or ["value"]
    return first + "".join(word.capitalize() for word in rest)


def identifiers(
    names: Iterable[str], style: Callable[[str], str], reserved: Collection[str] = frozenset()
) -> dict[str, str]:
    """Name → identifier, no two alike, none reserved, none that begins with a digit.

    Args:
        names: Names of a model.
        style: `snake`, `camel` or `pascal`.
        reserved: Words the language keeps, and those the template uses beside these.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        wanted = style(name)
        wanted = f"_{wanted}" if wanted[0].isdigit() else wanted
        wanted = f"{wanted}_" if wanted in reserved else wanted
        each, number = wanted, 1
        while each in taken:
            number += 1
            each = f"{wanted}_{number}"
        taken.add(each)
        found[name] = each
    return found


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]
