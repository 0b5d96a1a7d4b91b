"""The student of a scheme that computes in integers: the module of quantization-aware training."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from ..quantizing.groups import groups_of
from ..quantizing.module import QatModule

__all__ = ["IntegerStudent"]


@dataclass(frozen=True, kw_only=True, slots=True)
class IntegerStudent:
    """A module that learns weights and params.

    Attributes:
        module: From `edgec.qat.prepare`.
    """

    module: QatModule

    def groups(self, rate: float, scale_rate: float, only: Collection[str] | None = None) -> list[dict[str, Any]]:
        """Groups for an optimizer whose steps have the size of their rate: params change by shares of themselves."""
        del scale_rate, only
        return groups_of(self.module, lr=rate, weight_decay=0.0, adaptive=True)

    def to_model(self) -> ir.Model:
        """The float model, its learned params in the metadata: what a compile takes over."""
        return self.module.to_learned()
