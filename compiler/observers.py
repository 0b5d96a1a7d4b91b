"""Observers of the pipeline: the signature guard, always; the checker, dumps and text on request."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import onnx_ir as ir

from ..errors import InternalError
from ..passes.base import Pass
from .pipeline import PassReport

__all__ = ["DumpAfterChange", "SignatureGuard", "VerifyEach"]


@dataclass(kw_only=True, slots=True)
class SignatureGuard:
    """No pass may change the names, order or types of the graph's inputs and outputs; types where it says so."""

    _before: tuple[tuple[str | None, str], ...] = field(default=(), init=False)

    def before(self, each: Pass, model: ir.Model) -> None:
        self._before = _signature(model, types=not each.retypes)

    def after(self, each: Pass, model: ir.Model, report: PassReport) -> None:
        after = _signature(model, types=not each.retypes)
        if after != self._before:
            raise InternalError(
                f"pass {report.index} {each.name}",
                f"changed the model's signature from {self._before} to {after}",
                remedy="Report it with the model",
            )


@dataclass(kw_only=True, slots=True)
class VerifyEach:
    """Run ONNX's checker after every pass that changed something."""

    def before(self, each: Pass, model: ir.Model) -> None:
        del each, model

    def after(self, each: Pass, model: ir.Model, report: PassReport) -> None:
        from onnx_ir.passes.common import CheckerPass

        if not report.modified:
            return
        try:
            # A clone: the checker reorders initializers, and a verified compile must give the same bytes.
            CheckerPass()(model.clone())
        except Exception as error:
            raise InternalError(
                f"pass {report.index} {each.name}",
                f"left an invalid model: {error.__cause__ or error}",
                remedy="Report it with the model",
            ) from error


@dataclass(kw_only=True, slots=True)
class DumpAfterChange:
    """Write the model after every pass that changed it: `03_FuseConvBn.onnx`, for eyes and bisection."""

    folder: Path

    def before(self, each: Pass, model: ir.Model) -> None:
        del each, model

    def after(self, each: Pass, model: ir.Model, report: PassReport) -> None:
        if report.modified:
            self.folder.mkdir(parents=True, exist_ok=True)
            ir.save(model, self.folder / f"{report.index:02d}_{each.name}.onnx")


def _signature(model: ir.Model, *, types: bool) -> tuple[tuple[str | None, str], ...]:
    graph = model.graph
    return tuple((value.name, str(value.dtype) if types else "") for value in (*graph.inputs, *graph.outputs))
