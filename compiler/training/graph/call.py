"""One node, as the function of its operator reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

__all__ = ["Call", "call_of"]

_MICROSOFT = "com.microsoft"


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A node without its operands.

    Attributes:
        name: Of the node.
        op: Its operator, with the domain before it where that is not ONNX's: `com.microsoft.Gelu`.
        version: Of its operator set.
        attributes: Numbers, strings and lists of them by name; tensors as they are.
        outputs: How many it has, up to the last that is read.
    """

    name: str
    op: str
    version: int
    attributes: Mapping[str, Any]
    outputs: int

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or the default where it is not written."""
        return self.attributes.get(name, default)

    def integers(self, name: str) -> list[int] | None:
        """An attribute that is a list of integers; None where it is not written."""
        found = self.attributes.get(name)
        return None if found is None else [int(each) for each in found]


def call_of(node: ir.Node, opsets: Mapping[str, int]) -> Call:
    """The call of a node.

    Args:
        node: Of any operator.
        opsets: Versions by domain.
    """
    domain = "" if node.domain == "ai.onnx" else node.domain
    version = node.version or opsets.get(domain, opsets.get("ai.onnx", 1) if not domain else 1)
    used = [k for k, value in enumerate(node.outputs, 1) if value.name]
    return Call(
        name=node.name or node.op_type,
        op=node.op_type if not domain else f"{domain}.{node.op_type}",
        version=version,
        attributes={name: attribute.value for name, attribute in node.attributes.items()},
        outputs=max(used, default=1),
    )
