from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, model, weights
from support.numerics import assert_within, optimized, optimized_ops, run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.weight_only.compact_weights import CompactWeights

CONSTANTS = {
    "Conv": ("y = Conv(x, w)", "N,4,6,6", (8, 4, 3, 3), (8, 1, 1, 1)),
    "Gemm": ("y = Gemm(x, w)", "N,16", (16, 16), (1, 16)),
    "Gemm transposed": ("y = Gemm<transB=1>(x, w)", "N,16", (16, 16), (16, 1)),
    "MatMul": ("y = MatMul(x, w)", "N,3,16", (16, 16), (1, 16)),
    "MatMul of a batch": ("y = MatMul(x, w)", "2,3,16", (2, 16, 8), (2, 1, 8)),
    "ConvTranspose": ("y = ConvTranspose(x, w)", "N,4,6,6", (4, 8, 3, 3), (1, 8, 1, 1)),
    "Conv 1d": ("y = Conv(x, w)", "N,8,9", (16, 8, 3), (16, 1, 1)),
}


def source(node: str, image: str, shape: tuple[int, ...]) -> ir.Model:
    rank = {"N,16": 2}.get(image, image.count(",") + 1)
    output = ",".join("ABCD"[:rank])
    w = weights(*shape) * np.linspace(0.05, 4, shape[-1], dtype=np.float32)
    return model(f"g (float[{image}] x) => (float[{output}] y) {{ {node} }}", w=w)


@pytest.mark.parametrize("name", CONSTANTS)
def test_weights_are_int8_times_a_scale_per_output_channel(name: str) -> None:
    node, image, shape, scale = CONSTANTS[name]
    before = source(node, image, shape)
    w = before.graph.initializers["w"].const_value.numpy()
    printed = node.replace("w)", "w_expanded)")
    after = rewrites(
        CompactWeights(),
        source(node, image, shape),
        f"""
        w_codes = Cast<to=1>(w_quantized)
        w_expanded = Mul(w_codes, w_scale)
        {printed}
        """,
        tolerance=None,
    )
    codes, steps = (after.graph.initializers[f"w_{part}"].const_value.numpy() for part in ("quantized", "scale"))
    assert (codes.dtype, codes.shape, steps.dtype, steps.shape) == (np.int8, shape, np.float32, scale)
    assert np.abs(codes * steps - w).max(where=True, initial=0) <= 0.5 * steps.max() * 1.001
    assert np.all(np.abs(codes * steps - w) <= 0.5 * steps * 1.001)
    feeds = feeds_of(before)
    expected = run(before, feeds)["y"]
    assert_within(expected, run(after, feeds)["y"], 0.02 * np.abs(expected).max())


def test_nothing_of_it_is_left_at_run_time() -> None:
    """ONNX Runtime folds the Cast and the Mul when it loads the model: the float kernel runs as before."""
    after = source("y = Gemm(x, w)", "N,16", (16, 16))
    CompactWeights()(after)
    assert dict(optimized_ops(after)) == {"Gemm": 1}


def test_one_scale_for_all() -> None:
    after = source("y = Gemm(x, w)", "N,16", (16, 16))
    CompactWeights(per_channel=False)(after)
    assert after.graph.initializers["w_scale"].const_value.numpy().shape == ()


def test_one_weight_of_two_readers_is_stored_once_along_the_first_reader_s_axis() -> None:
    after = rewrites(
        CompactWeights(),
        model("g (float[N,16] x) => (float[N,16] y) { a = Gemm<transB=1>(x, w) \n y = Gemm(a, w) }", w=weights(16, 16)),
        """
        w_codes = Cast<to=1>(w_quantized)
        w_expanded = Mul(w_codes, w_scale)
        a = Gemm<transB=1>(x, w_expanded)
        y = Gemm(a, w_expanded)
        """,
        tolerance=None,
    )
    assert after.graph.initializers["w_scale"].const_value.numpy().shape == (16, 1)


