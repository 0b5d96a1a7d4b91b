"""Dead range: codes are spent where the function behind them no longer changes (a saturated Sigmoid or Tanh).

=========== ======================================== ===========================
function    flat beyond                              error of clipping there
=========== ======================================== ===========================
Sigmoid     ±8                                       3.4e-4 of a result in 0..1
Tanh        ±4.5                                     2.5e-4 of a result in ±1
Erf         ±2.8                                     7.5e-5
HardSigmoid where αx + β reaches 0 and 1             0
=========== ======================================== ===========================
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ...coverage import outside
from ..case import Case, Site
from ..changes import Bounds, ranged
from ..laboratory import Change
from ..portrait import Portrait

__all__ = ["DeadRange", "live_range"]

# Half the codes spent on the flat part cost one bit; four times the range costs two.
_WASTE = 3.0
_FLAT = {"Sigmoid": 8.0, "Tanh": 4.5, "Erf": 2.8}


class DeadRange:
    """The scale of a value covers much more than its only readers tell apart."""

    name = "saturated input range"
    meaning = "the scale covers a range in which the function behind it (Sigmoid, Tanh, ...) no longer changes"

    def sites(self, case: Case) -> Sequence[Site]:
        found = []
        for portrait in case.portraits.values():
            live = live_range(case, portrait)
            if live is None:
                continue
            waste = (portrait.high - portrait.low) / (live[1] - live[0])
            if waste >= _WASTE:
                flat = outside(portrait.histogram, *live)
                found.append(
                    Site(
                        name=portrait.name,
                        severity=waste,
                        evidence=(
                            f"quantized over [{portrait.low:.3g}, {portrait.high:.3g}], and only "
                            f"[{live[0]:.3g}, {live[1]:.3g}] changes what its readers answer; {flat:.0%} of the "
                            "elements lie outside"
                        ),
                        nodes=case.around(portrait.name),
                        values=(portrait.name,),
                    )
                )
        return sorted(found, key=lambda site: -site.severity)

    def absent(self, case: Case, sites: Sequence[Site]) -> Change:
        """Codes for the live range alone."""
        bounds = {}
        for site in sites:
            live = live_range(case, case.portraits[site.name])
            assert live is not None
            bounds[site.name] = Bounds(low=np.asarray(live[0]), high=np.asarray(live[1]))
        return ranged(bounds)


def live_range(case: Case, portrait: Portrait) -> tuple[float, float] | None:
    """The part of a value's range in which its readers still answer differently; None where one never saturates."""
    value = next((v for node in case.decided.graph for v in node.outputs if v.name == portrait.name), None)
    if value is None or value.is_graph_output() or not value.uses():
        return None
    windows = [_live(node) for node, _ in value.uses()]
    if any(window is None for window in windows):
        return None
    low = min(window[0] for window in windows if window is not None)
    high = max(window[1] for window in windows if window is not None)
    low, high = max(low, portrait.low), min(high, portrait.high)
    return (low, high) if low < high else None


def _live(node: ir.Node) -> tuple[float, float] | None:
    if node.domain not in ("", "ai.onnx"):
        return None
    if node.op_type in _FLAT:
        return -_FLAT[node.op_type], _FLAT[node.op_type]
    if node.op_type == "HardSigmoid":
        alpha, beta = node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)
        return (-beta / alpha, (1 - beta) / alpha) if alpha > 0 else None
    return None
