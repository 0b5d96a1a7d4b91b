from __future__ import annotations

import pytest
from support.graphs import model, weights
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.pointwise_conv_to_gemm import PointwiseConvToGemm


@pytest.mark.parametrize("attributes", ["", "<strides=[2,2]>", '<auto_pad="SAME_UPPER">', "<dilations=[2,2]>"])
def test_on_one_pixel(attributes: str) -> None:
    rewrites(
        PointwiseConvToGemm(),
        model(
            f"g (float[N,4,1,1] x) => (float[N,5,1,1] y) {{ y = Conv{attributes}(x, w, b) }}",
            w=weights(5, 4, 1, 1),
            b=weights(5),
        ),
        """
        y_flat = Flatten<axis=1>(x)
        y_gemm = Gemm<transB=1>(y_flat, w_matrix, b)
        y = Reshape(y_gemm, y_pixel)
        """,
    )


def test_on_one_sample_without_bias() -> None:
    rewrites(
        PointwiseConvToGemm(),
        model("g (float[N,4,1] x) => (float[N,5,1] y) { y = Conv(x, w) }", w=weights(5, 4, 1)),
        """
        y_flat = Flatten<axis=1>(x)
        y_gemm = Gemm<transB=1>(y_flat, w_matrix)
        y = Reshape(y_gemm, y_pixel)
        """,
    )


@pytest.mark.parametrize(
    ("image", "attributes", "shape"),
    [
        ("N,4,1,1", "<pads=[1,1,1,1]>", (5, 4, 1, 1)),
        ("N,4,1,1", "<group=2>", (6, 2, 1, 1)),
        ("N,4,2,1", "", (5, 4, 1, 1)),
        ("N,4,H,W", "", (5, 4, 1, 1)),
        ("N,4,1,1", "<pads=[1,1,1,1]>", (5, 4, 3, 3)),
    ],
    ids=["padded", "grouped", "two pixels", "unknown size", "wide kernel"],
)
def test_it_stays(image: str, attributes: str, shape: tuple[int, ...]) -> None:
    source = model(f"g (float[{image}] x) => (float[N,O,A,B] y) {{ y = Conv{attributes}(x, w) }}", w=weights(*shape))
    leaves_alone(PointwiseConvToGemm(), source)


def test_a_weight_that_may_be_replaced_stays() -> None:
    text = "g (float[N,4,1,1] x, float[5,4,1,1] w) => (float[N,5,1,1] y) { y = Conv(x, w) }"
    leaves_alone(PointwiseConvToGemm(), model(text, w=weights(5, 4, 1, 1)))
