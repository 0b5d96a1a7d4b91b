"""The float model as it is when specs are decided: an observer of the pipeline that keeps it."""

from __future__ import annotations

import onnx_ir as ir

from ..passes.base import Pass
from ..passes.quantize.decide import DecideQuantization
from .pipeline import PassReport

__all__ = ["BeforeDecision"]


class BeforeDecision:
    """Keeps the model of the last recipe that decided.

    Rewrites that balance or smooth channels rescale values: only this model has the values that ranges were taken of,
    under the names, and in the scale, that they have in what ships.

    Attributes:
        model: None where nothing decided.
    """

    def __init__(self) -> None:
        self.model: ir.Model | None = None

    def before(self, each: Pass, model: ir.Model) -> None:
        if isinstance(each, DecideQuantization):
            self.model = model.clone()

    def after(self, each: Pass, model: ir.Model, report: PassReport) -> None:
        del each, model, report
