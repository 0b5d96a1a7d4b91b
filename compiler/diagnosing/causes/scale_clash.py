"""Shared-scale clash: operands of very different range meet under one scale at a Concat or an Add."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ....passes.edit import is_op
from ..case import Case, Site
from ..changes import Bounds, float_values, float_weights, ranged, together
from ..laboratory import Change
from .base import LOST_BITS

__all__ = ["ScaleClash", "operands_of"]


class ScaleClash:
    """The smaller operands of a Concat or an Add are left a few codes of the result's scale."""

    name = "shared-scale clash"
    meaning = "operands of very different range share one scale behind a Concat or an Add, and the smaller ones drown"

    def sites(self, case: Case) -> Sequence[Site]:
        found = []
        for node, decision in case.nodes():
            output = decision.output
            if not is_op(node, "Concat", "Add") or output is None or output.name not in case.portraits:
                continue
            reach = {name: case.portraits[name].magnitude for name in operands_of(node) if name in case.portraits}
            reach = {name: magnitude for name, magnitude in reach.items() if magnitude > 0}
            if len(reach) < 2:
                continue
            small, large = min(reach, key=lambda n: reach[n]), max(reach, key=lambda n: reach[n])
            ratio = reach[large] / reach[small]
            if ratio >= LOST_BITS:
                found.append(
                    Site(
                        name=str(node.name),
                        severity=ratio,
                        evidence=(
                            f"{node.op_type} of {large!r} up to {reach[large]:.3g} and {small!r} up to "
                            f"{reach[small]:.3g}, {ratio:.0f} times less, under one scale"
                        ),
                        nodes=(str(node.name), *case.readers({str(output.name)})),
                        values=(str(output.name),),
                    )
                )
        return sorted(found, key=lambda site: -site.severity)

    def absent(self, case: Case, sites: Sequence[Site]) -> Change:
        """A Concat keeps the scale of each operand in its part of the result; an Add's result is left unrounded.

        So it is in the weights that read it: where an operand is 100 times larger, they are 100 times smaller.
        """
        bounds: dict[str, Bounds] = {}
        unrounded = set()
        names = {site.name for site in sites}
        for node, decision in case.nodes():
            if node.name not in names or decision.output is None:
                continue
            parts = _parts(case, node)
            if parts is None:
                unrounded.add(str(decision.output.name))
            else:
                bounds |= parts
        results = {value for site in sites for value in site.values}
        return together(ranged(bounds), float_values(unrounded), float_weights(case.readers(results)))


def operands_of(node: ir.Node) -> list[str]:
    """Names of what a node reads."""
    return [str(value.name) for value in node.inputs if value is not None]


def _parts(case: Case, node: ir.Node) -> dict[str, Bounds] | None:
    """Ranges of a Concat's operands, and of its result index by index; None where the parts are not known."""
    if not is_op(node, "Concat") or any(value is None or value.shape is None for value in node.inputs):
        return None
    axis = node.attributes.get_int("axis", 0)
    lows, highs = [], []
    bounds = {}
    for value in node.inputs:
        assert value is not None
        assert value.shape is not None
        rank = len(value.shape)
        count, seen = value.shape[axis], case.portraits.get(str(value.name))
        if seen is None or not isinstance(count, int):
            return None
        lows.append(np.full(count, seen.low, np.float32))
        highs.append(np.full(count, seen.high, np.float32))
        bounds[str(value.name)] = Bounds(low=np.asarray(seen.low), high=np.asarray(seen.high))
    bounds[str(node.outputs[0].name)] = Bounds(low=np.concatenate(lows), high=np.concatenate(highs), axis=axis % rank)
    return bounds
