from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from support.graphs import feeds_of, model, weights
from support.numerics import run
from support.recipes import compiled, measure_on

from edgec.compiler.pipeline import run_passes
from edgec.passes.edit import why_skipped
from edgec.passes.observe.statistics import Need
from edgec.passes.quantize.compute_params import ComputeParams
from edgec.passes.quantize.decide import DecideQuantization
from edgec.passes.quantize.insert_qdq import InsertQdq
from edgec.passes.round.correct_bias_in_turn import CorrectBiasInTurn
from edgec.passes.round.own_biases import OwnBiases, float_mean
from edgec.targets.cpu.rules import cpu_rules

TEXT = """g (float[N,4,6,6] x) => (float[N,8] y) {
    a = Conv<pads = [1, 1, 1, 1]>(x, v, c)
    r = Relu(a)
    p = GlobalAveragePool(r)
    f = Flatten(p)
    y = Gemm(f, w)
}"""
CONSTANTS = {"v": weights(8, 4, 3, 3), "c": weights(8), "w": weights(8, 8)}


def samples_of(source: ir.Model) -> list[dict[str, np.ndarray]]:
    return [{"x": feeds_of(source, seed=seed)["x"] + np.float32(1)} for seed in range(4)]


def quantize(source: ir.Model, *last: CorrectBiasInTurn) -> list[list[str]]:
    """Run the passes as the driver does; the values it measured, measurement by measurement."""
    measured = []

    def measure(model: ir.Model, needs: Sequence[Need]) -> None:
        measured.append([need.value for need in needs])
        measure_on(samples_of(source))(model, needs)

    decide = DecideQuantization(rules=cpu_rules(reduce_range=True))
    reports = run_passes(source, (decide, ComputeParams(), OwnBiases(), InsertQdq(), *last), measure=measure)
    assert [report.modified for report in reports] == [True] * len(reports)
    return measured


def outputs(source: ir.Model) -> np.ndarray:
    return np.concatenate([run(source, feeds)["y"] for feeds in samples_of(model(TEXT, **CONSTANTS))]).astype(
        np.float64
    )


def test_layer_after_layer_the_mean_becomes_that_of_the_float_model() -> None:
    source = model(TEXT, **CONSTANTS)
    measured = quantize(source, CorrectBiasInTurn())
    assert measured[1:] == [["a", "y"], ["a"], ["y"]]
    plain = model(TEXT, **CONSTANTS)
    quantize(plain)
    exact = outputs(model(TEXT, **CONSTANTS)).mean(axis=0)
    lost, left = (np.abs(outputs(each).mean(axis=0) - exact).max() for each in (plain, source))
    step = source.graph.initializers["y_bias_scale"].const_value.numpy().max()
    assert left <= max(step, 0.1 * lost)


def test_only_the_stored_bias_changes_and_it_stays_int32() -> None:
    source, plain = model(TEXT, **CONSTANTS), model(TEXT, **CONSTANTS)
    quantize(source, CorrectBiasInTurn())
    quantize(plain)
    ours, theirs = ({k: v.const_value.numpy() for k, v in each.graph.initializers.items()} for each in (source, plain))
    changed = [name for name in ours if not np.array_equal(ours[name], theirs[name])]
    assert changed == ["c_corrected_quantized", "y_bias_quantized"]
    assert all(ours[name].dtype == np.int32 for name in changed)


def test_nothing_is_measured_again_when_all_is_corrected() -> None:
    source = model(TEXT, **CONSTANTS)
    quantize(source, CorrectBiasInTurn())
    assert not CorrectBiasInTurn().needs(source)
    assert not CorrectBiasInTurn()(source).modified


def test_without_the_float_means_it_does_nothing() -> None:
    source = model(TEXT, **CONSTANTS)
    assert not CorrectBiasInTurn().needs(source)
    assert not CorrectBiasInTurn()(source).modified


def test_a_matmul_is_left_alone_with_the_reason() -> None:
    source = model("g (float[N,3,8] x) => (float[N,3,4] y) { y = MatMul(x, w) }", w=weights(8, 4))
    DecideQuantization(rules=cpu_rules(reduce_range=True))(source)
    assert not OwnBiases().needs(source)
    assert not OwnBiases()(source).modified
    (node,) = source.graph
    assert float_mean(node) is None
    assert why_skipped(node) == "is a MatMul, which has no bias that could be corrected"


def test_through_the_whole_recipe() -> None:
    source = model(TEXT, **CONSTANTS)
    samples = samples_of(source)
    plain, ours = (compiled(source, "a8w8", samples, bias_correction=each) for each in ("off", "sequential"))
    exact = outputs(source).mean(axis=0)
    lost, left = (np.abs(outputs(each).mean(axis=0) - exact).mean() for each in (plain, ours))
    assert left < lost