def test_weights_of_bodies_and_of_recurrent_nets() -> None:
    after = rewrites(
        CompactWeights(),
        model(
            """g (float[T,2,8] x, bool c) => (float[2,2,16] z) {
                y, h = GRU<hidden_size=16, direction="bidirectional">(x, w, r)
                z = If(c) <
                    then_branch = t () => (float[2,2,16] u) { u = MatMul(h, k) },
                    else_branch = e () => (float[2,2,16] v) { v = Neg(h) }
                >
            }""",
            w=weights(2, 48, 8),
            r=weights(2, 48, 16),
            k=weights(16, 16),
        ),
        """
        k_codes = Cast<to=1>(k_quantized)
        k_expanded = Mul(k_codes, k_scale)
        r_codes = Cast<to=1>(r_quantized)
        r_expanded = Mul(r_codes, r_scale)
        w_codes = Cast<to=1>(w_quantized)
        w_expanded = Mul(w_codes, w_scale)
        y, h = GRU<direction=bidirectional, hidden_size=16>(x, w_expanded, r_expanded)
        z = If<else_branch={v = Neg}, then_branch={u = MatMul}>(c)
        """,
        tolerance=None,
    )
    assert [after.graph.initializers[f"{name}_scale"].const_value.numpy().shape for name in "wrk"] == [
        (2, 48, 1),
        (2, 48, 1),
        (1, 16),
    ]


def every_op(graph: onnx.GraphProto) -> set[str]:
    """Operators of a graph and its bodies."""
    bodies = [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]
    return {node.op_type for node in graph.node}.union(*(every_op(body) for body in bodies))


def in_a_body(nodes: str) -> ir.Model:
    """An If that reads a weight of its own, twice nested."""
    made = model(
        f"""g (float[N,16] x, bool c) => (float[N,16] y) {{
            y = If(c) <
                then_branch = t () => (float[N,16] u) {{
                    u = If(c) <
                        then_branch = tt () => (float[N,16] uu) {{ {nodes} }},
                        else_branch = ee () => (float[N,16] vv) {{ vv = Neg(x) }}
                    >
                }},
                else_branch = e () => (float[N,16] v) {{ v = Abs(x) }}
            >
        }}"""
    )
    w = weights(16, 16)
    inner = made.graph[0].attributes["then_branch"].as_graph()[0].attributes["then_branch"].as_graph()
    value = ir.Value(name="w", shape=ir.Shape(w.shape), type=ir.TensorType(ir.DataType.FLOAT), const_value=ir.tensor(w))
    inner.register_initializer(value)
    inner[0].replace_input_with(0 if inner[0].op_type == "Transpose" else 1, value)
    return made


@pytest.mark.parametrize(
    ("nodes", "axis"), [("uu = MatMul(x, x)", 1), ("m = Transpose<perm=[1,0]>(x)\nuu = MatMul(x, m)", 0)]
)
def test_a_weight_that_a_body_holds_is_stored_in_the_body(nodes: str, axis: int) -> None:
    """Also behind nodes that only move it; then each of its rows has a scale."""
    source = in_a_body(nodes)
    feeds = {"x": weights(3, 16, seed=1), "c": np.array(True)}
    expected = run(source, feeds)["y"]
    assert CompactWeights(minimum=1).call(source).modified
    body = source.graph[0].attributes["then_branch"].as_graph()[0].attributes["then_branch"].as_graph()
    assert [node.op_type for node in body][:2] == ["Cast", "Mul"]
    assert list(body.initializers) == ["w_quantized", "w_scale"]
    assert body.initializers["w_scale"].const_value.numpy().shape[axis] == 16
    assert not source.graph.initializers
    assert_within(expected, run(source, feeds)["y"], 0.02 * np.abs(expected).max())
    assert not CompactWeights(minimum=1)(source).modified
    kernels = every_op(optimized(source).graph)
    assert {"If", "MatMul"} <= kernels
    assert not kernels & {"Cast", "Mul", "Transpose"}


def test_an_embedding_has_a_scale_per_row() -> None:
    after = model("g (int64[N] i) => (float[N,8] y) { y = Gather(w, i) }", w=weights(40, 8))
    assert CompactWeights()(after).modified
    assert after.graph.initializers["w_scale"].const_value.numpy().shape == (40, 1)


@pytest.mark.parametrize(
    "text",
    [
        "g (float[N,16] x, float[16,16] w) => (float[N,16] y) { y = Gemm(x, w) }",
        "g (float[N,16] x) => (float[N,16] y, float[16,16] w) { y = Gemm(x, w) }",
        "g (float[N,16] x) => (float[N,16] y) { y = Add(x, w) }",
    ],
    ids=["may be replaced", "public", "no weight"],
)
def test_it_stays(text: str) -> None:
    shape = (16,) if "Add" in text else (16, 16)
    leaves_alone(CompactWeights(), model(text, w=weights(*shape)))


def test_small_and_half_weights_stay() -> None:
    # 1024 bytes become 256 of codes and 64 of scales, behind 138 of nodes and names.
    leaves_alone(CompactWeights(minimum=567), source("y = Gemm(x, w)", "N,16", (16, 16)))
    assert CompactWeights(minimum=566)(source("y = Gemm(x, w)", "N,16", (16, 16))).modified
    text = "g (float16[N,16] x) => (float16[N,16] y) { y = Gemm(x, w) }"
    leaves_alone(CompactWeights(), model(text, w=weights(16, 16).astype(np.float16)))


