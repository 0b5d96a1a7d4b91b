"""What is known of the channels of a graph once they are traced (see `trace`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from .linear import Linear

__all__ = ["Ceiling", "Channels", "Factor", "Scaled"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scaled:
    """A linear layer and the labels it writes and reads.

    Attributes:
        layer: The layer.
        rows: Labels of its outputs, shape (groups, O / groups).
        columns: Labels of its inputs, shape (groups, I / groups).
    """

    layer: Linear
    rows: np.ndarray
    columns: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Factor:
    """A constant that stands between labelled elements: added to them, or what a normalization multiplies by.

    Attributes:
        node: The node that reads it.
        index: As which input.
        rows: Labels it is divided by, of a shape that broadcasts with the constant.
        columns: Labels it is multiplied by, likewise; pinned for what is added.
    """

    node: ir.Node
    index: int
    rows: np.ndarray
    columns: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ceiling:
    """A Clip up to one positive number, from 0 or from nowhere: clip(x, 0, B) / s = clip(x / s, 0, B / s).

    Attributes:
        node: The Clip; its bounds are constants.
        rows: Labels of what it clamps, of its rank; what it writes has the same.
    """

    node: ir.Node
    rows: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Channels:
    """What was traced.

    Attributes:
        count: Labels are 0 (pinned) to count - 1.
        values: Labels of every value of the main graph that is not pinned outright.
        layers: Linear layers with a constant weight of their own, in graph order.
        factors: Constants between them.
        ceilings: Clips between them that cut above.
        foreign: Values that somebody reads who does not scale, and these readers; only under `norms`.
        refused: Node name → why its channels are pinned, or read by `foreign`.
    """

    count: int
    values: dict[ir.Value, np.ndarray]
    layers: tuple[Scaled, ...]
    factors: tuple[Factor, ...]
    ceilings: tuple[Ceiling, ...]
    foreign: dict[ir.Value, tuple[tuple[ir.Node, int], ...]]
    refused: dict[str, str]
