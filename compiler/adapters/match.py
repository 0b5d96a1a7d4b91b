"""Which linear of a graph each module of an adapter is: by name, by the end of a name, or a part of a packed one.

1. A name of the linear is the module's.
2. One ends in the other, at a dot, and no second linear does: `layers.0.q_proj` is `model.layers.0.q_proj`.
3. The module was packed with its neighbours: `q_proj` is a slice of the columns of `qkv_proj`, `up_proj` of
   `gate_up_proj`.
4. The user says which (`--adapter-map`).

`self_attn` and `attn` are taken for one word: the model builder of onnxruntime-genai writes the second for the first.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...errors import ModelError
from .linears import Linear

__all__ = ["Match", "match_modules", "matched_names"]

# Packed linear → its parts, in the order of its columns.
_PACKED = {
    "qkv_proj": ("q_proj", "k_proj", "v_proj"),
    "gate_up_proj": ("gate_proj", "up_proj"),
}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Match:
    """Where a module is.

    Attributes:
        linear: The linear.
        part, parts: Which of how many packed modules; 0 of 1 where it is the linear itself.
    """

    linear: Linear
    part: int = 0
    parts: int = 1


def match_modules(
    modules: Sequence[str], linears: Sequence[Linear], chosen: Mapping[str, str], where: str
) -> dict[str, Match]:
    """Find every module.

    Args:
        modules: Their names in the base model.
        linears: Of the graph.
        chosen: Module → node; one `*` or more in both stand for the same text.
        where: Whose modules, for messages.

    Returns:
        A match for every module.

    Raises:
        ModelError: A module is no linear of the graph, or could be several.
    """
    names = matched_names(linears)
    return {module: _match(module, linears, names, chosen, where) for module in modules}


def matched_names(linears: Sequence[Linear]) -> dict[str, Linear]:
    """Linears by every name they go by, written as names are compared; the first of a name has it."""
    found: dict[str, Linear] = {}
    for rank in range(max((len(each.names) for each in linears), default=0)):
        for each in linears:
            if rank < len(each.names):
                found.setdefault(_key(each.names[rank]), each)
    for each in linears:  # what an exporter called `val_159` is a module of that name, as `edgec.qlora` has it
        found.setdefault(_key(str(each.weight.name)), each)
    return found


def _match(
    module: str, linears: Sequence[Linear], names: Mapping[str, Linear], chosen: Mapping[str, str], where: str
) -> Match:
    said = next(_said(module, chosen), None)
    if said is not None:
        found = next((each for each in linears if said in each.names), None)
        if found is None:
            raise _missing(f"--adapter-map {module}={said}", "names no linear of the graph", said, linears)
        return Match(linear=found)
    found = _named(module, names, where)
    if found is not None:
        return Match(linear=found)
    stem, _, last = module.rpartition(".")
    for packed, parts in _PACKED.items():
        whole = _named(f"{stem}.{packed}".lstrip("."), names, where) if last in parts else None
        if whole is not None:
            return Match(linear=whole, part=parts.index(last), parts=len(parts))
    raise _missing(f"{where}, module {module!r}", "is no linear of the graph", module, linears)


def _said(module: str, chosen: Mapping[str, str]) -> Iterator[str]:
    """The nodes that the user's rules give a module, rule by rule."""
    for pattern, node in chosen.items():
        found = re.fullmatch("(.*)".join(map(re.escape, pattern.split("*"))), module)
        if found is not None:
            for text in found.groups():
                node = node.replace("*", text, 1)
            yield node


def _named(module: str, names: Mapping[str, Linear], where: str) -> Linear | None:
    key = _key(module)
    if key in names:
        return names[key]
    found = {id(each): each for name, each in names.items() if name.endswith(f".{key}") or key.endswith(f".{name}")}
    if len(found) > 1:
        first, second, *_ = (each.name for each in found.values())
        raise ModelError(
            f"{where}, module {module!r}",
            f"could be {first!r} or {second!r}",
            remedy=f"Say which: --adapter-map {module}=NODE",
        )
    return next(iter(found.values()), None)


def _key(name: str) -> str:
    return re.sub(r"\bself_attn\b", "attn", name)


def _missing(where: str, problem: str, name: str, linears: Sequence[Linear]) -> ModelError:
    by_name = {each: linear for linear in linears for each in linear.names}
    near = difflib.get_close_matches(name, by_name, n=1, cutoff=0.4)
    hint = f", the nearest is {near[0]!r} (node {by_name[near[0]].names[-1]!r})" if near else ""
    return ModelError(
        where,
        problem + hint,
        affects="Optimized exports rename, pack and split weights"
        if linears
        else "The graph has no product with constant weights",
        remedy="Name its node with --adapter-map MODULE=NODE, or export without these optimizations",
    )
