"""Bias overflow: a bias that does not fit int32 at s_x · s_w has raised the scale of its channel's weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....passes.edit import constant_array
from ....passes.quantize.decision import decision_of, params_of
from ....passes.quantize.params import of_tensor, widen_for_bias
from ..case import Case, Site
from ..changes import float_biases
from ..laboratory import Change

__all__ = ["BiasOverflow"]

_WIDENED = 2.0
_DEAD = 1e-4


class BiasOverflow:
    """Weights are rounded coarsely so that their bias can be stored."""

    name = "bias overflow"
    meaning = "a bias exceeds int32 at the product of its scales, and the weights' scale was raised to hold it"

    def sites(self, case: Case) -> Sequence[Site]:
        found = []
        for weight in case.weights():
            decision = decision_of(weight.node)
            if decision is None or decision.bias is None:
                continue
            operand = weight.node.inputs[decision.activations[0]]
            bias = constant_array(weight.node.inputs[decision.bias[0]])
            activation = None if operand is None else params_of(operand)
            if activation is None or bias is None:
                continue
            natural = of_tensor(weight.spec, weight.array)
            widened = widen_for_bias(natural, activation, bias.reshape(-1))
            # A channel whose weights are nothing beside the others' loses nothing.
            dead = natural.scale < _DEAD * natural.scale.max()
            growth = np.atleast_1d(np.where(dead, 1.0, widened.scale / natural.scale))
            if growth.max() >= _WIDENED:
                channel = int(growth.argmax())
                found.append(
                    Site(
                        name=str(weight.value.name),
                        severity=float(growth.max()),
                        evidence=(
                            f"bias {bias.reshape(-1)[min(channel, bias.size - 1)]:.3g} of channel {channel} raised the "
                            f"weights' scale {growth.max():.3g} times"
                        ),
                        nodes=(str(weight.node.name),),
                    )
                )
        return sorted(found, key=lambda site: -site.severity)

    def absent(self, case: Case, sites: Sequence[Site]) -> Change:
        """Float biases, and the weights at their own scale."""
        del case
        return float_biases({name for site in sites for name in site.nodes})
