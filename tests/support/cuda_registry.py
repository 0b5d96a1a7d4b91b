"""The list of a provider's kernels as targets/nvidia/cuda_kernels.txt has it, from what the provider registers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["kernel_list"]

_DOMAINS = ("", "com.microsoft", "ai.onnx.ml")
_NEWEST = 2**31 - 1
_CODES = {
    "float": "f32",
    "double": "f64",
    "float16": "f16",
    "bfloat16": "bf16",
    "bool": "bool",
    "string": "str",
    **{f"{sign}int{bits}": f"{sign or 'i'}{bits}" for sign in ("", "u") for bits in (4, 8, 16, 32, 64)},
    **{f"float{kind}": f"f{kind}" for kind in ("8e4m3fn", "8e4m3fnuz", "8e5m2", "8e5m2fnuz", "4e2m1", "8e8m0")},
}
_ORDER = (*_CODES.values(), "seq")
Row = dict[str, frozenset[str]]


def kernel_list(kernels: Iterable[Sequence[Any]], schemas: Iterable[Sequence[Any]]) -> str:
    """The text of the list.

    Args:
        kernels: Domain, operator, first and last version, types by type parameter or operand name.
        schemas: Domain, operator, version, names and types of inputs and of outputs.
    """
    known: dict[tuple[str, str], list[Sequence[Any]]] = defaultdict(list)
    for domain, *rest in schemas:
        known["" if domain == "ai.onnx" else domain, rest[0]].append(rest[1:])
    rows: dict[tuple[str, str, int, int], list[Row]] = defaultdict(list)
    for domain, op_type, (first, last), types in kernels:
        if domain in _DOMAINS:
            _, inputs, outputs = max(each for each in known[domain, op_type] if each[0] <= first)
            rows[domain, op_type, first, last].append(_by_slot(types, inputs, outputs))
    lines = []
    for (domain, op_type, first, last), each in sorted(rows.items(), key=lambda item: item[0][:3]):
        span = f"{first}+" if last == _NEWEST else str(first) if last == first else f"{first}-{last}"
        name = f"{domain}.{op_type}" if domain else op_type
        lines += [f"{name} {span} {row}".rstrip() for row in sorted(map(_written, _merged(each)))]
    return "\n".join(lines) + "\n"


def _by_slot(types: Mapping[str, Sequence[str]], inputs: Sequence[Any], outputs: Sequence[Any]) -> Row:
    found = {}
    for parameter, names in types.items():
        slots = [
            f"{kind}{index}"
            for kind, formal in (("i", inputs), ("o", outputs))
            for index, operand in enumerate(formal)
            if parameter in operand
        ]
        found[",".join(slots)] = frozenset(map(_code, names))
    return found


def _code(name: str) -> str:
    return _CODES[name[len("tensor(") : -1]] if name.startswith("tensor(") else "seq"


def _merged(rows: list[Row]) -> list[Row]:
    """Two that differ in one type are one."""
    for index, row in enumerate(rows):
        for other in rows[index + 1 :]:
            differ = [slot for slot in row if row[slot] != other.get(slot)]
            if row.keys() == other.keys() and len(differ) <= 1:
                rest = [each for each in rows if each is not row and each is not other]
                union = {slot: row[slot] | other[slot] for slot in row}
                return _merged([*rest[:index], union, *rest[index:]])
    return rows


def _written(row: Row) -> str:
    return " ".join(f"{slot}={'|'.join(sorted(types, key=_ORDER.index))}" for slot, types in sorted(row.items()))
