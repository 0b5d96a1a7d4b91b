from __future__ import annotations

import numpy as np
import pytest
from support.graphs import model, weights
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.prelu_to_leaky_relu import PReluToLeakyRelu

TEXT = "g (float[N,3,2,2] x) => (float[N,3,2,2] y) { r = Neg(x) \n y = PRelu(r, a) }"


@pytest.mark.parametrize("slope", [0.25, -0.5, 1.5, 0.0])
@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1), (3, 1, 1), (1, 3, 1, 1)])
def test_one_slope(shape: tuple[int, ...], slope: float) -> None:
    rewrites(
        PReluToLeakyRelu(),
        model(TEXT, a=np.full(shape, slope, np.float32)),
        f"""
        r = Neg(x)
        y = LeakyRelu<alpha={slope}>(r)
        """,
    )


@pytest.mark.parametrize("slopes", [weights(3, 1, 1), np.float32([[[0.1]], [[0.1]], [[0.2]]])], ids=["random", "two"])
def test_several_slopes_stay(slopes: np.ndarray) -> None:
    leaves_alone(PReluToLeakyRelu(), model(TEXT, a=slopes))


def test_slopes_that_the_caller_gives_stay() -> None:
    text = "g (float[N,3,2,2] x, float[1] a) => (float[N,3,2,2] y) { y = PRelu(x, a) }"
    leaves_alone(PReluToLeakyRelu(), model(text))
    leaves_alone(PReluToLeakyRelu(), model(text, a=np.float32([0.1])))


def test_other_floats_stay() -> None:
    text = "g (double[N,3,2,2] x) => (double[N,3,2,2] y) { y = PRelu(x, a) }"
    leaves_alone(PReluToLeakyRelu(), model(text, a=np.float64([0.1])))
