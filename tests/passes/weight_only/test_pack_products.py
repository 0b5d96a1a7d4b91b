from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import optimized_ops, run
from support.rewrites import leaves_alone
from support.state import signature

from edgec.passes.edit import remarks_on, why_skipped
from edgec.passes.weight_only.decide_storage import DecideStorage
from edgec.passes.weight_only.pack_products import PackProducts
from edgec.passes.weight_only.round_blocks import RoundBlocks
from edgec.passes.weight_only.storage import blocks_of, from_matrix, stored_values

MATMUL = "g (float[N, T, 64] x) => (float[N, T, 24] y) { y = MatMul(x, w) }"
ADDED = "g (float[N, T, 64] x) => (float[N, T, 24] y) { p = MatMul(x, w) y = Add(p, b) }"
GEMM = "g (float[N, 64] x) => (float[N, 24] y) { y = Gemm(x, w, b) }"
TURNED = "g (float[N, 64] x) => (float[N, 24] y) { y = Gemm <transB = 1> (x, w, b) }"
ROW = "g (float[N, 64] x, float[N, 1] b) => (float[N, 24] y) { y = Gemm(x, w, b) }"


def decided(source: ir.Model, **options: object) -> ir.Model:
    """The model with its weights decided and rounded."""
    DecideStorage(**{"block_size": 16, "minimum": 1, **options})(source)
    RoundBlocks()(source)
    return source


def rounded(source: ir.Model) -> ir.Model:
    """The same model with float weights that are what the codes stand for."""
    made = source.clone()
    for weight, storage in stored_values(source):
        shape = weight.const_value.shape.numpy()
        real = from_matrix(blocks_of(weight).real, shape, storage.summed)
        made.graph.initializers[weight.name].const_value = ir.Tensor(real, name=weight.name)
    return made


@pytest.mark.parametrize(
    ("text", "shape", "after"),
    [
        (MATMUL, (64, 24), "y = N(x, w_quantized, w_scale)"),
        (ADDED, (64, 24), 'y = N(x, w_quantized, w_scale, "", "", b)'),
        (GEMM, (64, 24), 'y = N(x, w_quantized, w_scale, "", "", b)'),
        (TURNED, (24, 64), 'y = N(x, w_quantized, w_scale, "", "", b)'),
        (GEMM.replace(", b)", ")"), (64, 24), "y = N(x, w_quantized, w_scale)"),
        (ROW, (64, 24), "y_product = N(x, w_quantized, w_scale)\ny = Add(y_product, b)"),
    ],
    ids=["MatMul", "MatMul and Add", "Gemm", "Gemm, transposed", "Gemm without bias", "Gemm with a column"],
)
@pytest.mark.parametrize("level", [0, 4])
def test_it_multiplies_by_what_is_stored(text: str, shape: tuple[int, ...], after: str, level: int) -> None:
    constants = {"w": weights(*shape)} | ({"b": weights(24)} if " b)" in text and "] b)" not in text else {})
    source = decided(model(text, **constants))
    expected, promised = rounded(source), signature(source)
    each = PackProducts(always=True, accuracy_level=level)
    assert each(source).modified
    named = f"accuracy_level={level}, " if level else ""
    assert graph_text(source) == after.replace("N(", f"MatMulNBits<K=64, N=24, {named}bits=4, block_size=16>(")
    assert signature(source) == promised
    assert not each(source).modified
    assert source.graph.opset_imports["com.microsoft"] == 1
    assert "w" not in source.graph.initializers
    feeds = feeds_of(source)
    found, wanted = run(source, feeds)["y"], run(expected, feeds)["y"]
    # Level 4 rounds activations to int8: half a step of a 127th, over sums of 64.
    np.testing.assert_allclose(found, wanted, atol=1e-4 if level == 0 else 0.05 * np.abs(wanted).max())


def test_the_bias_is_added_behind_where_the_kernel_has_none() -> None:
    source = decided(model(ADDED, w=weights(64, 24), b=weights(24)))
    assert PackProducts(always=True, biased=False)(source).modified
    assert [node.op_type for node in source.graph] == ["MatMulNBits", "Add"]
    source = decided(model(GEMM, w=weights(64, 24), b=weights(24)))
    assert PackProducts(always=True, biased=False)(source).modified
    assert [node.op_type for node in source.graph] == ["MatMulNBits", "Add"]


def test_what_is_added_with_more_axes_stays_behind() -> None:
    """A bias of shape (1, 1, 1, N) makes a product of three axes one of four."""
    text = ADDED.replace("float[N, T, 24] y", "float[O, N, T, 24] y")
    source = decided(model(text, w=weights(64, 24), b=weights(1, 1, 1, 24)))
    assert PackProducts(always=True)(source).modified
    assert [node.op_type for node in source.graph] == ["MatMulNBits", "Add"]
    assert run(source, feeds_of(source))["y"].shape == (1, 2, 2, 24)
    source = decided(model(ADDED, w=weights(64, 24), b=weights(1, 1, 24)))
    assert PackProducts(always=True)(source).modified
    assert graph_text(source).endswith('(x, w_quantized, w_scale, "", "", b_flat)')


