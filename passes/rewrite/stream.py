"""The residual stream of a pre-norm transformer, as a value: every constant that writes it, every one that reads it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from .matrices import Matrix
from .norms import Norm

__all__ = ["Shifted", "Stopped", "Stream", "Turned"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Turned:
    """A constant that is rotated along an axis.

    Attributes:
        node: The node that reads it.
        index: As which input.
        axis: The axis of the stream; -1 also of what is broadcast along it.
        gain: What it is multiplied by along that axis first, (C,); None is 1.
    """

    node: ir.Node
    index: int
    axis: int
    gain: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Shifted:
    """A product whose bias takes what an offset in front of it makes of its weight: (N,), float64."""

    matrix: Matrix
    through: np.ndarray


@dataclass(kw_only=True, slots=True, eq=False)
class Stream:
    """What was found.

    Attributes:
        width: Its channels, C.
        keeps_mean: The rotation must keep the mean.
        constants: What is rotated.
        shifted: What takes offsets.
        norms: Normalizations of one node, whose gain becomes 1 and whose offset goes.
        gains: Products that go: their gain is in what reads them.
        offsets: Sums that go likewise.
    """

    width: int
    keeps_mean: bool = False
    constants: list[Turned] = field(default_factory=list)
    shifted: list[Shifted] = field(default_factory=list)
    norms: dict[ir.Node, Norm] = field(default_factory=dict)
    gains: list[ir.Node] = field(default_factory=list)
    offsets: list[ir.Node] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Stopped:
    """Why the stream through a node is left alone."""

    node: ir.Node
    reason: str