def test_a_weight_that_an_excluded_node_reads_too_stays() -> None:
    text = "g (float[N,16] x) => (float[N,16] y) { a = Gemm(x, w) \n y = Gemm(a, w) }"
    leaves_alone(CompactWeights(exclude_nodes=("^a$",)), model(text, w=weights(16, 16)), a="is excluded by name")


def test_what_the_user_excludes_stays_and_says_so() -> None:
    def gemm() -> ir.Model:
        return source("y = Gemm(x, w)", "N,16", (16, 16))

    leaves_alone(CompactWeights(exclude_ops=("Gemm",)), gemm(), y="is excluded by operator type")
    leaves_alone(CompactWeights(exclude_nodes=("^y$",)), gemm(), y="is excluded by name")
    leaves_alone(CompactWeights(only_ops=("Conv",)), gemm(), y="is not among the operator types to quantize")


BLOCKS = {
    "Gemm": ("y = Gemm(x, w)", "N,64", (64, 16), (1, 2, 32, 16)),
    "Gemm transposed": ("y = Gemm<transB=1>(x, w)", "N,64", (16, 64), (16, 2, 32, 1)),
    "MatMul": ("y = MatMul(x, w)", "N,3,48", (48, 16), (1, 2, 24, 16)),
    "Conv": ("y = Conv(x, w)", "N,8,6,6", (16, 8, 3, 3), (16, 3, 24, 1)),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_4_bits_have_a_scale_per_block_of_what_is_summed(name: str) -> None:
    node, image, shape, blocks = BLOCKS[name]
    before = source(node, image, shape)
    before.graph.opset_imports[""] = 21
    w = before.graph.initializers["w"].const_value.numpy()
    after = rewrites(
        CompactWeights(dtype="int4"),
        before.clone(),
        f"""
        w_codes = Cast<to=1>(w_quantized)
        w_blocks = Mul(w_codes, w_scale)
        w_expanded = Reshape(w_blocks, w_expanded_shape)
        {node.replace("w)", "w_expanded)")}
        """,
        tolerance=None,
    )
    codes, scale = (after.graph.initializers[f"w_{part}"].const_value for part in ("quantized", "scale"))
    assert codes.dtype == ir.DataType.INT4
    assert (tuple(codes.shape), scale.numpy().shape) == (blocks, (*blocks[:2], 1, blocks[3]))
    real = codes.numpy().astype(np.float32) * scale.numpy()
    # Half a step at the most, up to what clipping the extreme buys elsewhere.
    assert np.abs(real.reshape(w.shape) - w).max() <= np.abs(scale.numpy()).max() * 2
    feeds = feeds_of(before)
    assert_within(run(before, feeds)["y"], run(after, feeds)["y"], 0.25 * np.abs(run(before, feeds)["y"]).max())
    assert set(optimized_ops(after)) <= {"Gemm", "MatMul", "Conv", "ReorderInput", "ReorderOutput"}


def test_4_bits_without_a_block_are_8() -> None:
    """A transposed convolution sums what does not lie together; a depthwise one sums 9."""
    for node, image, shape in (
        ("y = ConvTranspose(x, w)", "N,32,6,6", (32, 8, 3, 3)),
        ("y = Conv<group=64>(x, w)", "N,64,6,6", (64, 1, 3, 3)),
    ):
        after = source(node, image, shape)
        after.graph.opset_imports[""] = 21
        assert CompactWeights(dtype="int4")(after).modified
        assert after.graph.initializers["w_quantized"].dtype == ir.DataType.INT8


@pytest.mark.parametrize(("rows", "kernel"), [("N", "MatMulNBits"), ("8", "MatMulNBits"), ("64", "MatMul")])
def test_large_matrices_of_few_rows_run_on_4_bits(rows: str, kernel: str) -> None:
    after = source("y = MatMul(x, w)", f"{rows},512", (512, 512))
    after.graph.opset_imports[""] = 21
    before = after.clone()
    assert CompactWeights(dtype="int4")(after).modified
    assert dict(optimized_ops(after)) == {kernel: 1}
    feeds = feeds_of(before)
    expected = run(before, feeds)["y"]
    lost = np.sqrt(np.mean((run(after, feeds, optimize=True)["y"] - expected) ** 2))
    assert lost <= 0.15 * np.sqrt(np.mean(expected**2))
