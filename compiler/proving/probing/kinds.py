"""Kernels off the provider wanted, grouped by what they are: one of each kind is tried."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

import onnx_ir as ir

from ....passes.edit import is_constant, is_op
from ....runtimes.base import Kernel

__all__ = ["Kind", "counts", "kinds", "traced", "weight_bytes"]

_SUFFIX = re.compile(r"(?:_token_\d+|_nchwc|/duplicated)+$")
_MOVES = frozenset(
    {
        "Cast",
        "DequantizeLinear",
        "Flatten",
        "Identity",
        "QuantizeLinear",
        "Reshape",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)
_BOOKKEEPING = frozenset({"int64", "int32", "bool"})


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Kind:
    """Kernels that differ in their sizes alone.

    Attributes:
        kernels: In the order they ran.
        node: The bundle's node of the one with the smallest weights; None where the runtime made it.
    """

    kernels: tuple[Kernel, ...]
    node: str | None

    @property
    def weight(self) -> tuple[int, bool, int]:
        """What it costs: MACs, then whether it computes or only moves, then elements written."""
        written = sum(prod(shape) for kernel in self.kernels for _, shape in kernel.outputs)
        computes = self.kernels[0].op_type not in _MOVES
        return sum(kernel.macs or 0 for kernel in self.kernels), computes, written


def counts(kernel: Kernel) -> bool:
    """Whether a kernel multiplies or moves data; computing with shapes is neither."""
    shaped = kernel.outputs and all(dtype in _BOOKKEEPING and len(shape) < 2 for dtype, shape in kernel.outputs)
    return kernel.macs is None or kernel.macs > 0 or not shaped


def traced(kernel: Kernel, nodes: Iterable[str]) -> str | None:
    """The bundle's node that became this kernel; None where the runtime made it for itself."""
    known = set(nodes)
    name = _SUFFIX.sub("", kernel.name)
    while name not in known and "/" in name:  # fusions append a path: `matmul/MatMulScaleFusion/`
        name = name.rpartition("/")[0]
    return name if name in known else None


def kinds(kernels: Sequence[Kernel], nodes: dict[str, ir.Node]) -> list[Kind]:
    """Kernels by kind, the costliest first.

    Args:
        kernels: Off the provider wanted.
        nodes: The bundle's, by name.
    """
    groups: dict[tuple[object, ...], list[tuple[Kernel, str | None]]] = {}
    for kernel in kernels:
        node = traced(kernel, nodes)
        operands = tuple((dtype, len(shape)) for dtype, shape in (*kernel.inputs, *kernel.outputs))
        mine = () if node is None else _described(nodes[node])
        groups.setdefault((kernel.op_type, kernel.provider, operands, mine), []).append((kernel, node))
    found = []
    for group in groups.values():
        traced_to = sorted({node for _, node in group if node}, key=lambda node: weight_bytes(nodes[node]))
        found.append(Kind(kernels=tuple(kernel for kernel, _ in group), node=next(iter(traced_to), None)))
    return sorted(found, key=lambda kind: kind.weight, reverse=True)


def weight_bytes(node: ir.Node) -> int:
    """Bytes of the constants a node reads, those behind a DequantizeLinear included."""
    sources = [value.producer() for value in node.inputs if value is not None]
    dequantized = [each for each in sources if each is not None and is_op(each, "DequantizeLinear")]
    read = {value for each in (node, *dequantized) for value in each.inputs if value is not None}
    return sum(value.const_value.nbytes for value in read if value.const_value is not None)


def _described(node: ir.Node) -> tuple[object, ...]:
    attributes = tuple(sorted((name, _value(node, name)) for name in node.attributes))
    return (node.op_type, node.domain, attributes, tuple(_operand(value) for value in node.inputs))


def _value(node: ir.Node, name: str) -> str:
    """An attribute as it distinguishes kinds: of groups only whether there are some, or one per channel."""
    value = node.attributes[name].value
    if name != "group" or not is_op(node, "Conv", "ConvTranspose"):
        return str(value)
    weight = None if len(node.inputs) < 2 else node.inputs[1]
    source = None if weight is None else weight.producer()
    weight = weight if source is None or not source.inputs else source.inputs[0]
    shape = None if weight is None or weight.shape is None else weight.shape
    return "one" if value == 1 else "depthwise" if shape is not None and shape[1] == 1 else "some"


def _operand(value: ir.Value | None) -> str:
    if value is None:
        return "none"
    source = value.producer()
    if source is None or not is_op(source, "DequantizeLinear"):
        return "constant" if is_constant(value) else "computed"
    return "weight" if is_constant(source.inputs[0]) else "dequantized"
