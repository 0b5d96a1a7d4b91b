"""What every edgec pass is: a frozen dataclass whose options are its fields and whose repr is its recipe line."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from .observe.statistics import Need

__all__ = ["Pass"]


class Pass(ir.passes.InPlacePass):
    """An in-place edit of a model.

    A subclass is a frozen, keyword-only dataclass and implements `call`. It says truthfully whether
    it changed the model, keeps the graph's inputs and outputs, and does nothing when run again.
    """

    @property
    def name(self) -> str:
        """The class name: what the recipe, the timing table and errors call this pass."""
        return type(self).__name__

    def needs(self, model: ir.Model) -> Sequence[Need]:
        """Statistics that must have been observed before `call`; none by default."""
        del model
        return ()

    @property
    def optional(self) -> bool:
        """Whether it is left out where there are no samples to observe what it `needs` on."""
        return False

    @property
    def invalidates(self) -> bool:
        """Whether values change, so that what was observed before is stale."""
        return False

    @property
    def retypes(self) -> bool:
        """Whether inputs and outputs of the graph may have other types afterwards: those of a state, fed back alone."""
        return False

    @property
    def in_turn(self) -> bool:
        """Whether a call does one step of many: what it `needs` next is measured on the model as that step left it."""
        return False
