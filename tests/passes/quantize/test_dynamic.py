from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, model, weights
from support.numerics import assert_within, optimized_ops, run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.quantize.dynamic import DynamicQuantization

CONSTANT = "its weight is not a constant float32 matrix"
SCALED = "scales or transposes its product"
RESHAPED = "what is added to it changes its shape, and ONNX Runtime would take that for a bias"


def test_a_matmul() -> None:
    rewrites(
        DynamicQuantization(),
        model("g (float[N,3,8] x) => (float[N,3,6] y) { y = MatMul(x, w) }", w=weights(8, 6)),
        """
        x_quantized, x_scale, x_zero_point = DynamicQuantizeLinear(x)
        y_quant_output = MatMulInteger(x_quantized, w_quantized, x_zero_point, w_zero_point)
        y_cast_output = Cast<to=1>(y_quant_output)
        y_scales_output = Mul(x_scale, w_scale)
        y = Mul(y_cast_output, y_scales_output)
        """,
        tolerance=0.02,
    )


@pytest.mark.parametrize("trans", [0, 1])
def test_a_gemm_with_a_bias(trans: int) -> None:
    after = rewrites(
        DynamicQuantization(),
        model(
            f"g (float[N,8] x) => (float[N,6] y) {{ y = Gemm<transB={trans}>(x, w, b) }}",
            w=weights(6, 8) if trans else weights(8, 6),
            b=weights(6),
        ),
        """
        x_quantized, x_scale, x_zero_point = DynamicQuantizeLinear(x)
        y_quant_output = MatMulInteger(x_quantized, w_quantized, x_zero_point, w_zero_point)
        y_cast_output = Cast<to=1>(y_quant_output)
        y_scales_output = Mul(x_scale, w_scale)
        y_scaled_output = Mul(y_cast_output, y_scales_output)
        y = Add(y_scaled_output, b)
        """,
        tolerance=0.02,
    )
    assert after.graph.initializers["w_quantized"].const_value.numpy().shape == (8, 6)
    assert after.graph.initializers["w_scale"].const_value.numpy().shape == (6,)
    assert dict(optimized_ops(after)) == {"DynamicQuantizeMatMul": 1}


def test_one_input_and_one_weight_are_quantized_once() -> None:
    after = model(
        """g (float[N,8] x) => (float[N,8] y, float[N,8] z, float[N,8] k) {
            y = MatMul(x, w)
            z = Gemm<transB=1>(x, w)
            k = MatMul(x, w)
        }""",
        w=weights(8, 8),
    )
    DynamicQuantization()(after)
    assert sum(node.op_type == "DynamicQuantizeLinear" for node in after.graph) == 1
    assert [name for name in after.graph.initializers if name.startswith("w_quantized")] == [
        "w_quantized",
        "w_quantized_1",
    ]


def test_ranges_are_those_of_each_run() -> None:
    source = model("g (float[N,8] x) => (float[N,6] y) { y = MatMul(x, w) }", w=weights(8, 6))
    after = source.clone()
    DynamicQuantization()(after)
    for size in (1e-3, 1.0, 1e3):
        feeds = {name: array * np.float32(size) for name, array in feeds_of(source).items()}
        expected = run(source, feeds)["y"]
        assert_within(expected, run(after, feeds)["y"], 0.02 * np.abs(expected).max())


