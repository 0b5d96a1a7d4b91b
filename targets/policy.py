"""What the user may bend of a target's pipeline."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Policy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What the user may bend.

    Attributes:
        scheme: `a8w8`, `d8w8`, `w8` or `float`.
        exclude_nodes, exclude_ops, only_ops: As `DecideQuantization` has them.
        per_channel: Weights have a scale per output channel.
        reduce_range: 7-bit weights; None follows the target.
    """

    scheme: str
    exclude_nodes: tuple[str, ...] = ()
    exclude_ops: tuple[str, ...] = ()
    only_ops: tuple[str, ...] = ()
    per_channel: bool = True
    reduce_range: bool | None = None
