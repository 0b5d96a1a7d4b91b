from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import feeds_of, model
from support.numerics import assert_same, run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.window_pools import WindowPools


def test_a_global_average_gets_a_window() -> None:
    rewrites(
        WindowPools(),
        model("g (float[2,3,4,5] x) => (float[2,3,1,1] y) { y = GlobalAveragePool(x) }"),
        "y = AveragePool<kernel_shape=(4,5)>(x)",
    )


def test_what_is_said_of_pads_that_are_none() -> None:
    rewrites(
        WindowPools(),
        model(
            "g (float[1,3,8,8] x) => (float[1,3,4,4] y)"
            "{ y = AveragePool <kernel_shape=[2,2], strides=[2,2], count_include_pad=1, pads=[0,0,0,0]> (x) }"
        ),
        "y = AveragePool<count_include_pad=0, kernel_shape=(2,2), pads=(0,0,0,0), strides=(2,2)>(x)",
    )


def test_pads_that_count() -> None:
    rewrites(
        WindowPools(),
        model(
            "g (float[1,3,8,8] x) => (float[1,3,8,8] y)"
            "{ y = AveragePool <kernel_shape=[3,3], count_include_pad=1, pads=[1,1,1,1]> (x) }"
        ),
        """
        x_padded = Pad(x, x_pads)
        x_held = Max(x_padded, x_lowest)
        y = AveragePool<count_include_pad=0, kernel_shape=(3,3), pads=(0,0,0,0)>(x_held)
        """,
    )


def test_a_last_window_that_goes_over_the_end() -> None:
    rewrites(
        WindowPools(),
        model(
            "g (float[1,3,9,8] x) => (float[1,3,4,4] y)"
            "{ y = MaxPool <kernel_shape=[3,3], strides=[2,2], ceil_mode=1> (x) }"
        ),
        "y = MaxPool<ceil_mode=0, kernel_shape=(3,3), pads=(0,0,0,1), strides=(2,2)>(x)",
    )


@given(
    size=st.integers(4, 12),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 4),
    pads=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    op=st.sampled_from(["AveragePool", "MaxPool"]),
    ceil=st.booleans(),
    count=st.booleans(),
)
def test_any_window(
    size: int, kernel: int, stride: int, pads: tuple[int, int], op: str, ceil: bool, count: bool
) -> None:
    """Nothing changes, and no attribute stays."""
    pads = (min(pads[0], kernel - 1), min(pads[1], kernel - 1))
    said = f"kernel_shape=[{kernel},{kernel}], strides=[{stride},{stride}], ceil_mode={int(ceil)}"
    said += f", pads=[{pads[0]},{pads[0]},{pads[1]},{pads[1]}]"
    said += f", count_include_pad={int(count)}" if op == "AveragePool" else ""
    made = model(
        f"g (float[1,2,{size},{size}] x) => (float[1,2,K,L] y) {{ y = {op} <{said}> (x) }}", infer=False, opset=19
    )
    feeds = feeds_of(made)
    before = run(made, feeds)
    WindowPools()(made)
    assert_same(before, run(made, feeds), tolerance=1e-6)
    assert [node.op_type for node in made.graph] == ["Pad", "Max"] * (op == "AveragePool" and count and any(pads)) + [
        op
    ]
    assert made.graph[-1].attributes.get_int("ceil_mode") == 0
    assert made.graph[-1].attributes.get_int("count_include_pad", 0) == 0


@pytest.mark.parametrize(
    "text",
    [
        "g (float[N,3,H,5] x) => (float[N,3,1,1] y) { y = GlobalAveragePool(x) }",
        "g (float[1,3,5] x) => (float[1,3,1] y) { y = GlobalAveragePool(x) }",
        "g (float[1,3,H,8] x) => (float[1,3,K,4] y)"
        "{ y = MaxPool <kernel_shape=[2,2], strides=[2,2], ceil_mode=1> (x) }",
        "g (float[1,3,8,8] x) => (float[1,3,8,8] y)"
        '{ y = AveragePool <kernel_shape=[3,3], count_include_pad=1, auto_pad="SAME_UPPER"> (x) }',
        "g (float[1,3,9,9] x) => (float[1,3,4,4] y)"
        "{ y = MaxPool <kernel_shape=[2,2], strides=[2,2], dilations=[2,2], ceil_mode=1> (x) }",
    ],
    ids=["a size that is not known", "a row", "rounding that is not known", "pads found out later", "dilations"],
)
def test_it_stays(text: str) -> None:
    leaves_alone(WindowPools(), model(text))
