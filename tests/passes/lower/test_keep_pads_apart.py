"""A Pad that ONNX Runtime must not fuse stays one in the graph it runs."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model, weights
from support.numerics import assert_same, optimized, run
from support.recipes import recipe

from edgec.passes.lower.keep_pads_apart import KeepPadsApart

APART = KeepPadsApart(taps=100)


def padded(height: int, width: int, pads: tuple[int, ...], text: str = "y = Conv(p, w)") -> ir.Model:
    return model(
        f"g (float[1,8,24,24] x) => (float[1,16,H,W] y) {{ p = Pad(x, pads) \n {text} }}",
        pads=np.array(pads, np.int64),
        w=weights(16, 8, height, width),
    )


TALL = (0, 0, 3, 0, 0, 0, 4, 0)


@pytest.mark.parametrize(("height", "width", "pads"), [(8, 1, TALL), (11, 11, (0, 0, 5, 5, 0, 0, 5, 5))])
def test_it_is_fused_without_and_not_with(height: int, width: int, pads: tuple[int, ...]) -> None:
    source = padded(height, width, pads)
    feeds = {"x": weights(1, 8, 24, 24, seed=3)}
    answer = run(source, feeds, optimize=False)
    assert "Pad" not in [node.op_type for node in optimized(source).graph.node]
    assert APART(source).modified
    assert "Pad" in [node.op_type for node in optimized(source).graph.node]
    assert_same(answer, run(source, feeds), tolerance=1e-6)
    assert not APART(source).modified


@pytest.mark.parametrize(
    "source",
    [
        padded(3, 3, (0, 0, 1, 1, 0, 0, 1, 1)),
        padded(1, 8, (0, 0, 0, 3, 0, 0, 0, 4)),
        padded(8, 1, TALL, "q = Relu(p) \n y = Conv(q, w)"),
        model(
            "g (float[1,6,24,24] x) => (float[1,16,H,W] y) { p = Pad(x, pads) \n y = Conv(p, w) }",
            pads=np.array((0, 1, 3, 0, 0, 1, 4, 0), np.int64),
            w=weights(16, 8, 8, 1),
        ),
        model(
            "g (float[1,8,24,24] x, int64[8] pads) => (float[1,16,H,W] y) { p = Pad(x, pads) \n y = Conv(p, w) }",
            w=weights(16, 8, 8, 1),
        ),
    ],
    ids=["small", "wide", "something between", "channels", "computed"],
)
def test_any_other_stays(source: ir.Model) -> None:
    assert not APART(source).modified


def test_nothing_behind_it_in_a_recipe_undoes_it() -> None:
    """What drops empty inputs at the end of a node would."""
    source = padded(8, 1, TALL)
    for each in recipe("w8"):
        each(source)
    assert "Pad" in [node.op_type for node in optimized(source).graph.node]
