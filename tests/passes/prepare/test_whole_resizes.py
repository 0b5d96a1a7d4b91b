from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import feeds_of, model
from support.numerics import assert_same, run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.whole_resizes import WholeResizes


def resize(attributes: str, operands: str, height: int = 8, width: int = 8, **constants: np.ndarray) -> object:
    return model(
        f"g (float[1,2,4,4] x) => (float[1,2,{height},{width}] y) {{ y = Resize<{attributes}>(x{operands}) }}",
        **constants,
    )


DOUBLED = np.array([1, 1, 2, 2], np.float32)


def test_as_tensorflow_writes_it() -> None:
    rewrites(
        WholeResizes(),
        resize('mode="nearest"', ', "", s', s=DOUBLED),
        'y = Resize<coordinate_transformation_mode=asymmetric, mode=nearest, nearest_mode=floor>(x, "", s)',
        tolerance=0.0,
    )


@given(
    st.integers(1, 5),
    st.integers(1, 5),
    st.sampled_from(["half_pixel", "pytorch_half_pixel"]),
    st.sampled_from(["round_prefer_floor", "round_prefer_ceil"]),
    st.booleans(),
)
def test_any_whole_scale(high: int, wide: int, pixels: str, rounding: str, by_sizes: bool) -> None:
    attributes = f'mode="nearest",coordinate_transformation_mode="{pixels}",nearest_mode="{rounding}"'
    by = np.array([1, 2, 4 * high, 4 * wide], np.int64) if by_sizes else np.array([1, 1, high, wide], np.float32)
    made = resize(attributes, ', "", "", s' if by_sizes else ', "", s', 4 * high, 4 * wide, s=by)
    feeds = feeds_of(made)
    before = run(made, feeds)
    assert WholeResizes()(made).modified
    assert_same(before, run(made, feeds), tolerance=0.0)


@pytest.mark.parametrize(
    ("attributes", "scale"),
    [
        ('mode="linear"', 2.0),
        ('mode="nearest"', 1.5),
        ('mode="nearest"', 0.5),
        ('mode="nearest",nearest_mode="floor"', 2.0),
        ('mode="nearest",coordinate_transformation_mode="align_corners"', 2.0),
        ('mode="nearest",coordinate_transformation_mode="asymmetric",nearest_mode="floor"', 2.0),
    ],
)
def test_it_stays(attributes: str, scale: float) -> None:
    size = int(4 * scale)
    made = resize(attributes, ', "", s', size, size, s=np.array([1, 1, scale, scale], np.float32))
    leaves_alone(WholeResizes(), made)
