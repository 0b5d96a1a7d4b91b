"""auto_pad spelled as pads, against the runtime's own reading of it and a window-by-window count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import model, weights
from support.numerics import assert_same, run

from edgec.passes.prepare.explicit_pads import ExplicitPads, same_pads


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize(
    "op",
    [
        "Conv <auto_pad = {mode}> (x, w)",
        "Conv <auto_pad = {mode}, strides = [2, 3]> (x, w)",
        "Conv <auto_pad = {mode}, group = 3> (x, d)",
        "MaxPool <auto_pad = {mode}, kernel_shape = [2, 3], strides = [2, 2]> (x)",
        "AveragePool <auto_pad = {mode}, kernel_shape = [3, 2], count_include_pad = 1> (x)",
        "AveragePool <auto_pad = {mode}, kernel_shape = [3, 2]> (x)",
        "MaxPool <auto_pad = {mode}, kernel_shape = [2, 2], strides = [2, 1]> (x)",
    ],
)
def test_pads_are_spelled(op: str, mode: str) -> None:
    spelled = op.format(mode=f'"{mode}"')
    constants = {"w": weights(2, 3, 3, 2), "d": weights(3, 1, 2, 3)}
    constants = {name: array for name, array in constants.items() if f", {name})" in op}
    made = model(f"g (float[N, 3, 7, 8] x) => (float[N, C, H, W] y) {{ y = {spelled} }}", **constants)
    feeds = {"x": weights(2, 3, 7, 8)}
    before = run(made, feeds)
    assert ExplicitPads()(made).modified
    (node,) = made.graph
    assert "auto_pad" not in node.attributes
    assert len(node.attributes.get_ints("pads", ())) == 4
    assert_same(before, run(made, feeds), tolerance=0)
    assert not ExplicitPads()(made).modified


def test_the_odd_pixel() -> None:
    made = {}
    for mode in ("SAME_UPPER", "SAME_LOWER"):
        text = f'g (float[1, 1, 6] x) => (float[1, 1, 3] y) {{ y = Conv <auto_pad = "{mode}", strides = [2]> (x, w) }}'
        given_ = model(text, w=weights(1, 1, 3))
        assert ExplicitPads()(given_).modified
        made[mode] = tuple(given_.graph[0].attributes.get_ints("pads", ()))
    assert made == {"SAME_UPPER": (0, 1), "SAME_LOWER": (1, 0)}


@pytest.mark.parametrize(
    ("shape", "attributes"),
    [
        ("N, 3, H, 8", 'auto_pad = "SAME_LOWER", kernel_shape = [2, 2]'),
        ("N, 3, 7, 8", 'auto_pad = "SAME_LOWER", kernel_shape = [2, 2], ceil_mode = 1'),
        ("N, 3, 7, 8", 'auto_pad = "VALID", kernel_shape = [2, 2]'),
        ("N, 3, 7, 8", "pads = [1, 1, 1, 1], kernel_shape = [2, 2]"),
    ],
)
def test_others_are_left_alone(shape: str, attributes: str) -> None:
    made = model(f"g (float[{shape}] x) => (float[N, C, A, B] y) {{ y = MaxPool <{attributes}> (x) }}")
    assert not ExplicitPads()(made).modified


def test_a_kernel_nobody_knows() -> None:
    made = model('g (float[1, 3, 7, 8] x, float[O, 3, K, L] w) => (float[N, C, A, B] y) '
                 '{ y = Conv <auto_pad = "SAME_LOWER"> (x, w) }')  # fmt: skip
    assert not ExplicitPads()(made).modified


@given(
    size=st.integers(1, 40), kernel=st.integers(1, 7), stride=st.integers(1, 5), dilation=st.integers(1, 3),
    lower=st.booleans(),
)  # fmt: skip
def test_as_many_windows_as_the_stride_asks_for(
    size: int, kernel: int, stride: int, dilation: int, lower: bool
) -> None:
    """ONNX: output = ceil(input / stride), the padding no larger than needed, split in halves."""
    before, behind = same_pads(size, kernel, stride, dilation, lower=lower)
    extent = (kernel - 1) * dilation + 1
    starts = list(range(-before, size + behind - extent + 1, stride))
    assert len(starts) == int(np.ceil(size / stride))
    if before + behind:
        assert starts[-1] + extent == size + behind
    assert (before - behind) in ((0, 1) if lower else (0, -1))
