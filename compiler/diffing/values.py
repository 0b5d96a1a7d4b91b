"""Changes between two trees of JSON values, leaf by leaf, and between two lists of passes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

__all__ = ["Change", "changes", "pass_changes"]

# Stands for what one side does not say.
ABSENT = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One value that differs.

    Attributes:
        name: Its path: `target.name`, `passes[12] DecideQuantization.float_nodes`.
        old, new: What either side says; None where it says nothing.
    """

    name: str
    old: Any
    new: Any

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {"name": self.name, "old": self.old, "new": self.new}


def changes(old: Any, new: Any, name: str = "") -> tuple[Change, ...]:
    """The leaves that differ, in the order of the old side; what only the new side has comes last.

    Args:
        old: JSON values; lists are leaves.
        new: Others.
        name: The path of both.
    """
    return tuple(_changes(old, new, name))


def pass_changes(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> tuple[Change, ...]:
    """What differs between two recipes: passes that came or went, and options of those that stayed.

    Args:
        old: Passes as `recipe.lock` holds them: `kind` and options.
        new: Others.
    """
    found: list[Change] = []
    matcher = SequenceMatcher(a=[str(e["kind"]) for e in old], b=[str(e["kind"]) for e in new], autojunk=False)
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "equal":
            for before, after in zip(old[i:j], new[k:m], strict=True):
                found += _changes(_options(before), _options(after), str(before["kind"]))
            continue
        found += [Change(name=str(each["kind"]), old="runs", new=ABSENT) for each in old[i:j]]
        found += [Change(name=str(each["kind"]), old=ABSENT, new="runs") for each in new[k:m]]
    return tuple(found)


def _changes(old: Any, new: Any, name: str) -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            yield from _changes(old.get(key), new.get(key), f"{name}.{key}" if name else str(key))
    elif old != new:
        yield Change(name=name, old=old, new=new)


def _options(each: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in each.items() if key != "kind"}