def test_tied_matrices_are_stored_once() -> None:
    text = """g (float[N, 32] x) => (float[N, 32] z) {
        y = MatMul(x, w)
        z = MatMul(y, w)
    }"""
    after = decided(model(text, w=weights(32, 32)))
    assert PackProducts(always=True)(after).modified
    assert [node.op_type for node in after.graph] == ["MatMulNBits", "MatMulNBits"]
    assert sorted(after.graph.initializers) == ["w_quantized", "w_scale"]


def test_products_in_bodies_read_the_constants_around_them() -> None:
    text = """g (float[N, 32] x, bool c) => (float[N, 16] y) {
        y = If (c) <
            then_branch = a () => (float[N, 16] t) { t = MatMul(x, w) },
            else_branch = b () => (float[N, 16] e) { p = MatMul(x, w) e = Relu(p) }
        >
    }"""
    source = decided(model(text, w=weights(32, 16)))
    wanted = rounded(source)
    assert PackProducts(always=True, accuracy_level=0)(source).modified
    assert sorted(source.graph.initializers) == ["w_quantized", "w_scale"]
    for flag in (True, False):
        feeds = feeds_of(source) | {"c": np.array(flag)}
        np.testing.assert_allclose(run(source, feeds)["y"], run(wanted, feeds)["y"], atol=1e-5)


@pytest.mark.parametrize(
    ("text", "shape", "why"),
    [
        (
            GEMM.replace("(x, w, b)", " <alpha = 0.5> (x, w)"),
            (64, 24),
            "is scaled or transposed, which the kernel has no form for",
        ),
        (
            MATMUL.replace("float[N, T, 64] x", "float[64] x").replace("float[N, T, 24] y", "float[24] y"),
            (64, 24),
            "multiplies a vector, which the kernel has no form for",
        ),
        (
            MATMUL.replace("float[N, T, 64] x", "float[3, 5, 64] x").replace("float[N, T, 24] y", "float[3, 5, 24] y"),
            (3, 64, 24),
            "multiplies its weights along another axis than they are stored",
        ),
    ],
)
def test_what_has_another_form_stays_and_says_so(text: str, shape: tuple[int, ...], why: str) -> None:
    leaves_alone(PackProducts(always=True), decided(model(text, w=weights(*shape))), y=why)


def test_blocks_without_a_kernel_stay_and_say_so() -> None:
    leaves_alone(
        PackProducts(always=True),
        decided(model(MATMUL, w=weights(64, 24)), block_size=20),
        y="no fast kernel multiplies blocks of 20",
    )


def test_bits_without_a_fast_kernel_are_widened_with_a_note() -> None:
    source = decided(model(MATMUL, w=weights(64, 24)), bits=2)
    assert PackProducts(always=True)(source).modified
    (node,) = source.graph
    assert node.attributes.get_int("bits", 0) == 4
    assert remarks_on(node) == ("holds its 2-bit weights in blocks of 16 in 4 bits, which a fast kernel multiplies",)
    assert why_skipped(node) is None


def test_what_others_read_stays_and_says_so() -> None:
    text = """g (float[N, 64] x) => (float[N, 24] y, float[64, 24] z) {
        y = MatMul(x, w)
        z = Relu(w)
    }"""
    leaves_alone(
        PackProducts(always=True),
        decided(model(text, w=weights(64, 24))),
        y="its weights 'w' are read in another way, too",
    )


def test_what_is_not_decided_stays() -> None:
    leaves_alone(PackProducts(always=True), model(MATMUL, w=weights(64, 24)))
    source = model(MATMUL, w=weights(64, 24))
    DecideStorage(minimum=1)(source)
    leaves_alone(PackProducts(always=True), source)  # not rounded


@pytest.mark.parametrize(
    ("shape", "rows", "size", "packed"),
    [
        ((512, 512), "N, 512", 128, True),
        ((512, 511), "N, 512", 128, False),
        ((512, 512), "16, 512", 32, True),
        ((512, 512), "17, 512", 32, False),
        ((512, 512), "64, 512", 0, True),
    ],
)
def test_by_itself_it_takes_what_is_no_slower_than_float(
    shape: tuple[int, int], rows: str, size: int, packed: bool
) -> None:
    text = f"g (float[{rows}] x) => (y) {{ y = MatMul(x, w) }}"
    assert PackProducts()(decided(model(text, w=weights(*shape)), block_size=size)).modified == packed


def test_a_few_matrices_among_other_weights_stay_in_float() -> None:
    text = """g (float[N, 512] x) => (y, z) {
        y = MatMul(x, w)
        z = MatMul(x, v)
    }"""
    source = decided(model(text, w=weights(512, 512), v=weights(512, 400)), block_size=128)
    assert not PackProducts(share=0.6)(source).modified
    assert PackProducts(share=0.5)(source).modified
    assert [node.op_type for node in source.graph] == ["MatMulNBits", "MatMul"]


def test_the_runtime_keeps_the_node() -> None:
    source = decided(model(ADDED, w=weights(64, 24), b=weights(24)))
    PackProducts(always=True)(source)
    assert optimized_ops(source) == {"MatMulNBits": 1}
