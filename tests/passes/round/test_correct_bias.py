from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, model, weights
from support.numerics import run
from support.recipes import compiled, measure_on

from edgec.passes.edit import why_skipped
from edgec.passes.quantize.compute_params import ComputeParams
from edgec.passes.quantize.decide import DecideQuantization
from edgec.passes.quantize.decision import decision_of
from edgec.passes.quantize.params import dequantize, of_tensor, quantize
from edgec.passes.round.bias import shift
from edgec.passes.round.correct_bias import CorrectBias
from edgec.passes.spec import PerAxis, QuantSpec
from edgec.targets.cpu.rules import cpu_rules


def samples_of(source: ir.Model, count: int = 3) -> list[dict[str, np.ndarray]]:
    """Feeds with a mean."""
    feeds = [feeds_of(source, seed=seed) for seed in range(count)]
    return [{name: x + np.float32(2) for name, x in each.items()} for each in feeds]


def corrected(text: str, **constants: np.ndarray) -> ir.Model:
    source = model(text, **constants)
    measure = measure_on(samples_of(source))
    DecideQuantization(rules=cpu_rules(reduce_range=False))(source)
    measure(source, ComputeParams().needs(source))
    ComputeParams()(source)
    before = {node.outputs[0].name: node.inputs[2:] for node in source.graph}
    if needs := CorrectBias().needs(source):
        measure(source, needs)
    assert CorrectBias()(source).modified == any(
        node.inputs[2:] != before[node.outputs[0].name] for node in source.graph
    )
    assert not CorrectBias()(source).modified
    assert not CorrectBias().needs(source)
    return source


def node(source: ir.Model, output: str) -> ir.Node:
    return next(each for each in source.graph if each.outputs[0].name == output)


def bias(source: ir.Model, output: str) -> np.ndarray:
    return node(source, output).inputs[2].const_value.numpy()


def rounded(w: np.ndarray, axis: int) -> np.ndarray:
    params = of_tensor(QuantSpec(dtype="int8", granularity=PerAxis(axis=axis), symmetric=True), w)
    return dequantize(quantize(w, params), params)


def test_the_shift_of_a_grouped_convolution_by_hand() -> None:
    """Two groups of one row, two channels of two taps each."""
    errors = np.array([[[1.0, 2.0, 10.0, 20.0]], [[3.0, 4.0, 30.0, 40.0]]])
    assert np.array_equal(shift(errors, np.array([1.0, 0.5, -1.0, 0.1])), [3 + 15.0, -7 + 7.0])


@pytest.mark.parametrize(
    ("call", "shape", "weight", "axis"),
    [
        ("Gemm(x, w, b)", "N,24", (24, 8), 1),
        ("Gemm<transB = 1>(x, w, b)", "N,24", (8, 24), 0),
        ("Conv(x, w, b)", "N,8,5,5", (8, 8, 1, 1), 0),
        ("Conv<group = 2>(x, w, b)", "N,8,5", (16, 4, 1), 0),
        ("Conv<kernel_shape = [5, 5]>(x, w, b)", "N,4,5,5", (8, 4, 5, 5), 0),
    ],
)
def test_the_mean_of_the_output_is_that_of_the_float_model(
    call: str, shape: str, weight: tuple[int, ...], axis: int
) -> None:
    """Exact where every element of a channel meets the same weights, or the mean is the same everywhere."""
    text = f"g (float[{shape}] x) => (y) {{ y = {call} }}"
    w, b = weights(*weight), weights(weight[axis])
    source = corrected(text, w=w, b=b)
    feeds = samples_of(source)
    if weight[2:] == (5, 5):
        feeds = [
            {"x": np.broadcast_to(each["x"].mean(axis=(0, 2, 3), keepdims=True), each["x"].shape)} for each in feeds
        ]
    means = {}
    for name, (each_w, each_b) in {
        "float": (w, b),
        "plain": (rounded(w, axis), b),
        "ours": (rounded(w, axis), bias(source, "y")),
    }.items():
        outputs = [run(model(text, w=each_w, b=each_b), each)["y"] for each in feeds]
        means[name] = (
            np.stack(outputs).astype(np.float64).mean(axis=tuple(k for k in range(outputs[0].ndim + 1) if k != 2))
        )
    lost, left = (np.abs(means[name] - means["float"]).max() for name in ("plain", "ours"))
    assert left < 1e-3 * lost


def test_a_node_without_a_bias_gets_one_that_is_stored_in_int32() -> None:
    source = model("g (float[N,8] x) => (float[N,8] y) { y = Gemm(x, w) }", w=weights(8, 8))
    made = compiled(source, "a8w8", samples_of(source), bias_correction="fast")
    gemm = next(each for each in made.graph if each.op_type == "Gemm")
    stored = gemm.inputs[2].producer().inputs[0]
    assert stored.name == "y_bias_quantized"
    assert stored.const_value.numpy().dtype == np.int32
    assert np.any(stored.const_value.numpy() != 0)


def test_a_bias_that_others_read_stays_for_them() -> None:
    text = "g (float[N,8] x) => (float[N,8] y, float[N,8] z) { a = Gemm(x, w, b) y = Gemm(a, w, b) z = Tanh(b) }"
    source = corrected(text.replace("float[N,8] z", "float[8] z"), w=weights(8, 8), b=weights(8))
    assert not np.array_equal(bias(source, "a"), bias(source, "y"))
    assert np.array_equal(node(source, "z").inputs[0].const_value.numpy(), weights(8))
    assert [node(source, name).inputs[2].name for name in "ay"] == ["b_corrected", "b_corrected_1"]


def test_one_bias_for_all_columns_becomes_one_each() -> None:
    source = corrected("g (float[N,8] x) => (float[N,4] y) { y = Gemm(x, w, b) }", w=weights(8, 4), b=weights(1))
    assert bias(source, "y").shape == (4,)


def test_a_matmul_has_none() -> None:
    source = corrected("g (float[N,3,8] x) => (float[N,3,4] y) { y = MatMul(x, w) }", w=weights(8, 4))
    assert why_skipped(node(source, "y")) == "is a MatMul, which has no bias that could be corrected"
    assert decision_of(node(source, "y")).bias is None


def test_what_adds_a_constant_is_left_alone_without_a_word() -> None:
    source = corrected("g (float[N,8] x) => (float[N,8] y) { a = Gemm(x, w) b = Add(a, c) y = Gemm(b, w) }",
                       w=weights(8, 8), c=weights(8))  # fmt: skip
    assert why_skipped(node(source, "b")) is None
    assert len(node(source, "b").inputs) == 2
