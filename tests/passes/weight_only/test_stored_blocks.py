"""Weights in blocks in every form they are written in: what ONNX Runtime computes is what the codes stand for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import assert_same, optimized_ops, run
from support.rewrites import leaves_alone

from edgec.passes.base import Pass
from edgec.passes.weight_only.blocks import BlockForm
from edgec.passes.weight_only.decide_storage import DecideStorage
from edgec.passes.weight_only.dequantize_blocks import DequantizeBlocks
from edgec.passes.weight_only.expand_blocks import ExpandBlocks
from edgec.passes.weight_only.gather_blocks import GatherBlocks
from edgec.passes.weight_only.pack_products import PackProducts
from edgec.passes.weight_only.round_blocks import RoundBlocks
from edgec.passes.weight_only.storage import (
    Storage,
    as_matrix,
    blocks_of,
    from_matrix,
    storage_of,
    stored_values,
)

# Every operator with weights, one in a body; K of 100, 36, 20, 8, 24: few blocks divide them.
NET = """g (float[N, 4, 6, 6] x, int64[N] i, float[3, N, 20] s, bool c) => (m, t, e, o, y) {
    m = Conv <pads = [1, 1, 1, 1]> (x, conv)
    t = ConvTranspose (x, up)
    e = Gather (table, i)
    g = MatMul (e, right)
    h = Gemm <transB = 1> (g, down)
    o, l = LSTM <hidden_size = 8> (s, wx, wh)
    y = If (c) < then_branch = a () => (p) { p = MatMul (h, inner) }, else_branch = b () => (q) { q = Neg (h) } >
}"""
SHAPES = {
    "conv": (8, 4, 3, 3), "up": (4, 6, 3, 3), "table": (30, 100), "right": (100, 24), "down": (24, 24),
    "wx": (1, 32, 20), "wh": (1, 32, 8), "inner": (24, 24),
}  # fmt: skip
SUMMED = {
    "conv": (1, 2, 3), "table": (1,), "right": (0,), "down": (1,), "wx": (2,), "wh": (2,), "inner": (0,),
}  # fmt: skip


def net(**options: object) -> ir.Model:
    source = model(NET, opset=21, **{name: weights(*shape) for name, shape in SHAPES.items()})
    DecideStorage(**{"minimum": 1, **options})(source)
    RoundBlocks()(source)
    return source


def rounded(source: ir.Model) -> ir.Model:
    """The same with float weights that are what the codes stand for."""
    made = source.clone()
    for weight, storage in stored_values(source):
        real = from_matrix(blocks_of(weight).real, weight.const_value.shape.numpy(), storage.summed)
        made.graph.initializers[weight.name].const_value = ir.Tensor(real, name=weight.name)
    return made


def test_what_is_decided() -> None:
    source = model(NET, opset=21, **{name: weights(*shape) for name, shape in SHAPES.items()})
    node = next(node for node in source.graph if node.op_type == "ConvTranspose")
    assert DecideStorage(bits=3, block_size=32, minimum=1)(source).modified
    form = BlockForm(bits=3, size=32)
    assert {value.name: storage for value, storage in stored_values(source)} == {
        name: Storage(form=form, summed=axes) for name, axes in SUMMED.items()
    }
    assert node.meta["edgec.skipped"] == "sums its weights 'up' along axes that lie apart, which make no blocks"
    assert not DecideStorage(bits=8, minimum=1)(source).modified


@pytest.mark.parametrize("symmetric", [True, False], ids=["symmetric", "zero points"])
@pytest.mark.parametrize("size", [0, 16, 20, 32, 128])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_expanded_weights_are_what_the_codes_stand_for(bits: int, size: int, symmetric: bool) -> None:
    source = net(bits=bits, block_size=size, symmetric=symmetric)
    wanted, feeds = rounded(source), feeds_of(source) | {"c": np.array(True)}
    assert ExpandBlocks()(source).modified
    assert not set(SUMMED) & set(source.graph.initializers)
    assert not ExpandBlocks()(source).modified
    assert_same(run(wanted, feeds), run(source, feeds), tolerance=1e-6)
    assert_same(run(wanted, feeds), run(source, feeds, optimize=True), tolerance=1e-5)


def test_the_runtime_folds_them_at_load() -> None:
    source = net(bits=2, block_size=16, symmetric=False)
    ExpandBlocks()(source)
    assert not {"Mod", "BitShift", "Slice", "Sub", "Mul"} & set(optimized_ops(source))


@pytest.mark.parametrize("symmetric", [True, False], ids=["symmetric", "zero points"])
@pytest.mark.parametrize(("bits", "size"), [(8, 0), (8, 20), (4, 0), (4, 20), (3, 20), (2, 24)])
def test_the_standard_form_is_what_the_codes_stand_for(bits: int, size: int, symmetric: bool) -> None:
    source = net(bits=bits, block_size=size, symmetric=symmetric)
    wanted, feeds = rounded(source), feeds_of(source) | {"c": np.array(True)}
    assert DequantizeBlocks()(source).modified
    assert not DequantizeBlocks()(source).modified
    left = set(SUMMED) & set(source.graph.initializers)
    # Blocks that do not divide a row, and blocks of more axes than one.
    assert left == _left(size)
    ExpandBlocks()(source)
    assert_same(run(wanted, feeds), run(source, feeds), tolerance=1e-6)


def _left(size: int) -> set[str]:
    """The weights of `NET` whose blocks no DequantizeLinear has: with rows of several, not a matrix or ragged."""
    columns = {"conv": 36, "table": 100, "right": 100, "down": 24, "wx": 20, "wh": 8, "inner": 24}
    single = {name for name, k in columns.items() if size == 0 or k <= size}
    matrix = {name for name, k in columns.items() if name not in ("conv", "wx", "wh") and size and k % size == 0}
    rows_last = {"wx", "wh"}  # (1, 32, K): the rows are not the first axis
    return set(columns) - (single - rows_last) - matrix


def test_zero_points_and_scales_lie_as_the_weight_does() -> None:
    source = model("g (float[N, 40] x) => (float[N, 3] y) { y = MatMul(x, w) }", opset=21, w=weights(40, 3))
    DecideStorage(block_size=20, symmetric=False, minimum=1)(source)
    RoundBlocks()(source)
    DequantizeBlocks()(source)
    assert graph_text(source) == (
        "w_DequantizeLinear_Output = DequantizeLinear<axis=0, block_size=20>(w_quantized, w_scale, w_zero_point)\n"
        "y = MatMul(x, w_DequantizeLinear_Output)"
    )
    shapes = {name: (str(v.dtype), tuple(v.shape.numpy())) for name, v in source.graph.initializers.items()}
    assert shapes == {
        "w_quantized": ("UINT4", (40, 3)), "w_scale": ("FLOAT", (2, 3)), "w_zero_point": ("UINT4", (2, 3)),
    }  # fmt: skip


@pytest.mark.parametrize("symmetric", [True, False], ids=["symmetric", "zero points"])
@pytest.mark.parametrize("size", [0, 16, 32, 128])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_tables_are_read_row_by_row(bits: int, size: int, symmetric: bool) -> None:
    source = net(bits=bits, block_size=size, symmetric=symmetric)
    wanted, feeds = rounded(source), feeds_of(source) | {"i": np.array([3, -1]), "c": np.array(False)}
    assert GatherBlocks(minimum=1)(source).modified
    assert "table" not in source.graph.initializers
    assert not GatherBlocks(minimum=1)(source).modified
    assert_same({"e": run(wanted, feeds)["e"]}, {"e": run(source, feeds)["e"]}, tolerance=0)


TIED = """g (int64[N] i) => (float[N, 40] y) {
    e = Gather (table, i)
    y = Gemm <transB = 1> (e, table)
}"""


@pytest.mark.parametrize(("columns", "nodes"), [(64, ["Reshape", "GatherBlockQuantized", "MatMulNBits"]),
                                               (60, ["GatherBlockQuantized", "MatMulNBits"])])  # fmt: skip
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_a_table_that_is_the_head_too_is_stored_once(bits: int, columns: int, nodes: list[str]) -> None:
    source = model(TIED, opset=21, table=weights(40, columns))
    DecideStorage(bits=bits, block_size=32, minimum=1)(source)
    RoundBlocks()(source)
    wanted, feeds = rounded(source), feeds_of(source)
    assert PackProducts(always=True, accuracy_level=0)(source).modified
    assert GatherBlocks(minimum=1)(source).modified
    assert [node.op_type for node in source.graph] == nodes
    assert_same(run(wanted, feeds), run(source, feeds), tolerance=1e-5)
    if columns == 64:
        assert sum(name.startswith("table_quantized") for name in source.graph.initializers) == 1


def test_other_readers_of_a_table_keep_it_from_the_kernel() -> None:
    text = "g (int64[N] i) => (float[N, 20] y, float[40, 20] z) { y = Gather(t, i) z = Relu(t) }"
    source = model(text, opset=21, t=weights(40, 20))
    DecideStorage(minimum=1)(source)
    RoundBlocks()(source)
    leaves_alone(GatherBlocks(minimum=1), source)
    source = model(
        text.replace("Gather(t, i)", "Gather<axis = 1>(t, i)").replace("[N, 20] y", "[40, N] y"), t=weights(40, 20)
    )
    DecideStorage(minimum=1)(source)
    RoundBlocks()(source)
    leaves_alone(GatherBlocks(minimum=1), source)


@pytest.mark.parametrize(
    "each", [PackProducts(always=True), GatherBlocks(minimum=1), ExpandBlocks(), DequantizeBlocks()]
)
def test_nothing_is_written_of_weights_that_are_not_decided(each: Pass) -> None:
    leaves_alone(each, model(NET, opset=21, **{name: weights(*shape) for name, shape in SHAPES.items()}))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple), st.integers(0, 3), st.integers(0, 3))
def test_a_matrix_comes_back(shape: tuple[int, ...], one: int, other: int) -> None:
    first, last = sorted((one % len(shape), other % len(shape)))
    summed = tuple(range(first, last + 1))
    array = np.arange(np.prod(shape)).reshape(shape)
    matrix = as_matrix(array, summed)
    assert matrix.shape[1] == np.prod([shape[k] for k in summed])
    np.testing.assert_array_equal(from_matrix(matrix, shape, summed), array)
    # A row holds the elements that differ in the summed axes alone.
    others = [k for k in range(len(shape)) if k not in summed]
    rows = np.moveaxis(array, others, range(len(others))).reshape(len(matrix), -1)
    np.testing.assert_array_equal(matrix, rows)


def test_blocks_can_be_asked_to_divide_rows() -> None:
    source = model("g (float[N, 48] x, float[N, 50] u) => (y, z) { y = MatMul(x, w) z = MatMul(u, v) }",
                   w=weights(48, 4), v=weights(50, 4))  # fmt: skip
    node = source.graph[1]
    each = DecideStorage(block_size=128, whole=True, minimum=1)
    assert each(source).modified
    assert storage_of(source.graph.initializers["w"]).form == BlockForm(bits=4, size=16)
    assert storage_of(source.graph.initializers["v"]) is None
    assert node.meta["edgec.skipped"] == "sums 50 products, which make no blocks of 16 or more, a power of two"
    leaves_alone(replace(each, exclude_ops=("MatMul",)), model("g (float[N, 48] x) => (y) { y = MatMul(x, w) }",
                 w=weights(48, 4)), y="is excluded by operator type")  # fmt: skip
