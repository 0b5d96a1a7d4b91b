from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import graph_text, model, weights
from support.numerics import run
from support.rewrites import leaves_alone

from edgec.passes.edit import why_skipped
from edgec.passes.lower.compute_in_half import WIDE, ComputeInHalf


def test_casts_stand_where_float16_begins_and_ends() -> None:
    graph = model(
        "g (float[N,3,8,8] x) => (float[N,4,6,6] y) { a = Conv(x, w) \n b = Relu(a) \n y = Mul(b, s) }",
        w=weights(4, 3, 3, 3),
        s=np.float32(0.5),
    )
    assert ComputeInHalf()(graph).modified
    assert not ComputeInHalf()(graph).modified
    assert graph_text(graph).splitlines() == [
        "x_half = Cast<to=10>(x)",
        "a_half = Conv(x_half, w_half)",
        "b_half = Relu(a_half)",
        "y_half = Mul(b_half, s_half)",
        "y = Cast<to=1>(y_half)",
    ]
    assert graph.graph.initializers["w_half"].dtype == ir.DataType.FLOAT16


def test_it_computes_what_float16_computes() -> None:
    graph = model("g (float[4,8] x) => (float[4,5] y) { a = MatMul(x, w) \n y = Tanh(a) }", w=weights(8, 5))
    x = np.random.default_rng(0).normal(0, 1, (4, 8)).astype(np.float32)
    w = graph.graph.initializers["w"].const_value.numpy()
    ComputeInHalf()(graph)
    expected = np.tanh((x.astype(np.float16) @ w.astype(np.float16)).astype(np.float32))
    assert np.abs(run(graph, {"x": x})["y"] - expected).max() <= 2**-9


@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 100))
def test_results_are_within_float16s_steps(scale: float, seed: int) -> None:
    """A sum of products of n terms: n + 2 roundings of 2**-11 each, of the sum of magnitudes."""
    rng = np.random.default_rng(seed)
    x, w = rng.normal(0, 1, (3, 6)).astype(np.float32), rng.normal(0, scale, (6, 4)).astype(np.float32)
    graph = model("g (float[3,6] x) => (float[3,4] y) { y = MatMul(x, w) }", w=w)
    ComputeInHalf()(graph)
    found = run(graph, {"x": x})["y"]
    assert np.all(np.abs(found - x @ w) <= 8 * 2**-11 * (np.abs(x) @ np.abs(w)))


def test_squares_and_what_computes_with_them_alone_stay_wide() -> None:
    """The root mean square of a normalization: squares of 300 leave float16, their root does not."""
    graph = model(
        "g (float[2,4] x) => (float[2,4] y) { q = Pow(x, two) \n m = ReduceMean<axes = [-1]>(q) \n r = Sqrt(m) \n"
        " y = Div(x, r) }",
        two=np.float32(2.0),
    )
    x = np.float32([[300, 400, -500, 600], [1, 2, 3, 4]])
    before = run(graph, {"x": x})["y"]
    ComputeInHalf()(graph)
    kept = [node.op_type for node in graph.graph if node.outputs[0].dtype == ir.DataType.FLOAT]
    assert kept == ["Pow", "ReduceMean", "Sqrt", "Cast"]
    assert np.abs(run(graph, {"x": x})["y"] - before).max() <= 2**-9


@pytest.mark.parametrize(
    ("body", "constants", "why"),
    [
        ("y = Add(x, c)", {"c": np.float32(1e5)}, "its constant 'c' reaches 100000, beyond float16"),
        (
            "y = Mul(x, c)",
            {"c": np.float32(1e-6)},
            "its constant 'c' reaches 1e-06 only, where float16 has no precision left",
        ),
        ("y = Exp(x)", {}, "can leave float16's range"),
        ("y = com.microsoft.QuickGelu(x)", {}, "is no ONNX operator"),
    ],
)
def test_it_says_what_it_leaves(body: str, constants: dict[str, np.ndarray], why: str) -> None:
    domains = '"com.microsoft": 1' if "microsoft" in body else ""
    graph = model(
        f"g (float[2,4] x) => (float[2,4] y) {{ a = Relu(x) \n {body.replace('(x', '(a')} }}",
        domains=domains,
        **constants,
    )
    node = graph.graph[-1]
    ComputeInHalf(exclude_ops=("Relu",))(graph)
    assert why_skipped(node) == why


def test_sizes_and_indices_keep_their_types() -> None:
    """Resize takes its scales in float32 whatever it resizes; a Gather's indices are integers."""
    graph = model(
        'g (float[1,2,4,4] x) => (float[1,1,8,8] y) { r = Resize<mode = "nearest">(x, , scales)\n'
        " y = Gather<axis = 1>(r, at) }",
        scales=np.float32([1, 1, 2, 2]),
        at=np.array([1]),
    )
    ComputeInHalf()(graph)
    assert graph_text(graph).splitlines()[1:3] == [
        'r_half = Resize<mode=nearest>(x_half, "", scales)',
        "y_half = Gather<axis=1>(r_half, at)",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "g (int64[2] x) => (int64[2] y) { y = Abs(x) }",
        "g (int64[2] x) => (float[2] y) { y = Cast<to = 1>(x) }",
        "g (float[2] x) => (float[2] y) { q = QuantizeLinear(x, s, z) \n y = DequantizeLinear(q, s, z) }",
        "g (bool c, float[2] x) => (float[2] y) { y = If(c) <then_branch = t () => (float[2] u) { u = Neg(x) },"
        " else_branch = e () => (float[2] v) { v = Abs(x) }> }",
    ],
)  # fmt: skip
def test_what_it_leaves_alone(text: str) -> None:
    constants = {"s": np.float32(0.1), "z": np.int8(0)} if "(x, s, z)" in text else {}
    leaves_alone(ComputeInHalf(), model(text, **constants))


def test_the_user_may_keep_nodes() -> None:
    graph = model("g (float[2] x) => (float[2] y) { a = Relu(x) \n b = Abs(a) \n y = Neg(b) }")
    ComputeInHalf(exclude_nodes=("^b$",), float_nodes=("y",))(graph)
    assert [node.op_type for node in graph.graph] == ["Cast", "Relu", "Cast", "Abs", "Neg"]
    assert why_skipped(graph.graph[-1]) == "was measured to be better off in float"


def test_wide_operators_are_onnxs() -> None:
    import onnx

    assert all(onnx.defs.has(name) for name in WIDE)
