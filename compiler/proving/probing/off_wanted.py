"""Nodes that ran off the provider wanted, of one kind: where they ran instead, why, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OffWanted", "short_name"]


@dataclass(frozen=True, kw_only=True, slots=True)
class OffWanted:
    """Kernels that ran off the provider wanted, for one reason.

    Attributes:
        op: The kernel, as it ran (`QLinearAdd`); "kernels" where the reason is the place's.
        nodes: Their names, in the order they ran.
        provider: Where they ran.
        reason: What the provider wanted takes, and what it was given; or why that was not found out.
        mend: What would bring them there; "" when edgec knows nothing.
        forms: Forms of one of them that were tried.
    """

    op: str
    nodes: tuple[str, ...]
    provider: str
    reason: str
    mend: str = ""
    forms: int = 0

    def to_json(self) -> dict[str, object]:
        return {
            "op": self.op,
            "nodes": list(self.nodes),
            "provider": self.provider,
            "reason": self.reason,
            "mend": self.mend,
            "forms": self.forms,
        }


def short_name(provider: str) -> str:
    """What people call a provider: `XNNPACK`, of `XnnpackExecutionProvider`."""
    name = provider.removesuffix("ExecutionProvider") or provider
    return {"Xnnpack": "XNNPACK", "Nnapi": "NNAPI"}.get(name, name)
