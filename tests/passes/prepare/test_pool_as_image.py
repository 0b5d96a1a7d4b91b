from __future__ import annotations

import pytest
from support.graphs import feeds_of, model
from support.numerics import assert_same, run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.pool_as_image import PoolAsImage


def test_a_pool_of_a_signal() -> None:
    rewrites(
        PoolAsImage(),
        model("g (float[2,3,8] x) => (float[2,3,4] y) { y = MaxPool<kernel_shape=[3],strides=[2],pads=[1,0]>(x) }"),
        """
        y_Unsqueeze_Output = Unsqueeze(x, y_axis)
        y_MaxPool_Output = MaxPool<kernel_shape=(1,3), pads=(0,1,0,0), strides=(1,2)>(y_Unsqueeze_Output)
        y = Squeeze(y_MaxPool_Output, y_axis)
        """,
    )


@pytest.mark.parametrize(
    ("pool", "size"),
    [
        ("MaxPool<kernel_shape=[3],dilations=[2]>", 4),
        ("MaxPool<kernel_shape=[3],strides=[2],ceil_mode=1>", 4),
        ("AveragePool<kernel_shape=[3],pads=[1,1],count_include_pad=1>", 8),
        ("AveragePool<kernel_shape=[3],pads=[1,1]>", 8),
        ("GlobalMaxPool", 1),
        ("GlobalAveragePool", 1),
    ],
)
def test_every_kind(pool: str, size: int) -> None:
    made = model(f"g (float[2,3,8] x) => (float[2,3,{size}] y) {{ y = {pool}(x) }}")
    feeds = feeds_of(made)
    before = run(made, feeds)
    assert PoolAsImage()(made).modified
    assert [node.op_type for node in made.graph] == ["Unsqueeze", pool.partition("<")[0], "Squeeze"]
    assert_same(before, run(made, feeds))


@pytest.mark.parametrize(
    "text",
    [
        "g (float[2,3,8,8] x) => (float[2,3,7,7] y) { y = MaxPool<kernel_shape=[2,2]>(x) }",
        'g (float[2,3,8] x) => (float[2,3,8] y) { y = MaxPool<kernel_shape=[3],auto_pad="SAME_UPPER">(x) }',
        "g (float[2,3,8] x) => (float[2,3,6] y, int64[2,3,6] z) { y, z = MaxPool<kernel_shape=[3]>(x) }",
    ],
)
def test_it_stays(text: str) -> None:
    leaves_alone(PoolAsImage(), model(text))
