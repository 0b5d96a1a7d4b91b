"""Why a kernel is in float: from the names ONNX Runtime gives it back to the node that a pass left alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .sources import Sources

__all__ = ["FloatNodes"]

# What ONNX Runtime appends to the names of kernels it makes of a node, and what it calls those with another inside.
_MADE = re.compile(r"(_nchwc|_token_\d+)+$")
_FUSED = "Fused"
_HOPS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class FloatNodes:
    """The float nodes of a compile: by name, and by what they write."""

    by_name: Mapping[str, Mapping[str, Any]]
    by_result: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, sources: Sources) -> FloatNodes:
        """Those of `proof/compile.json`; none where it is missing."""
        nodes = () if sources.compiled is None else sources.compiled["float_nodes"]
        return cls(
            by_name={node["name"]: node for node in nodes},
            by_result={result: node for node in nodes for result in node["outputs"]},
        )

    @property
    def reasons(self) -> dict[str, str]:
        """Node name → reason."""
        return {name: str(node["reason"]) for name, node in self.by_name.items()}

    def why(self, kernel: str, op: str) -> str:
        """Why a kernel is in float; "" where no pass said so.

        A fused kernel has the name of its last node, or of what that writes; the reason sought is that of the node
        that computes, a few nodes before it.

        Args:
            kernel: Its name.
            op: Its operator.
        """
        bare = _MADE.sub("", kernel)
        node = self.by_name.get(kernel) or self.by_name.get(bare) or self.by_result.get(bare)
        first = node
        for _ in range(_HOPS):
            if node is None:
                break
            if node["op"] == op.removeprefix(_FUSED):
                return str(node["reason"])
            node = next((self.by_result[name] for name in node["inputs"] if name in self.by_result), None)
        return "" if first is None else str(first["reason"])
