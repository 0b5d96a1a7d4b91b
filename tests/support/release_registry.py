"""What releases of ONNX Runtime register, as targets/releases has it: one text over all of them.

As a program, run by an interpreter that has one of them, it prints what that one registers and reads, as JSON::

    python release_registry.py [FOLDER...]    the folders go before all others on sys.path
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["contrib_text", "kernels_text"]

_CPU = "CPUExecutionProvider"
_DOMAINS = ("", "com.microsoft", "ai.onnx.ml")
_OPEN = 2**31 - 1
_CODES = {
    "float": "f32",
    "double": "f64",
    "float16": "f16",
    "bfloat16": "bf16",
    "bool": "bool",
    "string": "str",
    **{f"{sign}int{bits}": f"{sign or 'i'}{bits}" for sign in ("", "u") for bits in (2, 4, 8, 16, 32, 64)},
    **{f"float{kind}": f"f{kind}" for kind in ("8e4m3fn", "8e4m3fnuz", "8e5m2", "8e5m2fnuz", "4e2m1", "8e8m0")},
    **{f"complex{bits}": f"c{bits}" for bits in (64, 128)},
}
_ORDER = (*_CODES.values(), "opt", "seq")
Row = dict[str, frozenset[str]]


def kernels_text(registered: Mapping[int, Mapping[str, Any]]) -> str:
    """The CPU provider's kernels, by minor release what it registers (`registered_here`)."""
    return _history({minor: _kernels(found) for minor, found in registered.items()})


def contrib_text(registered: Mapping[int, Mapping[str, Any]]) -> str:
    """Operators of com.microsoft for which the CPU provider ever had a kernel: inputs, attributes."""
    ran = {op for found in registered.values() for domain, op, *_ in found["kernels"] if domain == "com.microsoft"}
    lines = {
        minor: {
            f"{op} {sum(option == 'Single' for *_, option in inputs)}-{_most(inputs)} {','.join(attributes)}".rstrip()
            for domain, op, _, inputs, _, attributes in found["schemas"]
            if domain == "com.microsoft" and op in ran
        }
        for minor, found in registered.items()
    }
    return _history(lines)


def _most(inputs: Sequence[Sequence[str]]) -> str:
    return "*" if inputs and inputs[-1][-1] == "Variadic" else str(len(inputs))


def _history(lines: Mapping[int, Iterable[str]]) -> str:
    """Each line once, with the releases that have it behind it: `@17-20,22-`, nothing where all have it."""
    having: dict[str, set[int]] = defaultdict(set)
    for minor, each in lines.items():
        for line in each:
            having[line].add(minor)
    return "".join(f"{line}{_spans(having[line], sorted(lines))}\n" for line in sorted(having, key=_key))


def _key(line: str) -> list[Any]:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", line)]


def _spans(having: set[int], minors: Sequence[int]) -> str:
    spans: list[list[int]] = []
    for minor in minors:
        if minor not in having:
            continue
        if spans and spans[-1][-1] == minors[minors.index(minor) - 1]:
            spans[-1][-1] = minor
        else:
            spans.append([minor, minor])
    if spans == [[minors[0], minors[-1]]]:
        return ""
    texts = []
    for first, last in spans:
        start = "" if first == minors[0] else str(first)
        texts.append(f"{start}-{'' if last == minors[-1] else last}" if first != last or not start else start)
    return f" @{','.join(texts)}"


def _kernels(found: Mapping[str, Any]) -> list[str]:
    known: dict[tuple[str, str], list[Sequence[Any]]] = defaultdict(list)
    for domain, op_type, version, inputs, outputs, _ in found["schemas"]:
        known["" if domain == "ai.onnx" else domain, op_type].append((version, inputs, outputs))
    rows: dict[tuple[str, str, int, int], list[Row]] = defaultdict(list)
    for domain, op_type, (first, last), types in found["kernels"]:
        if domain in _DOMAINS:
            _, inputs, outputs = max(each for each in known[domain, op_type] if each[0] <= first)
            rows[domain, op_type, first, last].append(_by_slot(types, inputs, outputs))
    lines = []
    for (domain, op_type, first, last), each in rows.items():
        span = f"{first}+" if last == _OPEN else str(first) if last == first else f"{first}-{last}"
        name = f"{domain}.{op_type}" if domain else op_type
        lines += [f"{name} {span} {row}".rstrip() for row in map(_written, _merged(each))]
    return lines


def _by_slot(types: Mapping[str, Sequence[str]], inputs: Sequence[Any], outputs: Sequence[Any]) -> Row:
    found = {}
    for parameter, names in types.items():
        slots = [
            f"{kind}{index}"
            for kind, formal in (("i", inputs), ("o", outputs))
            for index, operand in enumerate(formal)
            if parameter in operand
        ]
        if slots:
            found[",".join(slots)] = frozenset(map(_code, names))
    return found


def _code(name: str) -> str:
    if name.startswith("tensor("):
        return _CODES[name[len("tensor(") : -1]]
    return "opt" if name.startswith("optional(") else "seq"


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


def registered_here() -> dict[str, Any]:
    """What the ONNX Runtime of this interpreter registers."""
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    def operands(formal: Any) -> list[list[str]]:
        return [[each.name, each.typeStr, str(each.option).rpartition(".")[2]] for each in formal]

    return {
        "version": onnxruntime.__version__,
        "kernels": [
            [each.domain, each.op_name, list(each.version_range), dict(each.type_constraints)]
            for each in state.get_all_opkernel_def()
            if each.provider == _CPU
        ],
        "schemas": [
            [each.domain, each.name, each.since_version, operands(each.inputs), operands(each.outputs),
             sorted(each.attributes)]
            for each in state.get_all_operator_schema()
        ],
    }  # fmt: skip


if __name__ == "__main__":
    sys.path[:0] = sys.argv[1:]
    sys.stdout.write(json.dumps(registered_here()) + "\n")
