"""Matrices in blocks as `MatMulNBits` reads them: what is stored, and what ONNX Runtime multiplies by."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import model, weights
from support.numerics import run

from edgec.passes.weight_only.blocks import BlockForm, Blocks
from edgec.passes.weight_only.nbits import DOMAIN, add_operands, for_kernel, kernel_form, matmul_nbits
from edgec.passes.weight_only.nearest import nearest


def random_blocks(form: BlockForm, rows: int, columns: int, seed: int = 0) -> Blocks:
    rng = np.random.default_rng(seed)
    shape = (rows, form.blocks_of(columns))
    return Blocks(
        form=form,
        codes=rng.integers(0, form.largest + 1, (rows, columns), np.uint8),
        scale=rng.normal(0, 0.1, shape).astype(np.float32),
        zero=None if form.symmetric else rng.integers(0, form.largest + 1, shape, np.uint8),
    )


def documented(operands: object, columns: int) -> np.ndarray:
    """The matrix (N, K) that MatMulNBits is documented to multiply by, element by element."""
    bits, size = operands.blocks.form.bits, operands.blocks.form.size
    codes, scale = (each.const_value.numpy() for each in (operands.codes, operands.scales))
    zeros = None if operands.zeros is None else operands.zeros.const_value.numpy()
    w = np.empty((len(codes), columns), np.float32)
    for n in range(len(codes)):
        for k in range(columns):
            block, within = divmod(k, size)
            code = int(codes[n, block, within * bits // 8]) >> (within * bits % 8) & ((1 << bits) - 1)
            zero = 1 << bits - 1
            if zeros is not None:
                zero = int(zeros[n, block * bits // 8]) >> (block * bits % 8) & ((1 << bits) - 1)
            w[n, k] = (code - zero) * scale[n, block]
    return w


@pytest.mark.parametrize("symmetric", [True, False], ids=["symmetric", "zero points"])
@pytest.mark.parametrize("size", [0, 16, 32, 48, 64, 128, 256, 512])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_it_multiplies_by_what_blocks_stand_for(bits: int, size: int, symmetric: bool) -> None:
    """Ragged K, every form: the bytes by the documentation, the answer by ONNX Runtime in float."""
    blocks = random_blocks(BlockForm(bits=bits, size=size, symmetric=symmetric), 5, 300)
    graph = ir.Graph([], [], nodes=[], opset_imports={"": 21, DOMAIN: 1}, name="g")
    x = ir.Value(name="x", shape=ir.Shape([3, 300]), type=ir.TensorType(ir.DataType.FLOAT))
    bias = ir.Value(name="b", shape=ir.Shape([5]), type=x.type, const_value=ir.Tensor(weights(5), name="b"))
    graph.inputs.append(x)
    graph.register_initializer(bias)
    operands = add_operands(graph, "w", blocks, {"x", "b"})
    node = matmul_nbits(x, operands, bias=bias, name="product", accuracy_level=0)
    graph.append(node)
    node.outputs[0].name = "y"
    graph.outputs.append(node.outputs[0])
    np.testing.assert_array_equal(documented(operands, 300), blocks.real)
    feeds = {"x": weights(3, 300, seed=1)}
    answer = run(ir.Model(graph, ir_version=10), feeds)["y"]
    np.testing.assert_allclose(answer, feeds["x"] @ blocks.real.T + weights(5), atol=2e-4)


@given(
    st.sampled_from([2, 3, 4, 8]),
    st.sampled_from([0, 16, 32, 48, 64, 96, 128, 256, 512, 1024]),
    st.booleans(),
    st.integers(1, 700),
    st.integers(0, 2**32 - 1),
)
def test_widening_is_exact_and_ends_on_a_fast_kernel(
    bits: int, size: int, symmetric: bool, columns: int, seed: int
) -> None:
    blocks = random_blocks(BlockForm(bits=bits, size=size, symmetric=symmetric), 3, columns, seed)
    wide = for_kernel(blocks)
    np.testing.assert_array_equal(wide.real, blocks.real)
    assert wide.form.size in ({32, 64, 128} if wide.form.bits == 2 else {16, 32, 64, 128, 256})
    assert wide.form.bits in (2, 4, 8)
    assert wide.scale.shape == (3, wide.form.blocks_of(columns))
    assert for_kernel(wide) is wide


@pytest.mark.parametrize(
    ("asked", "columns", "bits", "size"),
    [
        (BlockForm(bits=2, size=16), 100, 4, 16),
        (BlockForm(bits=2, size=256), 1024, 2, 128),
        (BlockForm(bits=3, size=32), 1024, 4, 32),
        (BlockForm(bits=4, size=512), 1024, 4, 256),
        (BlockForm(bits=8, size=0), 1024, 8, 128),
        (BlockForm(bits=8, size=0), 100, 8, 128),
        (BlockForm(bits=4, size=0), 20, 4, 32),
        (BlockForm(bits=4, size=96), 90, 4, 128),
    ],
)
def test_what_is_slow_is_widened(asked: BlockForm, columns: int, bits: int, size: int) -> None:
    assert kernel_form(asked, columns) == BlockForm(bits=bits, size=size)


def test_blocks_that_no_kernel_block_divides_have_no_kernel() -> None:
    blocks = nearest(weights(4, 100), BlockForm(bits=4, size=20))
    assert kernel_form(blocks.form, 100) is None
    with pytest.raises(ValueError, match=r"^no fast kernel multiplies blocks of 20$"):
        for_kernel(blocks)


def test_the_node_says_the_shape_it_writes() -> None:
    graph = model("g (float[N, T, 64] x) => (float[N, T, 64] y) { y = Relu(x) }").graph
    operands = add_operands(graph, "w", random_blocks(BlockForm(bits=4, size=32), 7, 64), {"x", "y", "w_scale"})
    node = matmul_nbits(graph.inputs[0], operands)
    assert str(node.outputs[0].shape) == "[N,T,7]"
    assert operands.scales.name == "w_scale_1"
    assert node.attributes.get_int("accuracy_level", 0) == 4
