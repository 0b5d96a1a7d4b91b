from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import feeds_of, model, weights
from support.numerics import assert_same, run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.widen_outputs import WidenOutputs

WIDEN = WidenOutputs(multiple=4, least=8, depthwise=8)


def stored(after: ir.Model, name: str) -> np.ndarray:
    value = after.graph.initializers[name].const_value
    assert value is not None
    return value.numpy()


def pair(between: str, reads: int, outputs: str = "", **constants: np.ndarray) -> ir.Model:
    """A convolution of 3 channels to 6, `between` makes z of its result y, a pointwise one reads `reads` of it."""
    return model(
        f"""g (float[N,3,6,6] x) => (float[N,5,H,W] o{outputs}) {{
            y = Conv(x, w, b)
            {between}
            o = Conv(z, v)
        }}""",
        w=weights(6, 3, 3, 3),
        b=weights(6),
        v=weights(5, reads, 1, 1),
        **constants,
    )


@pytest.mark.parametrize(
    "op", ["Relu(y)", "LeakyRelu(y)", "MaxPool<kernel_shape=[2,2]>(y)", "AveragePool<kernel_shape=[2,2]>(y)"]
)
def test_zeros_run_on_to_a_convolution_that_ignores_them(op: str) -> None:
    after = rewrites(
        WIDEN,
        pair(f"z = {op}", 6),
        f"""
        y = Conv(x, w_wide, b_wide)
        z = {op.replace("[", "(").replace("]", ")")}
        o = Conv(z, v_wide)
        """,
    )
    assert stored(after, "w_wide").shape == (8, 3, 3, 3)
    assert not stored(after, "w_wide")[6:].any()
    assert not stored(after, "b_wide")[6:].any()
    assert stored(after, "v_wide").shape == (5, 8, 1, 1)
    assert not stored(after, "v_wide")[:, 6:].any()


def test_slopes_are_widened_with_their_channels() -> None:
    after = rewrites(
        WIDEN,
        pair("z = PRelu(y, a)", 6, a=weights(6, 1, 1)),
        """
        y = Conv(x, w_wide, b_wide)
        z = PRelu(y, a_wide)
        o = Conv(z, v_wide)
        """,
    )
    assert stored(after, "a_wide").shape == (8, 1, 1)


def test_a_depthwise_convolution_between_asks_for_its_own_multiple() -> None:
    each = WidenOutputs(multiple=2, least=1, depthwise=16)
    after = rewrites(
        each,
        pair("r = LeakyRelu(y)\n z = Conv<group=6>(r, d)", 6, d=weights(6, 1, 3, 3)),
        """
        y = Conv(x, w_wide, b_wide)
        r = LeakyRelu(y)
        z = Conv<group=16>(r, d_wide)
        o = Conv(z, v_wide)
        """,
    )
    assert stored(after, "d_wide").shape == (16, 1, 3, 3)


def test_a_cut_of_few_channels_is_read_whole_and_others_stay_cuts() -> None:
    numbers = {name: np.array([n], np.int64) for name, n in {"n0": 0, "n1": 1, "n2": 2, "n6": 6}.items()}
    source = model(
        """g (float[N,3,6,6] x) => (float[N,5,4,4] o, float[N,2,4,4] p) {
            y = Conv(x, w, b)
            left = Slice(y, n0, n2, n1)
            right = Slice(y, n2, n6, n1)
            p = Relu(left)
            o = Conv(right, v)
        }""",
        w=weights(6, 3, 3, 3),
        b=weights(6),
        v=weights(5, 4, 1, 1),
        **numbers,
    )
    after = rewrites(
        WIDEN,
        source,
        """
        y = Conv(x, w_wide, b_wide)
        left = Slice(y, n0, n2, n1)
        p = Relu(left)
        o = Conv(y, v_wide)
        """,
    )
    assert np.flatnonzero(np.abs(stored(after, "v_wide")).sum((0, 2, 3))).tolist() == [2, 3, 4, 5]


