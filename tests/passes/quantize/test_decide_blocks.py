from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, model, weights
from support.recipes import measure_on

from edgec.compiler.pipeline import run_passes
from edgec.passes.quantize.block_codes import code_scales
from edgec.passes.quantize.code_scales import CodeScales
from edgec.passes.quantize.compute_params import ComputeParams
from edgec.passes.quantize.decide import DecideQuantization
from edgec.passes.quantize.decide_blocks import DecideBlocks
from edgec.passes.quantize.decision import clipped_of, decision_of
from edgec.passes.spec import PerAxis, PerBlock
from edgec.targets.qnn.rules import htp_rules, rules_of


def decided(source: ir.Model, *, activations: int = 16, bits: int = 4, size: int = 32) -> ir.Model:
    rules = rules_of(htp_rules(), activations=activations, weights=bits)
    passes = (DecideQuantization(rules=rules), DecideBlocks(size=size), ComputeParams(), CodeScales())
    run_passes(source, passes, measure=measure_on([feeds_of(source)]), observers=())
    return source


def granularities(source: ir.Model) -> dict[str, object]:
    return {
        str(node.name): decision.weight[1].granularity
        for node in source.graph
        if (decision := decision_of(node)) is not None and decision.weight is not None
    }


def product(inputs: int, columns: int) -> ir.Model:
    text = f"g (float[4,{inputs}] x) => (float[4,{columns}] y) {{ y = MatMul(x, w) }}"
    return model(text, opset=21, w=weights(inputs, columns))


@pytest.mark.parametrize("activations", [8, 16])
def test_a_matmul_has_blocks_and_coded_scales(activations: int) -> None:
    source = decided(product(64, 6), activations=activations)
    assert granularities(source) == {"y": PerBlock(axis=0, size=32)}
    params = clipped_of(source.graph[0])
    assert params is not None
    np.testing.assert_array_equal(params.scale, code_scales(weights(64, 6), 32, 7))
    assert (params.zero_point.shape, params.zero_point.dtype.name) == ((2, 6), "int4")
    assert not params.zero_point.any()
    for each in (DecideBlocks(size=32), CodeScales()):
        assert not each(source).modified


def test_readers_of_one_weight_share_its_params() -> None:
    text = "g (float[4,32] x) => (float[4,32] z) { y = MatMul(x, w) z = MatMul(y, w) }"
    source = decided(model(text, opset=21, w=weights(32, 32)))
    first, second = (clipped_of(node) for node in source.graph)
    assert first is not None
    assert first is second


@pytest.mark.parametrize(
    ("inputs", "columns", "options"),
    [
        (48, 6, {}),
        (64, 1, {}),
        (64, 6, {"size": 128}),
        (64, 6, {"bits": 8}),
    ],
    ids=["no whole blocks", "one column", "smaller than a block", "8-bit weights"],
)
def test_a_scale_per_column_stays(inputs: int, columns: int, options: dict[str, int]) -> None:
    source = decided(product(inputs, columns), **options)
    assert granularities(source) == {"y": PerAxis(axis=1)}
    assert clipped_of(source.graph[0]) is None


def test_other_operators_keep_theirs() -> None:
    text = "g (float[1,32,2,2] x) => (float[1,4] y) { c = Conv(x, k) f = Flatten(c) y = Gemm(f, w) }"
    source = decided(model(text, opset=21, k=weights(8, 32, 1, 1), w=weights(32, 4)))
    assert granularities(source) == {"c": PerAxis(axis=0), "y": PerAxis(axis=1)}
