"""Passes run for what they decide: nothing is observed."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from ...passes.base import Pass
from ...passes.observe.statistics import Need
from ..pipeline import run_passes

__all__ = ["run_unmeasured"]


def run_unmeasured(model: ir.Model, passes: Sequence[Pass]) -> None:
    """Run passes, those left out that go by samples: they change numbers, and no decision."""
    run_passes(model, [each for each in passes if type(each).needs is Pass.needs], measure=_never)


def _never(model: ir.Model, needs: Sequence[Need]) -> None:
    raise AssertionError(f"a decision on {model.graph.name} asked for {len(needs)} observations")
