"""Postprocessing behind a model against small references, and what a metric reads of it."""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.numerics import run

from edgec.compiler.baking.bake import bake
from edgec.compiler.baking.spec import BakedOutput


def same(shape: tuple[int, ...]) -> ir.Model:
    """x → Neg → Neg → y: an output that is what one likes."""
    text = f"""<ir_version: 9, opset_import: ["": 17]>
    g (float[{",".join(map(str, shape))}] x) => (float[{",".join(map(str, shape))}] y, float[1] z) {{
        m = Neg(x)
        y = Neg(m)
        z = Constant<value = float[1] {{1.0}}>()
    }}"""
    return ir.from_proto(onnx.parser.parse_model(text))


def answers(x: np.ndarray, spec: BakedOutput) -> dict[str, np.ndarray]:
    model = same(x.shape)
    whole = bake(model, {}, {"y": spec}, {}).whole(model)
    onnx.checker.check_model(ir.to_proto(whole), full_check=True)
    return run(whole, {"x": x})


ROW = np.array([[1.0, 3.0, 2.0, 3.0]], np.float32)


def test_softmax_by_hand() -> None:
    total = sum(math.exp(value) for value in ROW[0])
    wanted = [math.exp(value) / total for value in ROW[0]]
    np.testing.assert_allclose(answers(ROW, BakedOutput(softmax=True))["y"], [wanted], rtol=1e-6)


def test_the_first_of_equals_is_chosen() -> None:
    found = answers(ROW, BakedOutput(argmax=True))
    assert list(found) == ["y", "z"]
    np.testing.assert_array_equal(found["y"], np.array([1]))
    found = answers(ROW, BakedOutput(topk=3))
    assert list(found) == ["y", "z", "y_indices"]
    np.testing.assert_array_equal(found["y"], [[3.0, 3.0, 2.0]])
    np.testing.assert_array_equal(found["y_indices"], [[1, 3, 2]])


@settings(max_examples=40, deadline=None)
@given(
    rank=st.integers(2, 4),
    axis=st.integers(-2, 1),
    softmax=st.booleans(),
    choice=st.sampled_from(["none", "argmax", "topk"]),
    seed=st.integers(0, 9),
)
def test_inside_is_outside(rank: int, axis: int, softmax: bool, choice: str, seed: int) -> None:
    if choice == "none" and not softmax:
        return
    spec = BakedOutput(softmax=softmax, argmax=choice == "argmax", topk=2 if choice == "topk" else None, axis=axis)
    x = np.random.default_rng(seed).standard_normal((2, 5, 3, 4)[:rank]).astype(np.float32)
    model = same(x.shape)
    baking = bake(model, {}, {"y": spec}, {})
    wanted = baking.answers(run(model, {"x": x}))
    found = run(baking.whole(model), {"x": x})
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_allclose(found[name], array, rtol=1e-5)


def test_a_metric_reads_choices_as_scores() -> None:
    model = same((2, 4))
    chosen = bake(model, {}, {"y": BakedOutput(argmax=True)}, {})
    np.testing.assert_array_equal(chosen.scores({"y": np.array([2, 0])})["y"], [[0, 0, 1, 0], [1, 0, 0, 0]])
    best = bake(model, {}, {"y": BakedOutput(topk=2)}, {})
    found = best.scores({"y": np.array([[9.0, 7.0]]), "y_indices": np.array([[3, 1]])})
    assert list(found) == ["y"]
    np.testing.assert_array_equal(found["y"], [[-np.inf, 7.0, -np.inf, 9.0]])


@pytest.mark.parametrize("spec", [BakedOutput(argmax=True), BakedOutput(topk=2)])
def test_choices_wait_for_the_finished_graph(spec: BakedOutput) -> None:
    model = same((1, 4))
    baking = bake(model, {}, {"y": spec}, {})
    assert [node.op_type for node in baking.into(model)[0].graph if node.op_type != "Constant"] == ["Neg", "Neg"]
