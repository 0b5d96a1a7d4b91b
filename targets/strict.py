"""TOML tables to frozen dataclasses, strictly: an unknown key is an error with its path and the nearest valid key.

================================ ==========================================================
field type                       TOML
================================ ==========================================================
str, int, float, bool            a value of that type; an integer is taken for a float
Literal["a", "b"]                one of the strings
Path                             a string
tuple[T, ...], tuple[T, U]       a list
Mapping[str, T]                  a table
a dataclass                      a table with its fields as keys (`with_` is written `with`)
A | B | C (dataclasses)          "a" when A needs nothing; {b = value} when B has one field;
                                 {c = {...}} (`granularity = {per_block = {axis = 0, size = 32}}`)
T | None                         as T; left out means None
================================ ==========================================================

A kind that holds a function (`Derived`) cannot be written in TOML and is not offered.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ..errors import InputError, TargetError

__all__ = ["from_table", "read_toml", "unknown_key"]

T = TypeVar("T")

_NAMES = {str: "a string", int: "an integer", float: "a number", bool: "true or false", list: "a list", dict: "a table"}


def read_toml(file: Path, *, error: type[InputError] = TargetError) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        InputError: Of the class `error`: the file is missing, not text, or not TOML.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as reason:
        raise error(str(file), f"cannot be read: {reason.strerror}", remedy="Check the path") from reason
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as reason:
        raise error(str(file), f"is not TOML: {reason}", remedy="Mend the file there") from reason


def from_table(
    cls: type[T], table: Mapping[str, object], *, where: str, path: str = "", error: type[InputError] = TargetError
) -> T:
    """A dataclass from a TOML table.

    Args:
        cls: The dataclass.
        table: The parsed table.
        where: The file, for errors: `my-board.toml`.
        path: The table's place in it: `rules[0]`; "" for the whole file.
        error: The class of errors raised.

    Raises:
        InputError: Of the class `error`: a key is unknown or missing, or a value has the wrong type or is refused.
    """
    value: T = _Reader(where=where, error=error).table(cls, table, path)
    return value


def unknown_key(
    where: str, path: str, key: str, known: Iterable[str], *, error: type[InputError] = TargetError
) -> InputError:
    """The error for a key that is not one of `known`; names the nearest one."""
    valid = list(known)
    near = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
    hint = f", did you mean {near[0]!r}?" if near else ""
    return error(
        f"{where}: {_join(path, key)}",
        f"unknown key{hint}",
        remedy=f"Keys here: {', '.join(valid)}" if valid else "Remove it",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reader:
    where: str
    error: type[InputError]

    def table(self, cls: Any, table: object, path: str) -> Any:
        if not isinstance(table, Mapping):
            raise self._wrong(path, table, "a table")
        hints = get_type_hints(cls)
        fields = {field.name.rstrip("_"): field for field in dataclasses.fields(cls) if field.init}
        for key in table:
            if key not in fields:
                raise unknown_key(self.where, path, key, fields, error=self.error)
        values = {}
        for key, field in fields.items():
            if key in table:
                values[field.name] = self.value(hints[field.name], table[key], _join(path, key))
            elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                if not _optional(hints[field.name]):
                    raise self._error(path, f"key {key!r} is missing", f"Keys here: {', '.join(fields)}")
                values[field.name] = None
        return self._build(cls, values, path)

    def value(self, kind: Any, value: object, path: str) -> Any:
        origin, args = get_origin(kind), get_args(kind)
        if origin is Literal:
            if value not in args:
                raise self._error(path, f"{value!r} is not one of {', '.join(map(str, args))}", "Choose one of them")
            return value
        if origin in (Union, types.UnionType):
            return self._union([arg for arg in args if arg is not type(None)], value, path)
        if origin is tuple:
            return self._tuple(args, value, path)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            if not isinstance(value, Mapping):
                raise self._wrong(path, value, "a table")
            return {key: self.value(args[1], item, _join(path, key)) for key, item in value.items()}
        if dataclasses.is_dataclass(kind):
            return self.table(kind, value, path)
        if kind is Path:
            return Path(self.value(str, value, path))
        if kind is float and type(value) is int:
            return float(value)
        if kind in _NAMES:
            if type(value) is not kind:
                raise self._wrong(path, value, _NAMES[kind])
            return value
        raise TypeError(f"{path}: no TOML form for {kind!r}")

    def _tuple(self, args: tuple[Any, ...], value: object, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise self._wrong(path, value, "a list")
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(self.value(args[0], item, f"{path}[{index}]") for index, item in enumerate(value))
        if len(value) != len(args):
            raise self._error(path, f"has {len(value)} values, {len(args)} are needed", "Give that many")
        pairs = zip(args, value, strict=True)
        return tuple(self.value(kind, item, f"{path}[{index}]") for index, (kind, item) in enumerate(pairs))

    def _union(self, kinds: list[Any], value: object, path: str) -> Any:
        if len(kinds) == 1:
            return self.value(kinds[0], value, path)
        if not all(dataclasses.is_dataclass(kind) for kind in kinds):
            return self._plain_union(kinds, value, path)
        named = {_snake(kind.__name__): kind for kind in kinds if _writable(kind)}
        if isinstance(value, str):
            if value in named and not _required(named[value]):
                return self._build(named[value], {}, path)
            name = value
        elif isinstance(value, Mapping) and len(value) == 1:
            name = next(iter(value))
            if name in named:
                return self._kind(named[name], value[name], _join(path, name))
        else:
            raise self._error(path, "names no kind", _kinds_remedy(named))
        if name in named:
            raise self._error(path, f"{name!r} needs a value", _kinds_remedy({name: named[name]}))
        near = difflib.get_close_matches(name, named, n=1, cutoff=0.5)
        hint = f", did you mean {near[0]!r}?" if near else ""
        raise self._error(path, f"unknown kind {name!r}{hint}", _kinds_remedy(named))

    def _kind(self, cls: Any, value: object, path: str) -> Any:
        fields = [field for field in dataclasses.fields(cls) if field.init]
        names = {field.name.rstrip("_") for field in fields}
        if len(fields) == 1 and not (isinstance(value, Mapping) and names & set(value)):
            return self._build(
                cls, {fields[0].name: self.value(get_type_hints(cls)[fields[0].name], value, path)}, path
            )
        return self.table(cls, value, path)

    def _plain_union(self, kinds: list[Any], value: object, path: str) -> Any:
        for kind in kinds:
            if kind in _NAMES and type(value) is kind:
                return value
            if get_origin(kind) is tuple and isinstance(value, list):
                return self.value(kind, value, path)
        raise self._wrong(path, value, " or ".join(_NAMES.get(kind, "a list") for kind in kinds))

    def _build(self, cls: Any, values: Mapping[str, Any], path: str) -> Any:
        try:
            return cls(**values)
        except ValueError as reason:  # a rule of the dataclass; its text opens with the field's name
            field, colon, problem = str(reason).partition(": ")
            if colon and field in {f.name for f in dataclasses.fields(cls)}:
                raise self._error(_join(path, field.rstrip("_")), problem, "Change the value") from reason
            raise self._error(path, str(reason), "Change the values") from reason

    def _wrong(self, path: str, value: object, need: str) -> InputError:
        return self._error(path, f"is {_NAMES.get(type(value), repr(value))}, {need} is needed", f"Write {need}")

    def _error(self, path: str, problem: str, remedy: str) -> InputError:
        return self.error(f"{self.where}: {path}" if path else self.where, problem, remedy=remedy)


def _join(path: str, key: str) -> str:
    key = key if re.fullmatch(r"[\w-]+", key) else f'"{key}"'
    return f"{path}.{key}" if path else key


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _optional(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind)


def _required(cls: Any) -> bool:
    missing = dataclasses.MISSING
    return any(f.init and f.default is missing and f.default_factory is missing for f in dataclasses.fields(cls))


def _writable(cls: Any) -> bool:
    return not any(get_origin(kind) is Callable for kind in get_type_hints(cls).values())


def _kinds_remedy(named: Mapping[str, Any]) -> str:
    forms = []
    for name, cls in named.items():
        keys = [field.name.rstrip("_") for field in dataclasses.fields(cls) if field.init]
        if not _required(cls):
            forms.append(f'"{name}"')
        elif len(keys) == 1:
            forms.append(f"{{{name} = ...}}")
        else:
            forms.append(f"{{{name} = {{{', '.join(f'{key} = ...' for key in keys)}}}}}")
    return f"Write one of: {', '.join(forms)}"
