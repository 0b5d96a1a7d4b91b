from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import model, weights
from support.numerics import assert_same, run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.dense_groups import DenseGroups

DENSE = DenseGroups(most=8, filters=4)


def grouped(groups: int, inputs: int, outputs: int, kernel: int = 3, attributes: str = "") -> ir.Model:
    """`inputs` and `outputs` are those of one group."""
    return model(
        f"""g (float[N,{groups * inputs},6,6] x) => (float[N,{groups * outputs},H,W] y) {{
            y = Conv<group={groups}{attributes}>(x, w, b)
        }}""",
        w=weights(groups * outputs, inputs, kernel, kernel),
        b=weights(groups * outputs, seed=1),
    )


def test_groups_lie_along_the_diagonal() -> None:
    after = rewrites(
        DENSE,
        model(
            "g (float[N,4,2,2] x) => (float[N,2,2,2] y) { y = Conv<group=2>(x, w) }",
            w=np.float32([1, 2, 3, 4]).reshape(2, 2, 1, 1),
        ),
        "y = Conv<group=1>(x, w_dense)",
    )
    (dense,) = (each for each in after.graph.initializers.values() if each.name == "w_dense")
    np.testing.assert_array_equal(dense.const_value.numpy()[:, :, 0, 0], [[1, 2, 0, 0], [0, 0, 3, 4]])


@settings(max_examples=20, deadline=None)
@given(
    st.integers(2, 8),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from([1, 3]),
    st.sampled_from(["", ", strides=[2,2]", ", dilations=[2,2], pads=[2,2,2,2]"]),
)
def test_same_answers(groups: int, inputs: int, outputs: int, kernel: int, attributes: str) -> None:
    if (inputs, outputs) == (1, 1):
        return
    made = grouped(groups, inputs, outputs, kernel, attributes)
    feeds = {"x": weights(2, groups * inputs, 6, 6)}
    before = run(made, feeds)
    assert DENSE(made).modified
    assert_same(before, run(made, feeds), tolerance=1e-6)


@pytest.mark.parametrize(
    ("groups", "inputs", "outputs"), [(1, 4, 3), (4, 1, 1), (2, 3, 4)], ids=["none", "depthwise", "enough filters"]
)
def test_it_stays(groups: int, inputs: int, outputs: int) -> None:
    leaves_alone(DENSE, grouped(groups, inputs, outputs))


def test_many_groups_stay() -> None:
    leaves_alone(DENSE, grouped(9, 2, 2), y="has 9 groups; zeros in their place are faster up to 8")


def test_weights_that_the_caller_gives_stay() -> None:
    text = "g (float[N,4,2,2] x, float[2,2,1,1] w) => (float[N,2,2,2] y) { y = Conv<group=2>(x, w) }"
    leaves_alone(DENSE, model(text))
