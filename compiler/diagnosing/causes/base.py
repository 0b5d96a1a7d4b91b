"""What every cause answers: where it shows, by what evidence, and what would be if it were not so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..case import Case, Site
from ..laboratory import Change

__all__ = ["LOST_BITS", "Cause"]

# A scale shared with something 8 times larger leaves 5 of 8 bits: below that SQNR falls under 30 dB.
LOST_BITS = 8.0


class Cause(Protocol):
    """One class of error."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def meaning(self) -> str:
        """One sentence: how it makes error."""
        ...

    def sites(self, case: Case) -> Sequence[Site]:
        """Where the evidence passes the threshold, the worst first; empty acquits it."""
        ...

    def absent(self, case: Case, sites: Sequence[Site]) -> Change | None:
        """The experiment: the same compile with this mechanism alone taken out at these sites.

        None where it is not a change of the graph (`CalibrationMismatch` compiles with other samples, `Saturation`
        runs on kernels that do not saturate).
        """
        ...
