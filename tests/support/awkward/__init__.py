"""The shared table of awkward graphs: small, valid, and each a trap for code that edits names, not edges.

Every pass gets every one of them. `AWKWARD` is filled by importing the modules beside this one.
"""

from __future__ import annotations

from . import activations, constants, linear, movement, normalization, outputs, precision, shared, subgraphs, weights
from .table import AWKWARD, build

__all__ = ["AWKWARD", "build"]

_FILLED_BY = (activations, constants, linear, movement, normalization, outputs, precision, shared, subgraphs, weights)
