"""Saturation on the target's kernels: u8 x s8 products summed in 16 bits (x86 without VNNI).

Predicted by the numpy model of these kernels on the codes that calibration samples give, since this machine's kernels
may not be the target's.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...samples import split
from ..case import Case, Site
from ..laboratory import Change
from ..saturated import predict, saturates

__all__ = ["Saturation"]

_SAMPLES = 8


class Saturation:
    """Sums of two products leave 16 bits on the target."""

    name = "kernel saturation"
    meaning = "the target's kernels add two u8 x s8 products in 16 bits, and these sums saturate"

    def sites(self, case: Case) -> Sequence[Site]:
        if not saturates(case.isa):
            return ()
        laboratory = case.laboratory
        samples = laboratory.calibration
        if len(samples) > _SAMPLES:
            samples = split(samples, held_out=_SAMPLES / len(samples), seed=0)[1]
        model = laboratory.variant(case.passes)
        return [
            Site(
                name=found.node,
                severity=-found.loss_db,
                evidence=(
                    f"{found.share:.2%} of the sums of two products exceed 16 bits on {case.isa}, which leaves "
                    f"{found.loss_db:.0f} dB of the result (computed as its kernels do)"
                ),
                nodes=(found.node,),
            )
            for found in predict(model, samples, isa=case.isa, threads=laboratory.threads)
            if found.loud
        ]

    def absent(self, case: Case, sites: Sequence[Site]) -> Change | None:
        """Nothing to change in the graph: the same compile on kernels that do not saturate."""
        del case, sites
        return None
