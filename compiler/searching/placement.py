"""Give back to float what costs more in integers than it saves.

T(k) is the latency with the first k units in float, over float's. Where T falls from one cut to the next, the units
between them are faster in float: all such stretches go back together.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["cheaper_in_float", "cuts"]

# Falls below this are noise.
_FALL = 0.02
_CUTS = 8


def cuts(count: int) -> tuple[int, ...]:
    """At most `_CUTS` + 1 places from 0 to `count`, evenly spread."""
    pieces = min(_CUTS, count)
    return tuple(dict.fromkeys(round(k * count / pieces) for k in range(pieces + 1))) if pieces else (0,)


def cheaper_in_float(latency: Callable[[int], float], count: int) -> tuple[tuple[int, int], ...]:
    """Stretches (start, end) of units that are faster in float.

    Args:
        latency: T(k), 0 <= k <= count.
        count: Units.
    """
    places = cuts(count)
    times = [latency(place) for place in places]
    return tuple(
        (start, end)
        for start, end, before, after in zip(places, places[1:], times, times[1:], strict=False)
        if before - after > _FALL
    )
