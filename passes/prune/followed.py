"""What is known of a graph while its channels are followed, and behind it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from ..rewrite.linear import Linear
from .edits import Edit
from .tracks import Labels, Track

__all__ = ["Followed", "Layer"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Layer:
    """A product with a constant.

    Attributes:
        linear: The product.
        rows: Labels of what it writes, (groups * outputs,).
        columns: Labels of what it reads, (inputs,): those of every group.
        depthwise: Whether it hands on what it reads.
    """

    linear: Linear
    rows: np.ndarray
    columns: np.ndarray
    depthwise: bool = False


@dataclass(kw_only=True, slots=True)
class Followed:
    """What is known of a graph while it is followed, and behind it.

    Attributes:
        labels: Labels given.
        tracks: Of values.
        layers: Products with constants, in graph order.
        edits: What changes with the labels.
    """

    labels: Labels = field(default_factory=Labels)
    tracks: dict[ir.Value, Track] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)

    def hold(self, node: ir.Node, reason: str) -> None:
        """What a node reads stays."""
        for value in node.inputs:
            if value is not None and value in self.tracks:
                self.labels.hold(self.tracks[value].labels, f"{node.op_type} {node.name!r} {reason}")

    def track_of(self, value: ir.Value | None) -> Track | None:
        return None if value is None else self.tracks.get(value)
