"""Tied weights: one tensor, several readers, and what is fine for one of them ruins another.

A reader's loss is Σ_oj (w_oj - q_oj)² x_j² / Σ_oj w_oj² x_j² with x_j the reach of its input channel j: rounding in
columns that a reader never excites costs it nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ....passes.quantize.params import dequantize, of_tensor, quantize
from ..case import Case, Site, Weight
from ..changes import float_weights
from ..laboratory import Change
from .weight_spread import input_axis, output_axis

__all__ = ["TiedWeights", "loss_db"]

# Readers that lose alike have alike needs; 10 dB are a factor of 10 in noise.
_APART_DB = 10.0


class TiedWeights:
    """Readers of one weight tensor with different needs."""

    name = "tied weights"
    meaning = "one weight tensor serves several readers; its rounding suits one of them and ruins another"

    def sites(self, case: Case) -> Sequence[Site]:
        readers: dict[str, list[Weight]] = {}
        for weight in case.weights():
            readers.setdefault(str(weight.value.name), []).append(weight)
        found = []
        for name, tied in readers.items():
            losses = {str(each.node.name): loss for each in tied if (loss := loss_db(case, each)) is not None}
            if len(losses) < 2:
                continue
            worst, best = min(losses, key=lambda n: losses[n]), max(losses, key=lambda n: losses[n])
            apart = losses[best] - losses[worst]
            if apart >= _APART_DB:
                found.append(
                    Site(
                        name=name,
                        severity=apart,
                        evidence=(
                            f"its rounding leaves {losses[best]:.0f} dB to {best!r} and {losses[worst]:.0f} dB to "
                            f"{worst!r}, which excites other input channels"
                        ),
                        nodes=tuple(n for n, loss in losses.items() if loss < losses[best] - _APART_DB / 2),
                    )
                )
        return sorted(found, key=lambda site: -site.severity)

    def absent(self, case: Case, sites: Sequence[Site]) -> Change:
        """The readers that suffer get a weight of their own, unrounded."""
        del case
        return float_weights({name for site in sites for name in site.nodes})


def loss_db(case: Case, weight: Weight) -> float | None:
    """What a reader keeps of its result under the weight's rounding, in dB; None where its input is not known."""
    operand = weight.node.inputs[0]
    seen = None if operand is None else case.portraits.get(str(operand.name))
    axis = input_axis(weight, output_axis(weight))
    if seen is None or axis is None or seen.magnitudes.size != weight.array.shape[axis]:
        return None
    params = of_tensor(weight.spec, weight.array)
    error = weight.array - dequantize(quantize(weight.array, params), params)
    power = np.square(seen.magnitudes.astype(np.float64))
    power = power.reshape([-1 if k == axis else 1 for k in range(weight.array.ndim)])
    noise = float((np.square(error, dtype=np.float64) * power).sum())
    signal = float((np.square(weight.array, dtype=np.float64) * power).sum())
    if noise == 0 or signal == 0:
        return None
    return 10 * math.log10(signal / noise)
