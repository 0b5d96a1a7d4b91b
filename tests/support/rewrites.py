"""The two checks of a pass: it makes this graph of that one, or it leaves it alone and says why."""

from __future__ import annotations

from textwrap import dedent

import onnx_ir as ir
from onnx_ir.passes.common import CheckerPass

from edgec.passes.base import Pass
from edgec.passes.edit import SkipNotes, remarks_of

from .graphs import feeds_of, graph_text
from .numerics import assert_same, run
from .state import signature, snapshot

__all__ = ["leaves_alone", "rewrites"]


def rewrites(each: Pass, model: ir.Model, after: str, *, tolerance: float | None = 1e-5) -> ir.Model:
    """Check that a pass makes the graph `after` (nodes in ONNX text), once, and answers the same.

    Args:
        each: The pass.
        model: The graph before; it is edited.
        after: The nodes expected.
        tolerance: Share of the output's peak that may be lost; None for passes that round.

    Returns:
        The model after.
    """
    promised, feeds = signature(model), feeds_of(model)
    before = run(model, feeds)
    assert each(model).modified
    assert graph_text(model) == dedent(after).strip()
    assert signature(model) == promised
    CheckerPass()(model.clone())
    if tolerance is not None:
        assert_same(before, run(model, feeds), tolerance=tolerance)
    settled = snapshot(model)
    again = each(model).modified
    assert not again
    same = snapshot(model) == settled
    assert same
    return model


def leaves_alone(each: Pass, model: ir.Model, **reasons: str) -> ir.Model:
    """Check that a pass changes nothing, and that it says why of the nodes named (`__` stands for a dot)."""
    state = snapshot(model)
    assert not each(model).modified
    same = snapshot(model) == state
    assert same
    told = SkipNotes.of(model) | {name: "; ".join(what) for name, what in remarks_of(model).items()}
    assert told == {name.replace("__", "."): reason for name, reason in reasons.items()}
    return model
