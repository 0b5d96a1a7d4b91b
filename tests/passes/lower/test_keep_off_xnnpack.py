"""Gemm and linear Resize in forms that XNNPACK's provider does not take; the same numbers on the CPU provider."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import assert_same, run

from edgec.passes.edit import why_skipped
from edgec.passes.lower.keep_off_xnnpack import KeepOffXnnpack

W, BIAS = weights(4, 3), np.float32([0.1, -0.7, 3.0])
CODES, SCALE = np.int8([[1, -2, 3], [4, 5, -6], [7, 8, 9], [-1, 0, 2]]), np.float32(0.1)


@pytest.mark.parametrize(
    ("text", "constants", "after"),
    [
        ("y = Gemm(x, w, c)", {"c": BIAS}, "y = Gemm<beta=0.5>(x, w, c_doubled)"),
        ("y = Gemm(x, w)", {}, "y = Gemm<beta=0.5>(x, w)"),
        ("y = Gemm(x, w, c)", {"c": np.float32(0.3)}, "y = Gemm<beta=0.5>(x, w, c_doubled)"),
        ("y = Gemm <beta = 1.0> (x, w, c)", {"c": BIAS[None]}, "y = Gemm<beta=0.5>(x, w, c_doubled)"),
    ],
)
def test_a_gemm_adds_half_of_twice_its_bias(text: str, constants: dict[str, np.ndarray], after: str) -> None:
    made = model(f"g (float[N, 4] x) => (float[N, 3] y) {{ {text} }}", w=W, **constants)
    feeds = feeds_of(made)
    before = run(made, feeds)
    assert KeepOffXnnpack()(made).modified
    assert graph_text(made) == after
    assert_same(before, run(made, feeds), tolerance=0)
    assert not KeepOffXnnpack()(made).modified


def test_a_weight_that_is_stored_in_few_bits() -> None:
    text = "g (float[N, 4] x) => (float[N, 3] y) { w = DequantizeLinear(q, s) y = Gemm(x, w, c) }"
    made = model(text, q=CODES, s=SCALE, c=BIAS)
    feeds = feeds_of(made)
    before = run(made, feeds)
    assert KeepOffXnnpack()(made).modified
    assert graph_text(made).splitlines()[-1] == "y = Gemm<beta=0.5>(x, w, c_doubled)"
    assert_same(before, run(made, feeds), tolerance=0)


@pytest.mark.parametrize(
    "text",
    [
        "y = Gemm <alpha = 0.5> (x, w, c)",
        "y = Gemm <beta = 0.25> (x, w, c)",
        "d = Exp(x) t = Transpose(d) y = Gemm(x, t, k)",
        "a = QuantizeLinear(x, s) d = DequantizeLinear(a, s) e = DequantizeLinear(q, s) y = Gemm(d, e)",
    ],
)
def test_what_is_not_the_providers_is_left_alone(text: str) -> None:
    constants = {"w": W, "c": BIAS, "q": CODES, "s": SCALE, "k": np.float32(0)}
    used = {name: array for name, array in constants.items() if f" {name}" in text or f"({name}" in text}
    made = model(f"g (float[4, 4] x) => (float[4, N] y) {{ {text} }}", **used)
    before = graph_text(made)
    assert not KeepOffXnnpack()(made).modified
    assert graph_text(made) == before


@pytest.mark.parametrize("bias", [BIAS, BIAS[None], np.float32(0.3)])
def test_a_product_with_a_bias_is_not_left_to_be_fused(bias: np.ndarray) -> None:
    made = model("g (float[N, 4] x) => (float[N, 3] y) { m = MatMul(x, w) y = Add(c, m) }", w=W, c=bias)
    feeds = feeds_of(made)
    before = run(made, feeds)
    assert KeepOffXnnpack()(made).modified
    assert graph_text(made) == "y = Gemm<beta=0.5>(x, w, c_doubled)"
    assert_same(before, run(made, feeds))
    assert not KeepOffXnnpack()(made).modified


@pytest.mark.parametrize(
    "text",
    [
        "g (float[B, N, 4] x) => (float[B, N, 3] y) { m = MatMul(x, w) y = Add(m, c) }",
        "g (float[N, 4] x, float[N, 3] r) => (float[N, 3] y) { m = MatMul(x, w) y = Add(m, r) }",
        "g (float[N, 4] x) => (float[N, 3] y, float[N, 3] z) { m = MatMul(x, w) y = Add(m, c) z = Neg(m) }",
        "g (float[N, 4] x) => (float[N, 3] y) { m = MatMul(x, w) y = Sub(m, c) }",
    ],
)
def test_a_product_that_nothing_fuses_is_left_alone(text: str) -> None:
    constants = {"w": W, "c": BIAS} if " c)" in text else {"w": W}
    assert not KeepOffXnnpack()(model(text, **constants)).modified


@pytest.mark.parametrize("bias", [weights(2, 1), weights(3), weights(1, 1, 1)])
def test_what_a_gemm_does_not_add(bias: np.ndarray) -> None:
    text = "g (float[2, 4] x) => (float[A, B] y) { m = MatMul(x, w) y = Add(m, c) }"
    made = model(text, infer=False, w=weights(4, 1), c=bias)
    made.graph.inputs[0].shape, made.graph.initializers["w"].shape = ir.Shape([2, 4]), ir.Shape([4, 1])
    assert not KeepOffXnnpack()(made).modified


def test_a_bias_that_cannot_be_doubled() -> None:
    made = model("g (float[N, 4] x) => (float[N, 3] y) { y = Gemm(x, w, c) }", w=W, c=np.float32([3e38, 0, 0]))
    assert not KeepOffXnnpack()(made).modified
    assert why_skipped(made.graph[0]) == "has a bias that cannot be doubled, and XNNPACK's kernel may take it"


@pytest.mark.parametrize("mode", ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"])
def test_a_linear_resize_names_a_value_that_it_never_reads(mode: str) -> None:
    text = f'y = Resize <mode = "linear", coordinate_transformation_mode = "{mode}"> (x, "", s)'
    made = model(f"g (float[N, 2, H, W] x) => (float[N, 2, H2, W2] y) {{ {text} }}", s=np.float32([1, 1, 2, 1.5]))
    feeds = {"x": weights(2, 2, 5, 6)}
    before = run(made, feeds)
    assert KeepOffXnnpack()(made).modified
    assert made.graph[0].attributes.get_float("extrapolation_value") == 1.0
    assert_same(before, run(made, feeds), tolerance=0)
    assert not KeepOffXnnpack()(made).modified


@pytest.mark.parametrize("mode", ['mode = "nearest"', 'mode = "cubic"'])
def test_another_resize_is_left_alone(mode: str) -> None:
    made = model(
        f'g (float[N, 2, H, W] x) => (float[N, 2, H2, W2] y) {{ y = Resize <{mode}> (x, "", s) }}',
        s=np.float32([1, 1, 2, 2]),
    )
    assert not KeepOffXnnpack()(made).modified


def test_a_resize_that_reads_the_value_is_left_alone() -> None:
    made = model(
        'g (float[1, 2, 4, 4] x) => (float[1, 2, 8, 8] y) { y = Resize <mode = "linear", '
        'coordinate_transformation_mode = "tf_crop_and_resize"> (x, roi, s) }',
        roi=np.float32([0, 0, 0, 0, 1, 1, 1.5, 1.5]),
        s=np.float32([1, 1, 2, 2]),
    )
    assert not KeepOffXnnpack()(made).modified


def test_bodies_are_the_providers_too() -> None:
    text = """g (bool c, float[N, 4] x) => (float[N, 3] y) {
        y = If(c) <then_branch = t () => (float[N, 3] a) { a = Gemm(x, w, b) },
                   else_branch = e () => (float[N, 3] d) { d = MatMul(x, w) }>
    }"""
    made = model(text, w=W, b=BIAS)
    feeds = {"c": np.array(True), "x": weights(2, 4)}
    before = run(made, feeds)
    assert KeepOffXnnpack()(made).modified
    gemm = next(node for node in made.graph.all_nodes() if node.op_type == "Gemm")
    assert gemm.attributes.get_float("beta") == 0.5
    assert isinstance(made, ir.Model)
    assert_same(before, run(made, feeds), tolerance=0)
