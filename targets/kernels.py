"""Kernels as a provider registers them: operator, versions, types; and whether a node is one they run.

Lists of them are read from text. A line::

    QuantizeLinear 19-20 i0,i1=f32|f16 i2,o0=i8|u8|f8e4m3fn|f8e5m2

is one kernel or several that differ in one of these types: `i` are inputs, `o` outputs, `22+` is a kernel of the
newest version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TypeAlias

import onnx
import onnx_ir as ir

__all__ = ["SEQUENCE", "Kernel", "Slot", "formal_slot", "misfit", "operand_type", "read_kernels", "since_version"]

# ("i", 0) is the first input, ("o", 0) the first output.
Slot: TypeAlias = tuple[str, int]
SEQUENCE = "seq"
OPTIONAL = "opt"

# Versions that onnx 1.23 knows and ONNX Runtime 1.31.1 does not, and what it takes them for.
_UNKNOWN = {("Attention", 25): 24}
_TYPES: dict[str, ir.DataType | str] = {
    "f32": ir.DataType.FLOAT,
    "f64": ir.DataType.DOUBLE,
    "f16": ir.DataType.FLOAT16,
    "bf16": ir.DataType.BFLOAT16,
    "bool": ir.DataType.BOOL,
    "str": ir.DataType.STRING,
    "c64": ir.DataType.COMPLEX64,
    "c128": ir.DataType.COMPLEX128,
    "i2": ir.DataType.INT2,
    "i4": ir.DataType.INT4,
    "i8": ir.DataType.INT8,
    "i16": ir.DataType.INT16,
    "i32": ir.DataType.INT32,
    "i64": ir.DataType.INT64,
    "u2": ir.DataType.UINT2,
    "u4": ir.DataType.UINT4,
    "u8": ir.DataType.UINT8,
    "u16": ir.DataType.UINT16,
    "u32": ir.DataType.UINT32,
    "u64": ir.DataType.UINT64,
    "f8e4m3fn": ir.DataType.FLOAT8E4M3FN,
    "f8e4m3fnuz": ir.DataType.FLOAT8E4M3FNUZ,
    "f8e5m2": ir.DataType.FLOAT8E5M2,
    "f8e5m2fnuz": ir.DataType.FLOAT8E5M2FNUZ,
    "f4e2m1": ir.DataType.FLOAT4E2M1,
    "f8e8m0": ir.DataType.FLOAT8E8M0,
    SEQUENCE: SEQUENCE,
    OPTIONAL: OPTIONAL,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Kernel:
    """A kernel, or several that differ in one type.

    Attributes:
        first: Version of the operator it is for.
        last: The newest version it is for; None where that is the newest it knows, and no later one is its own.
        types: What it takes, by input and output; `SEQUENCE` stands for any sequence. What is not here may be anything.
    """

    first: int
    last: int | None
    types: Mapping[Slot, frozenset[ir.DataType | str]]

    def is_for(self, version: int) -> bool:
        """Whether it runs an operator of that version: KernelRegistry::VerifyKernelDef (kernel_registry.cc, 1.31)."""
        return version == self.first or (self.last is not None and self.first < version <= self.last)


def read_kernels(text: str) -> Mapping[tuple[str, str], tuple[Kernel, ...]]:
    """The kernels of a list, by domain and operator."""
    found: dict[tuple[str, str], list[Kernel]] = {}
    for line in text.splitlines():
        name, span, *typed = line.split(" ")
        domain, _, op_type = name.rpartition(".")
        first, _, last = span.partition("-")
        ends = None if span.endswith("+") else int(last or first)
        types = {slot: _types(part) for part in typed for slot in _slots(part)}
        found.setdefault((domain, op_type), []).append(Kernel(first=int(first.rstrip("+")), last=ends, types=types))
    return {name: tuple(each) for name, each in found.items()}


def _slots(part: str) -> list[Slot]:
    return [(slot[0], int(slot[1:])) for slot in part.partition("=")[0].split(",")]


def _types(part: str) -> frozenset[ir.DataType | str]:
    return frozenset(_TYPES[code] for code in part.partition("=")[2].split("|"))


@cache
def since_version(domain: str, op_type: str, opset: int) -> int | None:
    """The version of an operator in an operator set; None where ONNX knows no such operator.

    Those of com.microsoft have one version, which ONNX's own schemas do not list.
    """
    if domain == "com.microsoft":
        return 1
    if not onnx.defs.has(op_type, opset, domain):
        return None
    version = int(onnx.defs.get_schema(op_type, opset, domain).since_version)
    return _UNKNOWN.get((op_type, version), version)


def misfit(
    node: ir.Node, kernel: Kernel, taken_for: Mapping[ir.DataType | str | None, ir.DataType] = MappingProxyType({})
) -> Slot | None:
    """The first operand a kernel does not take.

    Args:
        node: The node.
        kernel: One of its version.
        taken_for: Types that the runtime casts before it looks for a kernel, and what to.
    """
    for kind, values in (("i", node.inputs), ("o", node.outputs)):
        for index, value in enumerate(values):
            if value is None or not (kind == "i" or value.name):
                continue
            wanted = kernel.types.get((kind, index)) or kernel.types.get((kind, formal_slot(node, kind, index)))
            found = operand_type(value)
            if wanted is not None and found is not None and taken_for.get(found, found) not in wanted:
                return kind, index
    return None


def operand_type(value: ir.Value) -> ir.DataType | str | None:
    """What a kernel asks of an operand; None where it is not known."""
    if isinstance(value.type, ir.OptionalType):
        return OPTIONAL
    return SEQUENCE if isinstance(value.type, ir.SequenceType) else value.dtype


def formal_slot(node: ir.Node, kind: str, index: int) -> int:
    """The formal operand an operand belongs to: the last one, where that stands for any number."""
    last = _last_formal(node.op_type, node.domain, kind)
    return index if last is None else min(index, last)


@cache
def _last_formal(op_type: str, domain: str, kind: str) -> int | None:
    """Index of the last formal operand where it is variadic, else None."""
    domain = "" if domain == "ai.onnx" else domain
    if not onnx.defs.has(op_type, domain):
        return None
    schema = onnx.defs.get_schema(op_type, domain)
    formal = schema.inputs if kind == "i" else schema.outputs
    variadic = onnx.defs.OpSchema.FormalParameterOption.Variadic
    return len(formal) - 1 if formal and formal[-1].option == variadic else None
