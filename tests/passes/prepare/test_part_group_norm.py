"""A GroupNormalization becomes an InstanceNormalization over its groups; the same function, and what the HTP opens."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import feeds_of, model, weights
from support.numerics import assert_same, run
from support.rewrites import leaves_alone

from edgec.errors import ModelError
from edgec.passes.prepare.part_group_norm import PartGroupNorm
from edgec.runtimes import runtime


def norm(*, channels: int = 4, groups: int = 2, size: str = "5, 6", opset: int = 21, epsilon: float = 1e-5) -> ir.Model:
    each = groups if opset < 21 else channels
    text = f"""g (float[2, {channels}, {size}] x) => (float[2, {channels}, {size}] y) {{
        n = GroupNormalization <num_groups = {groups}, epsilon = {epsilon}> (x, g, b) y = Neg(n) }}"""
    return model(text, opset=opset, infer=False, g=weights(each) + np.float32(2), b=weights(each, seed=1))


@pytest.mark.parametrize(
    ("opset", "ops"),
    [
        (18, ["Reshape", "InstanceNormalization", "Reshape", "Neg"]),
        (21, ["Reshape", "InstanceNormalization", "Reshape", "Mul", "Add", "Neg"]),
    ],
)
def test_it_is_the_same_function(opset: int, ops: list[str]) -> None:
    made = norm(opset=opset, epsilon=0.5)
    feeds = feeds_of(made)
    before = run(made, feeds)
    assert PartGroupNorm()(made).modified
    assert [node.op_type for node in made.graph] == ops
    assert [tuple(node.outputs[0].shape or ()) for node in made.graph] == [
        (2, 2, 60), (2, 2, 60), *[(2, 4, 5, 6)] * (len(ops) - 2)
    ]  # fmt: skip
    assert_same(before, run(made, feeds), tolerance=1e-5)
    assert not PartGroupNorm()(made).modified


@settings(max_examples=20, deadline=None)
@given(groups=st.integers(1, 3), each=st.integers(1, 3), size=st.lists(st.integers(2, 5), min_size=1, max_size=3))
def test_any_groups_and_any_rank(groups: int, each: int, size: list[int]) -> None:
    made = norm(channels=groups * each, groups=groups, size=", ".join(map(str, size)))
    feeds = feeds_of(made)
    before = run(made, feeds)
    assert PartGroupNorm()(made).modified
    assert_same(before, run(made, feeds), tolerance=1e-4)


def test_one_behind_another_whose_shape_nobody_knew() -> None:
    text = """g (float[2, 4, 5, 6] x) => (float[2, 4, 5, 6] y) {
        n = GroupNormalization <num_groups = 2> (x, g, b) c = Conv(n, w)
        m = GroupNormalization <num_groups = 4> (c, g, b) y = Neg(m) }"""
    made = model(text, opset=21, infer=False, g=weights(4), b=weights(4), w=weights(4, 4, 1, 1))
    feeds = feeds_of(made)
    before = run(made, feeds)
    assert PartGroupNorm()(made).modified
    assert not any(node.op_type == "GroupNormalization" for node in made.graph)
    assert_same(before, run(made, feeds), tolerance=1e-5)


def test_a_scale_made_at_run_time_is_left_alone() -> None:
    text = """g (float[2, 4, 5, 6] x, float[4] g) => (float[2, 4, 5, 6] y) {
        n = GroupNormalization <num_groups = 2> (x, g, b) y = Neg(n) }"""
    made = model(text, opset=21, infer=False, b=weights(4))
    leaves_alone(PartGroupNorm(), made, n="its scale or bias is no constant")


def test_a_shape_nobody_knows_is_left_alone() -> None:
    text = """g (float[N, 4, 5, 6] x) => (float[N, 4, 5, 6] y) {
        n = GroupNormalization <num_groups = 2> (x, g, b) y = Neg(n) }"""
    made = model(text, opset=21, infer=False, g=weights(4), b=weights(4))
    leaves_alone(PartGroupNorm(), made, n="the shape of what it normalizes is not known")


@pytest.mark.targets
def test_the_htp_opens_it_so_and_only_so() -> None:
    """The fact behind the pass: when a newer plugin takes it as it is, the pass can go."""
    place = runtime("qnn-htp")
    if reason := place.available():
        pytest.skip(reason)
    made = norm()
    feeds = feeds_of(made)
    wanted = run(made, feeds)["y"]
    with closing(place):
        with pytest.raises(ModelError, match="was inserted using the NHWC format as requested by QNNExecutionProvider"):
            place.open(ir.to_proto(made).SerializeToString())
        assert PartGroupNorm()(made).modified
        with closing(place.open(ir.to_proto(made).SerializeToString())) as session:
            noise = np.square(session.run(feeds)["y"] - wanted).sum()
    assert noise < 1e-5 * np.square(wanted).sum()
