from __future__ import annotations

import numpy as np
import pytest
from support.graphs import model
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.reduce_mean_to_pool import ReduceMeanToPool


@pytest.mark.parametrize("axes", ["[2,3]", "[-1,-2]", "[3,-2]"])
def test_with_kept_dimensions(axes: str) -> None:
    rewrites(
        ReduceMeanToPool(),
        model(f"g (float[N,4,6,5] x) => (float[N,4,1,1] y) {{ a = Relu(x) \n y = ReduceMean<axes={axes}>(a) }}"),
        """
        a = Relu(x)
        y = GlobalAveragePool(a)
        """,
    )


def test_without_kept_dimensions() -> None:
    rewrites(
        ReduceMeanToPool(),
        model(
            "g (float[N,4,6,5] x) => (float[N,4] y) { a = Relu(x) \n y = ReduceMean<keepdims=0>(a, axes) }",
            opset=18,
            axes=np.array([2, 3], np.int64),
        ),
        """
        a = Relu(x)
        y_pooled = GlobalAveragePool(a)
        y = Flatten<axis=1>(y_pooled)
        """,
    )


@pytest.mark.parametrize(
    "text",
    [
        "g (float[N,4,6,5] x) => (float[N,4,6,1] y) { a = Relu(x) \n y = ReduceMean<axes=[3]>(a) }",
        "g (float[N,4,6,5] x) => (float[N,1,1,1] y) { a = Relu(x) \n y = ReduceMean<axes=[1,2,3]>(a) }",
        "g (float[N,4,6,5] x) => (float[1,1,1,1] y) { a = Relu(x) \n y = ReduceMean(a) }",
        "g (float[N,4] x) => (float[N,1] y) { a = Relu(x) \n y = ReduceMean<axes=[1]>(a) }",
        "g (float[N,4,6,5] x) => (float[N,4,1,1] y) { y = ReduceMean<axes=[2,3]>(x) }",
        "g (double[N,4,6,5] x) => (double[N,4,1,1] y) { a = Relu(x) \n y = ReduceMean<axes=[2,3]>(a) }",
    ],
    ids=["rows", "channels too", "everything", "no image", "an input", "double"],
)
def test_it_stays(text: str) -> None:
    leaves_alone(ReduceMeanToPool(), model(text))


def test_axes_that_may_be_replaced_stay() -> None:
    text = "g (float[N,4,6,5] x, int64[2] axes) => (float[N,4,1,1] y) { a = Relu(x) \n y = ReduceMean(a, axes) }"
    leaves_alone(ReduceMeanToPool(), model(text, opset=18, axes=np.array([2, 3], np.int64)))
