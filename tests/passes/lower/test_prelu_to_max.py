from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.graphs import model
from support.numerics import run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.lower.prelu_to_max import PReluToMax

TEXT = "g (float[N,3,2,2] x) => (float[N,3,2,2] y) { y = PRelu(x, a) }"
ALL = PReluToMax(least=1)


def slopes(*numbers: float) -> np.ndarray:
    return np.float32(numbers).reshape(-1, 1, 1)


@pytest.mark.parametrize("numbers", [(0.25, 1.0, -2.0), (1.0, 1.0, 1.0), (0.0,)])
def test_at_most_one(numbers: tuple[float, ...]) -> None:
    rewrites(
        ALL,
        model(TEXT, a=slopes(*numbers)),
        """
        y_sloped = Mul(x, a)
        y = Max(x, y_sloped)
        """,
        tolerance=0,
    )


def test_at_least_one() -> None:
    rewrites(
        ALL,
        model(TEXT, a=slopes(1.0, 2.0, 3.5)),
        """
        y_sloped = Mul(x, a)
        y = Min(x, y_sloped)
        """,
        tolerance=0,
    )


def test_below_and_above() -> None:
    rewrites(
        ALL,
        model(TEXT, a=slopes(0.5, 2.0, -1.0)),
        """
        y_positive = Relu(x)
        y_negative = Min(x, y_zero)
        y_sloped = Mul(y_negative, a)
        y = Add(y_positive, y_sloped)
        """,
        tolerance=0,
    )


@settings(max_examples=30, deadline=None)
@given(
    arrays(np.float32, 3, elements=st.floats(-4, 4, width=32)),
    arrays(np.float32, (2, 3, 2, 2), elements=st.floats(-1e6, 1e6, width=32)),
)
def test_bit_for_bit(numbers: np.ndarray, x: np.ndarray) -> None:
    made = model(TEXT, a=slopes(*numbers))
    assert ALL(made).modified
    (y,) = run(made, {"x": x}).values()
    expected = np.where(x < 0, slopes(*numbers) * x, x)
    np.testing.assert_array_equal(y, expected)


def test_small_ones_stay() -> None:
    leaves_alone(
        PReluToMax(least=13),
        model(TEXT, a=slopes(0.25, 0.5, 1.0)),
        y="has fewer than 13 elements, which branches cost little",
    )
    assert PReluToMax(least=12)(model(TEXT, a=slopes(0.25, 0.5, 1.0))).modified


def test_what_is_no_constant_stays() -> None:
    leaves_alone(ALL, model("g (float[N,3,2,2] x, float[1] a) => (float[N,3,2,2] y) { y = PRelu(x, a) }"))


def test_endless_slopes_stay() -> None:
    leaves_alone(ALL, model(TEXT, a=slopes(0.25, np.inf, 1.0)))


def test_before_opset_8_it_stays() -> None:
    leaves_alone(ALL, model(TEXT, opset=7, a=slopes(0.25, 0.5, 1.0)))