def test_one_scale_for_all_columns() -> None:
    after = model("g (float[N,8] x) => (float[N,6] y) { y = MatMul(x, w) }", w=weights(8, 6))
    DynamicQuantization(per_channel=False)(after)
    assert after.graph.initializers["w_scale"].const_value.numpy().shape == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("g (float[3,8] x, float[8,8] w) => (float[3,8] y) { y = MatMul(x, w) }", CONSTANT),
        ("g (float[2,3,8] x) => (float[2,3,8] y) { y = MatMul(x, batch) }", CONSTANT),
        ("g (float[3,8] x) => (float[3] y) { y = MatMul(x, vector) }", CONSTANT),
        ("g (double[3,8] x) => (double[3,8] y) { y = MatMul(x, double) }", CONSTANT),
        ("g (float[8,3] x) => (float[8,3] y) { y = MatMul(w, x) }", CONSTANT),
        ("g (float[8,8] x) => (float[8,8] y) { y = Gemm<transA=1>(x, w) }", SCALED),
        ("g (float[3,8] x) => (float[3,8] y) { y = Gemm<alpha=2.0>(x, w) }", SCALED),
        ("g (float[3,8] x) => (float[3,8] y) { y = Gemm<beta=2.0>(x, w, vector) }", SCALED),
    ],
)
def test_it_stays(text: str, reason: str) -> None:
    constants = {
        "w": weights(8, 8),
        "batch": weights(2, 8, 8),
        "vector": weights(8),
        "double": weights(8, 8).astype(np.float64),
    }
    used = {name: array for name, array in constants.items() if f"{name}" in text.split("{")[1].replace("double[", "")}
    leaves_alone(DynamicQuantization(), model(text, **used), y=reason)


@pytest.mark.parametrize(("columns", "added"), [(1, (3,)), (1, (1, 3)), (6, (1, 1, 6)), (6, (2, 1, 6))])
def test_a_product_that_is_broadcast_stays(columns: int, added: tuple[int, ...]) -> None:
    """Defects of DynamicQuantizeMatMul's bias: a wrong shape, or a failure when it runs."""
    leaves_alone(DynamicQuantization(), broadcast(columns, added), a=RESHAPED)


@pytest.mark.parametrize(
    ("columns", "added"), [(6, (6,)), (6, (1, 6)), (6, (1,)), (6, ()), (6, (3, 1)), (1, (3, 1)), (1, (1,))]
)
def test_a_product_that_keeps_its_shape_does_not(columns: int, added: tuple[int, ...]) -> None:
    source = broadcast(columns, added)
    feeds = feeds_of(source)
    expected = run(source, feeds)["y"]
    assert DynamicQuantization()(source).modified
    found = run(source, feeds, optimize=True)["y"]
    assert found.shape == expected.shape
    assert_within(expected, found, 0.02 * np.abs(expected).max())


def broadcast(columns: int, added: tuple[int, ...]) -> ir.Model:
    shape = np.broadcast_shapes((3, columns), added)
    output = ",".join(map(str, shape))
    return model(
        f"g (float[3,8] x) => (float[{output}] y) {{ a = MatMul(x, w) \n y = Add(a, k) }}",
        w=weights(8, columns),
        k=np.asarray(weights(*added)) if added else np.array(0.5, np.float32),
    )


def test_what_the_user_excludes_stays_and_says_so() -> None:
    def matmul() -> ir.Model:
        return model("g (float[N,8] x) => (float[N,6] y) { y = MatMul(x, w) }", w=weights(8, 6))

    leaves_alone(DynamicQuantization(exclude_ops=("MatMul",)), matmul(), y="is excluded by operator type")
    leaves_alone(DynamicQuantization(exclude_nodes=("y",)), matmul(), y="is excluded by name")
    leaves_alone(DynamicQuantization(only_ops=("Gemm",)), matmul(), y="is not among the operator types to quantize")


def test_seven_bits() -> None:
    """For all, or for the nodes named: two readers of one weight then store it twice."""
    text = "g (float[N,8] x) => (float[N,8] y, float[N,8] z) { y = MatMul(x, w)\nz = MatMul(x, w) }"

    def largest(**options: object) -> list[int]:
        source = model(text, w=weights(8, 8))
        DynamicQuantization(**options)(source)
        return sorted(
            int(np.abs(value.const_value.numpy().astype(int)).max())
            for value in source.graph.initializers.values()
            if value.dtype == ir.DataType.INT8 and len(value.shape) == 2
        )

    assert largest() == [127]
    assert largest(reduce_range=True) == [63]
    assert largest(reduce_range_nodes=("^z$",)) == [63, 127]
