from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, model, weights
from support.numerics import assert_within, optimized_ops, run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.weight_only.compact_weights import CompactWeights

CONSTANTS = {
    "Conv": ("y = Conv(x, w)", "N,4,6,6", (8, 4, 3, 3), (8, 1, 1, 1)),
    "Gemm": ("y = Gemm(x, w)", "N,16", (16, 16), (1, 16)),
    "Gemm transposed": ("y = Gemm<transB=1>(x, w)", "N,16", (16, 16), (16, 1)),
    "MatMul": ("y = MatMul(x, w)", "N,3,16", (16, 16), (1, 16)),
    "MatMul of a batch": ("y = MatMul(x, w)", "2,3,16", (2, 16, 8), (1, 1, 8)),
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
        CompactWeights(minimum=16),
        model(
            """g (float[T,2,3] x, bool c) => (float[1,2,4] z) {
                y, h = GRU<hidden_size=4>(x, w, r)
                z = If(c) <
                    then_branch = t () => (float[1,2,4] u) { u = MatMul(h, k) },
                    else_branch = e () => (float[1,2,4] v) { v = Neg(h) }
                >
            }""",
            w=weights(1, 12, 3),
            r=weights(1, 12, 4),
            k=weights(4, 4),
        ),
        """
        k_codes = Cast<to=1>(k_quantized)
        k_expanded = Mul(k_codes, k_scale)
        r_codes = Cast<to=1>(r_quantized)
        r_expanded = Mul(r_codes, r_scale)
        w_codes = Cast<to=1>(w_quantized)
        w_expanded = Mul(w_codes, w_scale)
        y, h = GRU<hidden_size=4>(x, w_expanded, r_expanded)
        z = If<else_branch={v = Neg}, then_branch={u = MatMul}>(c)
        """,
        tolerance=None,
    )
    assert [after.graph.initializers[f"{name}_scale"].const_value.numpy().shape for name in "wrk"] == [
        (1, 12, 1),
        (1, 12, 1),
        (1, 4),
    ]


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
    leaves_alone(CompactWeights(minimum=257), source("y = Gemm(x, w)", "N,16", (16, 16)))
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
