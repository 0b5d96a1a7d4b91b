from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import feeds_of, model, weights
from support.numerics import run
from support.rewrites import leaves_alone

from edgec.passes.weight_only.pack_products import PackProducts, nibbles

MATMUL = "g (float[N, T, 64] x) => (float[N, T, 24] y) { y = MatMul(x, w) }"
GEMM = "g (float[N, 64] x) => (float[N, 24] y) { y = Gemm(x, w, b) }"
TURNED = "g (float[N, 64] x) => (float[N, 24] y) { y = Gemm <transB = 1> (x, w, b) }"


def expanded(graph: ir.Graph) -> np.ndarray:
    """The matrix (K, N) that MatMulNBits is documented to multiply by, written anew: element by element."""
    codes = graph.initializers["w_quantized"].const_value.numpy()
    scales = graph.initializers["w_scale"].const_value.numpy()
    columns, blocks, half = codes.shape
    w = np.empty((blocks * half * 2, columns), np.float32)
    for n in range(columns):
        for k in range(len(w)):
            block, within = divmod(k, half * 2)
            byte = int(codes[n, block, within // 2])
            code = byte >> 4 if within % 2 else byte & 15
            w[k, n] = (code - 8) * scales[n * blocks + block]
    return w


@pytest.mark.parametrize(
    ("text", "shape", "ops"),
    [
        (MATMUL, (64, 24), ["MatMulNBits"]),
        (GEMM, (64, 24), ["MatMulNBits", "Add"]),
        (TURNED, (24, 64), ["MatMulNBits", "Add"]),
        (GEMM.replace(", b)", ")"), (64, 24), ["MatMulNBits"]),
    ],
    ids=["MatMul", "Gemm", "Gemm, transposed", "Gemm without bias"],
)
@pytest.mark.parametrize("block", [16, 32, 64])
def test_it_multiplies_by_what_is_stored(text: str, shape: tuple[int, ...], ops: list[str], block: int) -> None:
    w, b = weights(*shape), weights(24)
    source = model(text, w=w, b=b) if "b)" in text else model(text, w=w)
    after = source.clone()
    result = PackProducts(block_size=block)(after)
    assert result.modified
    assert [node.op_type for node in after.graph] == ops
    assert not PackProducts(block_size=block)(after).modified
    node = after.graph[0]
    assert {name: attribute.value for name, attribute in node.attributes.items()} == {
        "K": 64, "N": 24, "bits": 4, "block_size": block,
    }  # fmt: skip
    assert after.graph.opset_imports["com.microsoft"] == 1
    assert "w" not in after.graph.initializers
    # 4 bits: no further from the weights than half a step of a block whose extreme is one of 8 codes.
    near = expanded(after.graph)
    true = w.T if shape[0] == 24 else w
    blocks = np.abs(true).reshape(-1, block, 24).max(axis=1).repeat(block, axis=0)
    assert (np.abs(near - true) <= blocks / 6 + 1e-6).all()
    assert np.square(near - true).mean() < np.square(true).mean() / 100
    feeds = feeds_of(source)
    x = feeds["x"]
    expected = x @ near + (b if "b)" in text else 0)
    # The CPU provider rounds to its own accuracy level: float here.
    np.testing.assert_allclose(run(after, feeds)["y"], expected, atol=1e-4)


@given(st.integers(1, 3), st.sampled_from([16, 32]), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_nibbles_come_back(blocks: int, size: int, columns: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(-8, 8, (blocks, size, columns)).astype(np.int8)
    packed = nibbles(codes)
    assert (packed.dtype, packed.shape) == (np.uint8, (columns, blocks, size // 2))
    low, high = (packed & 15).astype(int) - 8, (packed >> 4).astype(int) - 8
    np.testing.assert_array_equal(
        np.stack([low, high], axis=-1).reshape(columns, blocks, size), codes.transpose(2, 0, 1)
    )


def test_tied_matrices_are_stored_once() -> None:
    text = """g (float[N, 32] x) => (float[N, 32] z) {
        y = MatMul(x, w)
        z = MatMul(y, w)
    }"""
    after = model(text, w=weights(32, 32))
    assert PackProducts()(after).modified
    assert [node.op_type for node in after.graph] == ["MatMulNBits", "MatMulNBits"]
    assert sorted(after.graph.initializers) == ["w_quantized", "w_scale"]


@pytest.mark.parametrize(
    ("text", "shape", "why"),
    [
        (
            MATMUL.replace("64]", "72]"),
            (72, 24),
            "sums 72 products, which make no blocks of 16 or more, a power of two",
        ),
        (
            GEMM.replace("(x, w, b)", " <alpha = 0.5> (x, w)"),
            (64, 24),
            "is scaled or transposed, which the kernel has no form for",
        ),
    ],
)
def test_what_has_another_form_stays_and_says_so(text: str, shape: tuple[int, ...], why: str) -> None:
    leaves_alone(PackProducts(), model(text, w=weights(*shape)), y=why)


def test_what_others_read_stays_and_says_so() -> None:
    text = """g (float[N, 64] x) => (float[N, 24] y, float[64, 24] z) {
        y = MatMul(x, w)
        z = Relu(w)
    }"""
    leaves_alone(PackProducts(), model(text, w=weights(64, 24)), y="its weights 'w' are read in another way, too")


def test_small_public_and_replaceable_ones_stay() -> None:
    leaves_alone(PackProducts(minimum=64 * 24 + 1), model(MATMUL, w=weights(64, 24)))
    text = "g (float[N, 64] x, float[64, 24] w) => (float[N, 24] y) { y = MatMul(x, w) }"
    leaves_alone(PackProducts(), model(text, w=weights(64, 24)))
    text = "g (float[N, 64] x) => (float[N, 24] y, float[64, 24] w) { y = MatMul(x, w) }"
    leaves_alone(PackProducts(), model(text, w=weights(64, 24)))


def test_what_is_excluded_stays_and_says_so() -> None:
    leaves_alone(
        PackProducts(exclude_ops=("MatMul",)), model(MATMUL, w=weights(64, 24)), y="is excluded by operator type"
    )
    source = model(MATMUL, w=weights(64, 24))
    source.graph[0].name = "product"
    why = "was measured to be better off in float, weights included"
    leaves_alone(PackProducts(float_nodes=("product",)), source, product=why)
