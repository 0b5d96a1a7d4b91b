"""Reads a `config.json`: values of the kind that is needed, or what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ....errors import ModelError

__all__ = ["ConfigReader", "read_json", "token_ids"]


def read_json(file: Path, where: str) -> dict[str, Any]:
    """The object in a file.

    Raises:
        ModelError: There is none.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(where, f"cannot be read: {error}", remedy="Copy the checkpoint again") from error
    if not isinstance(values, dict):
        raise ModelError(where, "is not a JSON object", remedy="Copy the checkpoint again")
    return values


def token_ids(said: Mapping[str, Any], key: str, where: str) -> tuple[int, ...]:
    """Token ids of a key: none, one, or a list.

    Raises:
        ModelError: It is something else.
    """
    value = said.get(key)
    ids = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(each, int) and not isinstance(each, bool) and each >= 0 for each in ids):
        raise ModelError(where, f"{key}: {value!r} is no token", remedy="Mend it: tokens are numbers from 0")
    return tuple(ids)


class ConfigReader:
    """Reads values of the kind that is needed; null counts as missing. Others raise ModelError.

    Args:
        said: The object.
        where: How messages call it.
    """

    def __init__(self, said: Mapping[str, Any], where: str) -> None:
        self._said = said
        self._where = where

    def whole(self, key: str, default: int | None = None) -> int:
        value = self._value(key, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(key, value, "a whole number")
        return value

    def number(self, key: str, default: float) -> float:
        value = self._value(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self._wrong(key, value, "a number")
        return float(value)

    def switch(self, key: str, default: bool) -> bool:
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    def _value(self, key: str, default: object) -> object:
        value = self._said.get(key)
        if value is None and default is None:
            raise ModelError(self._where, f"has no {key!r}", remedy="Copy the checkpoint again")
        return default if value is None else value

    def _wrong(self, key: str, value: object, needed: str) -> ModelError:
        return ModelError(self._where, f"{key}: {value!r} is not {needed}", remedy="Copy the checkpoint again")
