"""Activation outlier: a few channels, or a few elements, set the scale; all others are left a few codes."""

from __future__ import annotations

from collections.abc import Sequence

from ..case import Case, Site, robust_ratio
from ..changes import Bounds, float_values, float_weights, ranged, together
from ..finding import decibels_of
from ..laboratory import Change
from ..portrait import Portrait, quantile, rounding_noise
from .base import LOST_BITS

__all__ = ["Outlier"]

_FEW = 0.25
_TAIL = 0.999
# What rounding alone leaves of a value whose elements are alike is above 35 dB at 8 bits.
_LOUD = 1e-3


class Outlier:
    """Few channels, or few elements, of a value are far larger than the others."""

    name = "activation outlier"
    meaning = "a few channels or elements of a value set its scale, and all others are left a few codes"

    def sites(self, case: Case) -> Sequence[Site]:
        found = []
        for portrait in case.portraits.values():
            site = _channel(case, portrait) if _has_channel(portrait) else _element(case, portrait)
            if site is not None:
                found.append(site)
        return sorted(found, key=lambda site: -site.severity)

    def absent(self, case: Case, sites: Sequence[Site]) -> Change:
        """A scale of its own for every channel, in the value and in the weights that read it; single elements float.

        Both sides belong to it: a channel that is 100 times larger is read by weights 100 times smaller.
        """
        seen = {site.name: case.portraits[site.name] for site in sites}
        channels = {
            name: Bounds(low=portrait.lows, high=portrait.highs, axis=portrait.axis)
            for name, portrait in seen.items()
            if _has_channel(portrait)
        }
        return together(
            float_values(seen.keys() - channels.keys()),
            ranged(channels),
            float_weights(case.readers(channels.keys())),
        )


def _has_channel(portrait: Portrait) -> bool:
    ratio, share = robust_ratio(portrait.magnitudes)
    return portrait.axis is not None and ratio >= LOST_BITS and share <= _FEW


def _channel(case: Case, portrait: Portrait) -> Site:
    ratio, _ = robust_ratio(portrait.magnitudes)
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


def _element(case: Case, portrait: Portrait) -> Site | None:
    noise = rounding_noise(portrait)
    if noise < _LOUD:
        return None
    return Site(
        name=portrait.name,
        severity=LOST_BITS * noise / _LOUD,
        evidence=(
            f"rounding it leaves {decibels_of(noise):.0f} dB of it: it reaches {portrait.magnitude:.3g}, and half of "
            f"all elements lie within {quantile(portrait.histogram, 0.5):.3g}"
        ),
        nodes=case.around(portrait.name),
        values=(portrait.name,),
    )
