"""A float convolution that the HTP may compute wrong gets a Clip that changes nothing; every other is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import assert_same, run

from edgec.errors import EdgecError
from edgec.passes.lower.clip_before_strides import ClipBeforeStrides
from edgec.passes.quantize.decide import DecideQuantization
from edgec.runtimes import runtime
from edgec.runtimes.base import Runtime
from edgec.targets.qnn.rules import htp_rules


def conv(
    kernel: tuple[int, int] = (10, 4),
    *,
    strides: str = "2, 2",
    channels: int = 1,
    filters: int = 8,
    high: int = 49,
    first: str = "t = Transpose <perm = [0, 3, 1, 2]> (x)",
    group: int = 1,
) -> ir.Model:
    text = f"""g (float[1, {high}, 12, {channels}] x) => (float[1, {filters}, A, B] y) {{
        {first} y = Conv <strides = [{strides}], group = {group}> (t, w, b) }}"""
    return model(text, opset=21, w=weights(filters, channels // group, *kernel), b=weights(filters))


def test_the_clip_stands_right_before_it() -> None:
    made = conv()
    feeds = feeds_of(made)
    before = run(made, feeds)
    assert ClipBeforeStrides()(made).modified
    assert graph_text(made) == (
        "t = Transpose<perm=(0,3,1,2)>(x)\n"
        "t_clipped = Clip(t, lowest_half, largest_half)\n"
        "y = Conv<group=1, strides=(2,2)>(t_clipped, w, b)"
    )
    bounds = [made.graph.initializers[name].const_value.numpy() for name in ("lowest_half", "largest_half")]
    assert [(float(bound), bound.dtype.name) for bound in bounds] == [(-65504.0, "float32"), (65504.0, "float32")]
    assert_same(before, run(made, feeds), tolerance=0)
    assert not ClipBeforeStrides()(made).modified


@pytest.mark.parametrize(
    "kept",
    [
        {"strides": "1, 1"},
        {"strides": "2, 1"},
        {"strides": "3, 3"},
        {"kernel": (8, 8)},
        {"channels": 5},
        {"filters": 1},
        {"channels": 2, "filters": 2, "group": 2},
        {"first": "r = Transpose <perm = [0, 3, 1, 2]> (x) t = Clip(r)"},
    ],
    ids=lambda kept: " ".join(kept),
)
def test_a_form_it_computes_right_is_left_alone(kept: dict) -> None:  # type: ignore[type-arg]
    assert not ClipBeforeStrides()(conv(**kept)).modified


def test_one_of_integers_is_left_alone() -> None:
    made = conv()
    DecideQuantization(rules=htp_rules())(made)
    assert not ClipBeforeStrides()(made).modified


def test_one_that_reads_an_input_as_it_comes_is_left_alone() -> None:
    """The provider puts a Transpose before it."""
    text = "g (float[1, 1, 49, 12] x) => (float[1, 8, A, B] y) { y = Conv <strides = [2, 2]> (x, w) }"
    assert not ClipBeforeStrides()(model(text, opset=21, w=weights(8, 1, 10, 4))).modified


def test_two_share_their_bounds() -> None:
    text = """g (float[1, 49, 12, 1] x) => (float[1, 8, A, B] y, float[1, 8, C, D] z) {
        t = Transpose <perm = [0, 3, 1, 2]> (x)
        y = Conv <strides = [2, 2]> (t, w) z = Conv <strides = [2, 2]> (t, v) }"""
    made = model(text, opset=21, w=weights(8, 1, 10, 4), v=weights(8, 1, 9, 1))
    assert ClipBeforeStrides()(made).modified
    assert [node.op_type for node in made.graph] == ["Transpose", "Clip", "Conv", "Clip", "Conv"]
    assert sum("half" in name for name in made.graph.initializers) == 2


@settings(max_examples=15, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    strides=st.sampled_from(["1, 1", "2, 2", "3, 2"]),
    channels=st.integers(1, 6),
    scale=st.sampled_from([1.0, 1e3]),
)
def test_any_form_stays_the_same_function(kernel: tuple[int, int], strides: str, channels: int, scale: float) -> None:
    made = conv(kernel, strides=strides, channels=channels)
    feeds = {name: array * np.float32(scale) for name, array in feeds_of(made).items()}
    before = run(made, feeds)
    ClipBeforeStrides()(made)
    assert_same(before, run(made, feeds), tolerance=0)


@pytest.fixture(scope="module")
def htp() -> Iterator[Runtime]:
    found = runtime("qnn-htp")
    if reason := found.available():
        pytest.skip(reason)
    with closing(found):
        yield found


@pytest.mark.targets
@pytest.mark.parametrize(
    "form",
    [
        {},
        {"kernel": (9, 1)},
        {"kernel": (3, 9), "channels": 4},
        {"kernel": (11, 11), "channels": 3, "high": 64},
        {"high": 12},
        {"first": "t = Reshape(x, shape)"},
    ],
    ids=["10x4", "9x1", "3x9 of 4", "11x11 of 3", "12 high: no session", "behind a Reshape"],
)
def test_the_htp_computes_it_right_and_as_it_is_wrong(form: dict, htp: Runtime) -> None:  # type: ignore[type-arg]
    made = conv(**form)
    if "first" in form:
        made.graph.register_initializer(ir.val("shape", const_value=ir.tensor(np.int64([1, 1, 49, 12]), name="shape")))
    feeds = feeds_of(made)
    wanted = run(made, feeds)["y"]
    assert decibels(htp, made, feeds, wanted) < 10
    assert ClipBeforeStrides()(made).modified
    assert decibels(htp, made, feeds, wanted) > 60


def decibels(place: Runtime, made: ir.Model, feeds: dict[str, np.ndarray], wanted: np.ndarray) -> float:
    """SQNR of what a place answers; -inf where it opens no session."""
    try:
        with closing(place.open(ir.to_proto(made).SerializeToString())) as session:
            noise = float(np.square(session.run(feeds)["y"] - wanted).sum())
    except EdgecError:
        return -np.inf
    return 10 * float(np.log10(np.square(wanted).sum() / max(noise, 1e-30)))
