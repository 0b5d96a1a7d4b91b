"""x -> Clip(x, -65504, 65504): an operator that changes nothing fp16 can hold.

65504 is the largest finite number of fp16 (IEEE 754-2008, binary16), in which the HTP computes floats.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..edit import add_initializer, fresh_name

__all__ = ["clipped_to_half", "half_bounds"]

_LARGEST = np.float32(65504.0)


def half_bounds(graph: ir.Graph, taken: set[str]) -> tuple[ir.Value, ir.Value]:
    """The bounds as constants of a graph; their names are added to `taken`."""
    lowest, largest = (
        add_initializer(graph, fresh_name(name, taken), np.asarray(bound, np.float32))
        for name, bound in (("lowest_half", -_LARGEST), ("largest_half", _LARGEST))
    )
    return lowest, largest


def clipped_to_half(x: ir.Value, name: str, bounds: tuple[ir.Value, ir.Value], taken: set[str]) -> ir.Node:
    """A Clip behind a float32 value, not yet in a graph.

    Args:
        x: What it reads.
        name: What it is named after.
        bounds: Those of `half_bounds`.
        taken: Names in use; its own are added.
    """
    clip = ir.node("Clip", [x, *bounds], name=fresh_name(f"{name}_clip", taken))
    result = clip.outputs[0]
    result.name = fresh_name(f"{x.name}_clipped", taken)
    result.type, result.shape = x.type, x.shape
    return clip
