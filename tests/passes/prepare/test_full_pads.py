from __future__ import annotations

import numpy as np
import pytest
from support.graphs import model
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.full_pads import FullPads


@pytest.mark.parametrize(
    ("axes", "pads", "full"),
    [
        ([2, 3], [1, 2, 3, 4], [0, 0, 1, 2, 0, 0, 3, 4]),
        ([-1], [5, -1], [0, 0, 0, 5, 0, 0, 0, -1]),
        ([3, 0], [1, 2, 3, 4], [2, 0, 0, 1, 4, 0, 0, 3]),
    ],
)
def test_every_axis_is_listed(axes: list[int], pads: list[int], full: list[int]) -> None:
    after = rewrites(
        FullPads(),
        model(
            "g (float[1,2,6,6] x) => (float[A,B,C,D] y) { y = Pad(x, pads, value, axes) }",
            opset=18,
            pads=np.array(pads, np.int64),
            axes=np.array(axes, np.int64),
            value=np.array(1.5, np.float32),
        ),
        "y = Pad(x, y_pads, value)",
    )
    assert after.graph.initializers["y_pads"].const_value.numpy().tolist() == full


def test_without_axes_it_stays() -> None:
    text = "g (float[1,2,6,6] x) => (float[A,B,C,D] y) { y = Pad(x, pads) }"
    leaves_alone(FullPads(), model(text, opset=18, pads=np.ones(8, np.int64)))


def test_axes_that_are_fed_stay() -> None:
    text = 'g (float[1,2,6,6] x, int64[1] axes) => (float[A,B,C,D] y) { y = Pad(x, pads, "", axes) }'
    leaves_alone(
        FullPads(),
        model(text, opset=18, pads=np.ones(2, np.int64)),
        y="the axes, the amounts or the rank it pads are unknown",
    )