def test_joined_channels_lie_where_their_parts_do() -> None:
    after = rewrites(
        WIDEN,
        pair("t = Conv(x, u)\n s = Conv(x, q)\n c = Concat<axis=1>(y, t, s)\n z = Relu(c)", 21,
             u=weights(12, 3, 3, 3), q=weights(3, 3, 3, 3)),
        """
        y = Conv(x, w_wide, b_wide)
        t = Conv(x, u)
        s = Conv(x, q_wide)
        c = Concat<axis=1>(y, t, s)
        z = Relu(c)
        o = Conv(z, v_wide)
        """,
    )  # fmt: skip
    filled = np.flatnonzero(np.abs(stored(after, "v_wide")).sum((0, 2, 3)))
    assert filled.tolist() == [*range(6), *range(8, 20), *range(20, 23)]


@pytest.mark.parametrize(
    ("between", "reads", "outputs"),
    [
        ("z = Sigmoid(y)", 6, ""),
        ("z = Clip(y, one)", 6, ""),
        ("z = Relu(y)", 6, ", float[N,6,4,4] y"),
        ("z = Add(y, c)", 6, ""),
        ("t = Conv(x, u)\n z = Add(y, t)", 6, ""),
        ("z = Relu(y)\n t = Transpose<perm=[0,2,3,1]>(y)", 6, ", float[N,4,4,6] t"),
        ("z = Concat<axis=2>(y, y)", 6, ""),
        ("t = Relu(y)\n z = Slice(t, last, end, axis)", 2, ""),
    ],
    ids=[
        "no zero of zero",
        "a clamp off zero",
        "an output",
        "a constant",
        "one channel for all",
        "a stranger",
        "another axis",
        "from the end",
    ],
)
def test_where_anything_else_reads_them_channels_stay(between: str, reads: int, outputs: str) -> None:
    constants = {
        "one": np.array(1.0, np.float32),
        "c": weights(1, 6, 1, 1),
        "u": weights(1, 3, 3, 3),
        "last": np.array([-2], np.int64),
        "end": np.array([6], np.int64),
        "axis": np.array([1], np.int64),
    }
    used = {name: array for name, array in constants.items() if name in between.replace("(", " ").replace(",", " ")
            .replace(")", " ").split()}  # fmt: skip
    leaves_alone(WIDEN, pair(between, reads, outputs, **used))


def test_a_long_cut_stays_a_cut() -> None:
    numbers = {name: np.array([n], np.int64) for name, n in {"n1": 1, "n2": 2, "n9": 9}.items()}
    source = model(
        """g (float[N,3,6,6] x) => (float[N,5,6,6] o) {
            y = Conv(x, w)
            z = Slice(y, n2, n9, n1)
            o = Conv(z, v)
        }""",
        w=weights(12, 3, 1, 1),
        v=weights(5, 7, 1, 1),
        **numbers,
    )
    leaves_alone(WIDEN, source)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 5), st.integers(1, 24), st.integers(1, 24))
def test_any_widths_answer_the_same(first: int, second: int, multiple: int, least: int, depthwise: int) -> None:
    source = model(
        f"""g (float[2,3,5,5] x) => (float[2,4,5,5] o) {{
            a = Conv(x, wa)
            r = Relu(a)
            d = Conv<group={first}, pads=[1,1,1,1]>(r, wd)
            s = Add(d, a)
            b = Conv(x, wb)
            c = Concat<axis=1>(b, s)
            o = Conv(c, wo)
        }}""",
        wa=weights(first, 3, 1, 1),
        wd=weights(first, 1, 3, 3),
        wb=weights(second, 3, 1, 1),
        wo=weights(4, first + second, 1, 1),
    )
    feeds = feeds_of(source)
    before = run(source, feeds)
    WidenOutputs(multiple=multiple, least=least, depthwise=depthwise)(source)
    assert_same(before, run(source, feeds), tolerance=1e-5)
