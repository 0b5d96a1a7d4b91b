"""Channels of zeros in front of float convolutions go; everybody else keeps what is there."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import assert_same, run

from edgec.passes.lower.trim_channels import TrimChannels
from edgec.passes.prepare.align_channels import AlignChannels

TEXT = "g (float[N,3,6,6] x) => (float[N,4,4,4] y) { p = Pad(x, pads) \n y = Conv(p, w) }"


def pads(**amounts: int) -> np.ndarray:
    """The amounts of a Pad by place: `c0` before the channels, `c1` behind them, `h1` below."""
    places = {"c0": 1, "c1": 5, "h1": 6}
    array = np.zeros(8, np.int64)
    for name, amount in amounts.items():
        array[places[name]] = amount
    return array


def wide(filters: int, channels: int, zeros: int) -> np.ndarray:
    return np.pad(weights(filters, channels, 3, 3), [(0, 0), (0, zeros), (0, 0), (0, 0)])


def test_a_padded_convolution_is_as_it_was() -> None:
    source = model(TEXT, pads=pads(c1=1), w=wide(4, 3, 1))
    feeds = feeds_of(source)
    answer = run(source, feeds)
    assert TrimChannels()(source).modified
    assert graph_text(source).splitlines()[-1:] == ["y = Conv(x, w_trimmed)"]
    assert source.graph.initializers["w_trimmed"].const_value.shape == [4, 3, 3, 3]
    assert_same(answer, run(source, feeds), tolerance=0)
    assert not TrimChannels()(source).modified


@given(channels=st.integers(1, 9).filter(lambda n: n % 4), filters=st.integers(1, 5))
def test_it_undoes_what_aligning_does(channels: int, filters: int) -> None:
    text = f"g (float[N,{channels},6,6] x) => (float[N,{filters},4,4] y) {{ y = Conv(x, w) }}"
    source = model(text, w=weights(filters, channels, 3, 3))
    before = graph_text(source).splitlines()[-1]
    assert AlignChannels(inputs=4, depthwise=16)(source).modified
    assert TrimChannels()(source).modified
    assert graph_text(source).splitlines()[-1].replace("w_aligned_trimmed", "w") == before
    trimmed = source.graph.initializers["w_aligned_trimmed"].const_value
    assert trimmed is not None
    assert np.array_equal(trimmed.numpy(), weights(filters, channels, 3, 3))


def test_who_else_reads_the_padded_value_keeps_it() -> None:
    source = model(
        """g (float[N,3,6,6] x) => (float[N,4,4,4] y, float[N,4,6,6] z) {
            p = Pad(x, pads)
            y = Conv(p, w)
            z = Neg(p)
        }""",
        pads=pads(c1=1),
        w=wide(4, 3, 1),
    )
    feeds = feeds_of(source)
    answer = run(source, feeds)
    assert TrimChannels()(source).modified
    assert [node.op_type for node in source.graph] == ["Pad", "Conv", "Neg"]
    assert_same(answer, run(source, feeds), tolerance=0)


@pytest.mark.parametrize(
    ("text", "constants"),
    [
        (TEXT, {"pads": pads(c1=1), "w": weights(4, 4, 3, 3)}),  # the columns are no zeros
        (TEXT, {"pads": pads(c0=1), "w": wide(4, 3, 1)}),  # in front of the channels
        (TEXT.replace("[N,4,4,4] y", "[N,4,5,4] y"), {"pads": pads(c1=1, h1=1), "w": wide(4, 3, 1)}),
        (TEXT.replace("pads)", "pads, one)"), {"pads": pads(c1=1), "w": wide(4, 3, 1), "one": np.float32(1)}),
        (TEXT.replace("Pad(x", 'Pad <mode = "edge"> (x'), {"pads": pads(c1=1), "w": wide(4, 3, 1)}),
        (TEXT.replace("p = Pad(x, pads)", "p = Concat <axis = 1> (x, x)"), {"w": wide(4, 3, 3)}),
    ],
)
def test_any_other_convolution_stays(text: str, constants: dict[str, np.ndarray]) -> None:
    source: ir.Model = model(text, **constants)
    before = graph_text(source)
    assert not TrimChannels()(source).modified
    assert graph_text(source) == before


def test_groups_stay() -> None:
    source = model(
        "g (float[N,2,6,6] x) => (float[N,4,4,4] y) { p = Pad(x, pads) \n y = Conv <group = 2> (p, w) }",
        pads=pads(c1=2),
        w=np.zeros((4, 2, 3, 3), np.float32),
    )
    assert not TrimChannels()(source).modified
