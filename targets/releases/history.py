"""What each release of ONNX Runtime registers: the CPU provider's kernels, and the operators of com.microsoft.

`cpu_kernels.txt` and `contrib.txt` are made of what the wheels named in `facts.py` say of themselves by
`get_all_opkernel_def()` and `get_all_operator_schema()` (tests/support/release_registry.py). A line stands once for all
releases that have it, which are named behind it::

    Relu 13 i0,o0=f32|f64|i8|i32 @17-20,22-     1.17 to 1.20, and 1.22 and newer; all where nothing stands there
    MatMulNBits 3-5 K,N,bits,block_size @18     3 to 5 inputs, and its attributes
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ..kernels import Kernel, read_kernels

__all__ = ["CONTRIB", "KERNELS", "Contrib", "contrib_of", "kernels_of", "listed"]

KERNELS, CONTRIB = "cpu_kernels.txt", "contrib.txt"


@dataclass(frozen=True, kw_only=True, slots=True)
class Contrib:
    """An operator of com.microsoft.

    Attributes:
        fewest, most: Inputs; None where there may be any number.
        attributes: Names of those it has.
    """

    fewest: int
    most: int | None
    attributes: frozenset[str]


def kernels_of(minor: int, domain: str, op_type: str) -> tuple[Kernel, ...]:
    """The CPU kernels that release 1.`minor` has of an operator."""
    return _kernels(minor).get((domain, op_type), ())


def contrib_of(minor: int, op_type: str) -> Contrib | None:
    """An operator of com.microsoft as release 1.`minor` has it; None where it has none of that name."""
    return _contrib(minor).get(op_type)


@cache
def _kernels(minor: int) -> Mapping[tuple[str, str], tuple[Kernel, ...]]:
    return read_kernels("\n".join(listed(KERNELS, minor)))


@cache
def _contrib(minor: int) -> Mapping[str, Contrib]:
    found = {}
    for line in listed(CONTRIB, minor):
        op_type, inputs, *attributes = line.split(" ")
        fewest, _, most = inputs.partition("-")
        found[op_type] = Contrib(
            fewest=int(fewest),
            most=None if most == "*" else int(most),
            attributes=frozenset(attributes[0].split(",") if attributes else ()),
        )
    return found


def listed(name: str, minor: int) -> Iterator[str]:
    """The lines that one release has."""
    for line in (files(__package__) / name).read_text(encoding="utf-8").splitlines():
        text, _, spans = line.partition(" @")
        if not spans or any(_within(minor, span) for span in spans.split(",")):
            yield text


def _within(minor: int, span: str) -> bool:
    first, dash, last = span.partition("-")
    if not dash:
        return minor == int(first)
    return (not first or int(first) <= minor) and (not last or minor <= int(last))
