"""Which nodes the user lets a pass touch."""

from __future__ import annotations

import re
from collections.abc import Sequence

import onnx_ir as ir

__all__ = ["out_of_scope"]


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
    if node.op_type in exclude_ops:
        return "is excluded by operator type"
    if only_ops and node.op_type not in only_ops:
        return "is not among the operator types to quantize"
    if any(re.search(pattern, node.name or "") for pattern in exclude_nodes):
        return "is excluded by name"
    return None
