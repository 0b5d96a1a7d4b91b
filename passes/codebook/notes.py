"""What was made of weights whose file form is not the kernel's, kept on them."""

from __future__ import annotations

import onnx_ir as ir

from .incoherent import Incoherent
from .levels import Levelled

__all__ = ["incoherent_of", "levelled_of", "set_incoherent", "set_levelled"]

_LEVELLED = "edgec.levelled"
_INCOHERENT = "edgec.incoherent"


def set_levelled(weight: ir.Value, levelled: Levelled) -> None:
    """Remember a weight's 4-bit levels, beside the 8-bit blocks that `set_blocks` keeps."""
    weight.meta[_LEVELLED] = levelled


def levelled_of(weight: ir.Value) -> Levelled | None:
    """A weight's levels; None where it has none."""
    return weight.meta.get(_LEVELLED)


def set_incoherent(weight: ir.Value, found: Incoherent) -> None:
    """Remember a weight's codes behind a change of its inputs."""
    weight.meta[_INCOHERENT] = found


def incoherent_of(weight: ir.Value) -> Incoherent | None:
    """A weight's codes behind a change of its inputs; None where it has none."""
    return weight.meta.get(_INCOHERENT)
