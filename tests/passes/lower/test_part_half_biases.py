"""The bias of a float16 convolution, behind it."""

from __future__ import annotations

import numpy as np
import pytest
from support.graphs import model, weights
from support.numerics import run

from edgec.passes.edit import why_skipped
from edgec.passes.lower.part_half_biases import PartHalfBiases

HALF = np.float16


@pytest.mark.parametrize(
    ("text", "weight", "after"),
    [
        ("y = Conv(x, w, b)", weights(5, 4, 3, 3), ["Conv", "Sub"]),
        ("c = Conv(x, w, b) y = Relu(c)", weights(5, 4, 3, 3), ["Conv", "Sub", "Relu"]),
        ("y = ConvTranspose(x, w, b)", weights(4, 5, 3, 3), ["ConvTranspose", "Sub"]),
    ],
)
def test_a_bias_goes_behind(text: str, weight: np.ndarray, after: list[str]) -> None:
    made = model(
        f"g (float16[N, 4, 6, 6] x) => (float16[N, 5, H, W] y) {{ {text} }}",
        w=weight.astype(HALF),
        b=weights(5).astype(HALF),
    )
    feeds = {"x": weights(2, 4, 6, 6).astype(HALF)}
    before = run(made, feeds)["y"].astype(np.float32)
    assert PartHalfBiases()(made).modified
    assert [node.op_type for node in made.graph] == after
    assert made.graph.outputs[0].name == "y"
    got = run(made, feeds)["y"].astype(np.float32)
    assert np.abs(before - got).max() <= 2 * np.finfo(HALF).eps * np.abs(before).max()
    assert not PartHalfBiases()(made).modified


@pytest.mark.parametrize("kind", ["float", "float16"])
def test_without_a_half_bias_nothing_changes(kind: str) -> None:
    dtype = np.float32 if kind == "float" else HALF
    bias = ", b" if kind == "float" else ""
    constants = {"b": weights(5)} if bias else {}
    made = model(
        f"g ({kind}[N, 4, 6, 6] x) => ({kind}[N, 5, H, W] y) {{ y = Conv(x, w{bias}) }}",
        w=weights(5, 4, 3, 3).astype(dtype),
        **constants,
    )
    assert not PartHalfBiases()(made).modified


def test_a_bias_that_is_fed_says_why() -> None:
    text = "g (float16[N, 4, 6, 6] x, float16[5] b) => (float16[N, 5, H, W] y) { y = Conv(x, w, b) }"
    made = model(text, w=weights(5, 4, 3, 3).astype(HALF))
    assert not PartHalfBiases()(made).modified
    assert why_skipped(made.graph[0]) == "has a float16 bias that is not constant, which XNNPACK's kernel leaves out"
