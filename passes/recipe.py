"""A recipe: the resolved list of passes with their options; printable, editable, replayable.

As JSON every value is `{"kind": class, field: value, ...}`, fields at their default left out, so that a
reader sees what was chosen and an editor can change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from .base import Pass
from .catalog import KINDS

__all__ = ["Recipe"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Passes in the order they run.

    Attributes:
        scheme: What the passes amount to: `a8w8`, `d8w8`, `w8`, `float`.
        passes: The passes.
        measured: What was measured to choose them, as JSON values: kept for the reader, never measured again.
    """

    scheme: str
    passes: tuple[Pass, ...]
    measured: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n".join(f"{index:2d}  {each!r}" for index, each in enumerate(self.passes))

    def without_samples(self) -> Recipe:
        """The recipe of a compile that has none: passes that would only do better with them are left out."""
        return replace(self, passes=tuple(each for each in self.passes if not each.optional))

    def to_json(self) -> dict[str, Any]:
        """Plain values for `recipe.lock`."""
        plain = {"scheme": self.scheme, "passes": [_plain(each) for each in self.passes]}
        return {**plain, "measured": dict(self.measured)} if self.measured else plain

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Recipe:
        """The recipe a `recipe.lock` holds.

        Raises:
            ValueError: A kind, a field or a value is not one of ours; says where.
        """
        scheme, passes = values.get("scheme"), values.get("passes")
        if not isinstance(scheme, str) or not isinstance(passes, list):
            raise ValueError("needs `scheme` (a string) and `passes` (a list)")
        made = tuple(_value(each, f"passes[{index}]") for index, each in enumerate(passes))
        for index, each in enumerate(made):
            if not isinstance(each, Pass):
                raise ValueError(f"passes[{index}]: {type(each).__name__} is not a pass")
        measured = values.get("measured", {})
        if not isinstance(measured, dict):
            raise ValueError("`measured` is not an object")
        return cls(scheme=scheme, passes=made, measured=measured)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        chosen = {f.name: getattr(value, f.name) for f in fields(value)}
        kept = {
            f.name: _plain(chosen[f.name]) for f in fields(value) if f.default is MISSING or chosen[f.name] != f.default
        }
        return {"kind": type(value).__name__, **kept}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value


def _value(plain: Any, where: str) -> Any:
    if isinstance(plain, list):
        return tuple(_value(each, f"{where}[{index}]") for index, each in enumerate(plain))
    if not isinstance(plain, dict):
        return plain
    kind = KINDS.get(str(plain.get("kind")))
    if kind is None:
        raise ValueError(f"{where}: kind {plain.get('kind')!r} is not one of {', '.join(sorted(KINDS))}")
    known = {f.name for f in fields(kind)}
    options = {key: _value(each, f"{where}.{key}") for key, each in plain.items() if key != "kind"}
    if unknown := sorted(set(options) - known):
        raise ValueError(f"{where}: {unknown[0]!r} is not a field of {kind.__name__} ({', '.join(sorted(known))})")
    hints = get_type_hints(kind)
    for key, option in options.items():
        if not _fits(option, hints[key]):
            raise ValueError(f"{where}.{key}: {plain[key]!r} is not what {kind.__name__} takes there")
    try:
        return kind(**options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value has the type a field declares: numbers, strings, our own classes, tuples and unions of them."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in args
    if origin in (Union, UnionType):
        return any(_fits(value, each) for each in args)
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(each, args[0]) for each in value)
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint if isinstance(hint, type) else True
