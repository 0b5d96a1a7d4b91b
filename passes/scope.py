"""Which nodes the user lets a pass touch: by the name and operator they had in the user's model."""

from __future__ import annotations

import re
from collections.abc import Sequence

import onnx_ir as ir

__all__ = ["made_from", "matches", "out_of_scope"]

_ORIGIN = "edgec.origin"


def made_from(new: ir.Node, old: ir.Node) -> None:
    """Remember the operator a node had before it was rewritten: a Gemm made of a MatMul is out of scope with MatMul."""
    new.meta[_ORIGIN] = _operators(old)


def out_of_scope(
    node: ir.Node, *, exclude_nodes: Sequence[str], exclude_ops: Sequence[str], only_ops: Sequence[str]
) -> str | None:
    """Why the user's options leave a node float, or None.

    Args:
        node: The node.
        exclude_nodes: Regular expressions, searched in the node's name.
        exclude_ops: Operator types.
        only_ops: When not empty, the only operator types allowed.
    """
    operators = _operators(node)
    if operators & set(exclude_ops):
        return "is excluded by operator type"
    if only_ops and not operators & set(only_ops):
        return "is not among the operator types to quantize"
    if matches(node, exclude_nodes):
        return "is excluded by name"
    return None


def matches(node: ir.Node, patterns: Sequence[str]) -> bool:
    """Whether one of these regular expressions is found in a node's name."""
    return any(re.search(pattern, node.name or "") for pattern in patterns)


def _operators(node: ir.Node) -> set[str]:
    origin: set[str] = node.meta.get(_ORIGIN, set())
    return {node.op_type} | origin
