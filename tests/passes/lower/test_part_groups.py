"""Joined groups go apart again where the convolution stays float."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import graph_text, model, weights
from support.numerics import assert_same, run

from edgec.passes.lower.part_groups import PartGroups
from edgec.passes.prepare.dense_groups import DenseGroups

PART = PartGroups(most=16)


def convolution(w: np.ndarray, groups: int = 1) -> ir.Model:
    channels = w.shape[1] * groups
    text = f"g (float[N,{channels},6,6] x) => (float[N,{w.shape[0]},H,W] y) {{ y = Conv<group={groups}>(x, w) }}"
    return model(text, w=w)


def test_blocks_become_groups() -> None:
    dense = np.float32([[1, 2, 0, 0], [0, 0, 3, 4]]).reshape(2, 4, 1, 1)
    source = convolution(dense)
    assert PART(source).modified
    assert graph_text(source).splitlines()[-1] == "y = Conv<group=2>(x, w_parted)"
    parted = source.graph.initializers["w_parted"].const_value
    assert parted is not None
    np.testing.assert_array_equal(parted.numpy()[:, :, 0, 0], [[1, 2], [3, 4]])
    assert not PART(source).modified


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 16), st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 3]))
def test_it_undoes_what_joining_does(groups: int, inputs: int, outputs: int, kernel: int) -> None:
    if (inputs, outputs) == (1, 1):
        return
    w = weights(groups * outputs, inputs, kernel, kernel)
    source = convolution(w, groups)
    feeds = {"x": weights(2, groups * inputs, 6, 6)}
    before = run(source, feeds)
    assert DenseGroups(most=16, filters=4)(source).modified
    assert PART(source).modified
    (node,) = source.graph
    assert node.attributes.get_int("group") == groups
    parted = source.graph.initializers["w_dense_parted"].const_value
    assert parted is not None
    assert np.array_equal(parted.numpy(), w)
    assert_same(before, run(source, feeds), tolerance=0)


@pytest.mark.parametrize(
    "w",
    [
        weights(4, 4, 3, 3),
        np.pad(np.ones((2, 2, 3, 3), np.float32), [(0, 1), (0, 1), (0, 0), (0, 0)]),  # 3 x 3 has no blocks of 2
        np.float32([[0, 1], [1, 0]]).reshape(2, 2, 1, 1),  # along the other diagonal
        np.ones((1, 4, 3, 3), np.float32),
    ],
)
def test_any_other_weight_stays(w: np.ndarray) -> None:
    source = convolution(w)
    before = graph_text(source)
    assert not PART(source).modified
    assert graph_text(source) == before


def test_more_groups_than_are_looked_for() -> None:
    dense = np.eye(6, dtype=np.float32).reshape(6, 6, 1, 1)
    source = convolution(dense)
    assert PartGroups(most=4)(source).modified
    assert next(iter(source.graph)).attributes.get_int("group") == 3
