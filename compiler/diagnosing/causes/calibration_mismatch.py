"""Calibration mismatch: what the model meets is not what was observed."""

from __future__ import annotations

from collections.abc import Sequence

from ...coverage import outside, shift, window
from ..case import Case, Site
from ..laboratory import Change
from ..portrait import Portrait
from .base import LOST_BITS

__all__ = ["CalibrationMismatch"]

_CLIPPED = 1e-3
_MORE = 4.0


class CalibrationMismatch:
    """Evaluation samples leave the observed ranges, or use a small part of them."""

    name = "calibration mismatch"
    meaning = "evaluation samples leave the ranges that were observed, or use only a small part of them"

    def sites(self, case: Case) -> Sequence[Site]:
        found = []
        for name, seen in case.portraits.items():
            if name not in case.unseen:
                continue
            site = _site(case, seen, case.unseen[name])
            if site is not None:
                found.append(site)
        return sorted(found, key=lambda site: -site.severity)

    def absent(self, case: Case, sites: Sequence[Site]) -> Change | None:
        """Not a change of the graph: the same recipe is calibrated on other samples."""
        del case, sites
        return None


def _site(case: Case, seen: Portrait, unseen: Portrait) -> Site | None:
    held = window(seen.params)
    before, after = outside(seen.histogram, *held), outside(unseen.histogram, *held)
    unused = seen.magnitude / unseen.magnitude if unseen.magnitude else 1.0
    clips = after >= _CLIPPED and after >= _MORE * before
    if not clips and unused < LOST_BITS:
        return None
    what = (
        f"{after:.1%} of its elements are clipped on evaluation samples, {before:.2%} on calibration samples"
        if clips
        else f"evaluation samples reach {unseen.magnitude:.3g}, a {unused:.0f}th of what calibration samples did"
    )
    apart = shift(seen.histogram, unseen.histogram)
    return Site(
        name=seen.name,
        severity=max(after / _CLIPPED, unused),
        evidence=f"{what}; reach {unseen.magnitude:.3g} against {seen.magnitude:.3g}, shift {apart:.2f}",
        nodes=case.around(seen.name),
        values=(seen.name,),
    )
