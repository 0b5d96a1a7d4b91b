"""Activation outlier: a few channels, or a few elements, set the scale; all others are left a few codes."""

from __future__ import annotations

from collections.abc import Sequence

from ..case import Case, Site, robust_ratio
from ..changes import Bounds, float_weights, ranged, together
from ..laboratory import Change
from ..portrait import Portrait, quantile
from .base import LOST_BITS

__all__ = ["Outlier"]

_FEW = 0.25
_TAIL = 0.999


class Outlier:
    """Few channels of a value are far larger than the others."""

    name = "activation outlier"
    meaning = "a few channels or elements of a value set its scale, and all others are left a few codes"

    def sites(self, case: Case) -> Sequence[Site]:
        found = [site for portrait in case.portraits.values() if (site := _site(case, portrait)) is not None]
        return sorted(found, key=lambda site: -site.severity)

    def absent(self, case: Case, sites: Sequence[Site]) -> Change:
        """A scale of its own for every channel, in the value and in the weights that read it.

        Both sides belong to it: a channel that is 100 times larger is read by weights 100 times smaller.
        """
        bounds = {}
        for site in sites:
            portrait = case.portraits[site.name]
            bounds[site.name] = Bounds(low=portrait.lows, high=portrait.highs, axis=portrait.axis)
        return together(ranged(bounds), float_weights(case.readers(bounds.keys())))


def _site(case: Case, portrait: Portrait) -> Site | None:
    ratio, share = robust_ratio(portrait.magnitudes)
    if portrait.axis is None or ratio < LOST_BITS or share > _FEW:
        return None
    channel = int(portrait.magnitudes.argmax())
    typical = quantile(portrait.histogram, _TAIL)
    return Site(
        name=portrait.name,
        severity=ratio,
        evidence=(
            f"channel {channel} reaches {portrait.magnitudes[channel]:.3g}, {ratio:.0f} times the median channel; "
            f"99.9% of all elements lie within {typical:.3g}"
        ),
        nodes=case.around(portrait.name),
        values=(portrait.name,),
    )
