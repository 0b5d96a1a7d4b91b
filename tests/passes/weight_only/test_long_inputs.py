"""Two forms of one product: few rows as MatMulNBits, many in int8, rows rounded one by one."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import model
from support.numerics import run

from edgec.passes.edit import remarks_on
from edgec.passes.weight_only.blocks import BlockForm, Blocks
from edgec.passes.weight_only.long_inputs import LongInputs, rows_in_int8
from edgec.passes.weight_only.nbits import DOMAIN, add_operands, matmul_nbits

K, N = 96, 24


def blocks(rng: np.random.Generator, bits: int = 4, *, columns: int = K, symmetric: bool = True) -> Blocks:
    form = BlockForm(bits=bits, size=32, symmetric=symmetric)
    shape = (N, form.blocks_of(columns))
    return Blocks(
        form=form,
        codes=rng.integers(0, 1 << bits, (N, columns), dtype=np.uint8),
        scale=rng.uniform(0.01, 0.1, shape).astype(np.float32),
        zero=None if symmetric else rng.integers(0, 1 << bits, shape, dtype=np.uint8),
    )


def product(stored: Blocks, *, bias: np.ndarray | None = None, leading: str = "B, T") -> ir.Model:
    """-x Wᵀ + b as MatMulNBits."""
    columns = stored.codes.shape[1]
    text = f"g (float[{leading}, {columns}] x) => (float[{leading}, {N}] y) {{ h = Neg(x) y = MatMul(h, w) }}"
    made = model(text, opset=21, w=stored.real.T)
    graph, old = made.graph, made.graph[1]
    added = None
    if bias is not None:
        tensor = ir.tensor(bias)
        added = ir.Value(name="b", shape=ir.Shape(bias.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
        graph.register_initializer(added)
    (h, _), (y,) = old.inputs, old.outputs
    assert h is not None
    node = matmul_nbits(h, add_operands(graph, "w", stored, {"w"}), bias=added, name="product", accuracy_level=0)
    node.outputs[0].name, node.outputs[0].type, node.outputs[0].shape = "y", y.type, y.shape
    ir.convenience.replace_nodes_and_values(graph, old, [old], [node], [y], node.outputs)
    del graph.initializers["w"]
    graph.opset_imports[DOMAIN] = 1
    return made


def in_int8(x: np.ndarray, stored: Blocks, bias: np.ndarray | None) -> np.ndarray:
    """The formula of the docstring, row after row and output after output; sums in double precision."""
    w = stored.real
    y = np.zeros((len(x), N))
    for n in range(N):
        s_w = np.abs(w[n]).max() / np.float32(127) or np.float32(1)
        w8 = np.rint(w[n] / s_w).astype(np.float64)
        for t in range(len(x)):
            s_x = np.abs(x[t]).max() / 127 or 1.0
            y[t, n] = s_x * s_w * (np.rint(x[t] / s_x) @ w8)
    return y if bias is None else y + bias


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 4, 8]), st.booleans(), st.sampled_from([K, 80]), st.booleans())
def test_many_rows_are_multiplied_in_int8_and_few_as_they_were(
    seed: int, bits: int, symmetric: bool, columns: int, biased: bool
) -> None:
    rng = np.random.default_rng(seed)
    stored = blocks(rng, bits, columns=columns, symmetric=symmetric)
    bias = rng.standard_normal(N).astype(np.float32) if biased else None
    before = product(stored, bias=bias)
    after = before.clone()
    assert LongInputs()(after).modified
    x = rng.standard_normal((2, 8, columns)).astype(np.float32) * rng.uniform(0.1, 10, (2, 8, 1)).astype(np.float32)
    (few,), (were,) = (run(each, {"x": x[:1]}).values() for each in (after, before))
    np.testing.assert_array_equal(few, were)
    (many,) = run(after, {"x": x}).values()
    expected = in_int8(-x.reshape(16, columns), stored, bias)
    # A tie may be rounded the other way in single precision: one step of one element.
    step = np.abs(x).max() / 127 * np.abs(stored.real).max()
    np.testing.assert_allclose(many.reshape(16, N), expected, atol=2 * step, rtol=1e-4)
    exact = -x.reshape(16, columns) @ stored.real.T + (0 if bias is None else bias)
    assert np.linalg.norm(many.reshape(16, N) - exact) < 0.02 * np.linalg.norm(exact)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_seven_bits_where_two_products_are_added_in_sixteen(seed: int) -> None:
    """Kernels without VNNI saturate there: none of the largest inputs may reach it."""
    stored = blocks(np.random.default_rng(seed))
    whole = product(stored)
    codes, scales = rows_in_int8(whole.graph[1], 63)
    narrow = whole.clone()

    assert LongInputs(rows=1, reduce_range=True)(narrow).modified

    held = narrow.graph.initializers["w_int8"].const_value
    assert held is not None
    assert np.array_equal(held.numpy(), codes)
    assert 2 * 255 * int(np.abs(codes.astype(np.int16)).max()) < 2**15
    assert np.allclose(codes.T * scales[:, None], stored.real, atol=float(scales.max()) / 2 * 1.001)


def test_rows_of_zeros_stay_zeros() -> None:
    after = product(blocks(np.random.default_rng(0)))
    LongInputs()(after)
    (y,) = run(after, {"x": np.zeros((1, 20, K), np.float32)}).values()
    np.testing.assert_array_equal(y, 0)


def test_products_of_inputs_alike_ask_once_and_share_what_is_stored() -> None:
    after = product(blocks(np.random.default_rng(0)))
    graph = after.graph
    first = next(node for node in graph if node.op_type == "MatMulNBits")
    attributes = list(first.attributes.values())
    again = ir.Node(DOMAIN, "MatMulNBits", list(first.inputs), attributes, name="again")
    again.outputs[0].name, again.outputs[0].type = "q", first.outputs[0].type
    again.outputs[0].shape = first.outputs[0].shape
    graph.insert_after(first, again)
    graph.outputs.append(again.outputs[0])
    LongInputs()(after)
    ops = [node.op_type for node in graph]
    assert ops.count("If") == 2
    assert ops.count("GreaterOrEqual") == 1
    assert [name for name in graph.initializers if "int8" in name] == ["w_int8", "w_int8_scale"]
    assert not LongInputs()(after).modified


def test_the_limit_is_an_option() -> None:
    before = product(blocks(np.random.default_rng(3)))
    after = before.clone()
    LongInputs(rows=64)(after)
    x = {"x": np.random.default_rng(0).standard_normal((1, 63, K)).astype(np.float32)}
    np.testing.assert_array_equal(run(after, x)["y"], run(before, x)["y"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("rows", "multiplies so many rows always"),
        ("order", "multiplies columns in another order (g_idx)"),
        ("shape", "multiplies an input of unknown shape, or not of float32"),
        ("codes", "its codes are expanded when the model opens: long inputs are multiplied as short ones"),
        ("opset", "is of operator set 17, and int8 products of long inputs take 18"),
    ],
)
def test_products_left_as_they_are(change: str, reason: str) -> None:
    after = product(blocks(np.random.default_rng(0)), leading="2, 3" if change == "rows" else "B, T")
    graph = after.graph
    node = next(node for node in graph if node.op_type == "MatMulNBits")
    if change == "order":
        order = ir.tensor(np.zeros(K, np.int32))
        value = ir.Value(name="o", type=ir.TensorType(order.dtype), shape=ir.Shape([K]), const_value=order)
        graph.register_initializer(value)
        node.resize_inputs(5)
        node.replace_input_with(4, value)
    elif change == "shape":
        assert node.inputs[0] is not None
        node.inputs[0].shape = None
    elif change == "codes":
        moved = ir.node("Identity", [node.inputs[1]])
        moved.outputs[0].name = "moved"
        graph.insert_before(node, moved)
        node.replace_input_with(1, moved.outputs[0])
    elif change == "opset":
        graph.opset_imports[""] = 17
    assert not LongInputs()(after).modified
    assert remarks_on(node) == (reason,)
