"""Sizes as people write them: `2G`, `512M`, `1.5GB`, `2 GiB`."""

from __future__ import annotations

import re

from ..errors import OptionError

__all__ = ["size_of"]

_UNITS = {
    "B": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
    "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40,
}  # fmt: skip
_SIZE = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*([A-Za-z]*)\s*")


def size_of(text: str, *, where: str) -> int:
    """Bytes.

    Args:
        text: A number with its unit; those of the contract, and their first letters.
        where: Names the option in the error.

    Raises:
        OptionError: It is no size above 0, or has no unit, or one that is unknown.
    """
    remedy = f"Write it like '2G'; units here: {', '.join(_UNITS)}"
    match = _SIZE.fullmatch(text)
    if match is None or float(match[1]) <= 0:
        raise OptionError(where, f"{text!r} is not a size", remedy=remedy)
    number, unit = match.groups()
    if not unit:
        raise OptionError(where, f"{text!r} has no unit", remedy=remedy)
    known = {name.lower(): factor for name, factor in _UNITS.items()}
    if unit.lower() not in known:
        raise OptionError(where, f"unit {unit!r} is unknown", remedy=remedy)
    return int(float(number) * known[unit.lower()])
