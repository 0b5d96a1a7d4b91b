from __future__ import annotations

import numpy as np
import pytest
from support.graphs import model, weights
from support.numerics import optimized_ops, run

from edgec.passes.codebook.notes import levelled_of
from edgec.passes.codebook.pack_bnb4 import PackBnb4
from edgec.passes.codebook.round_levels import RoundLevels
from edgec.passes.edit import why_skipped
from edgec.passes.weight_only.decide_storage import DecideStorage

MATMUL = "g (float[N, T, {0}] x) => (float[N, T, 48] y) {{ y = MatMul(x, w) }}"
GEMM = "g (float[N, {0}] x) => (float[N, 48] y) {{ y = Gemm <transB = 1> (x, w, b) }}"


@pytest.mark.parametrize("text", [MATMUL, GEMM], ids=["MatMul", "Gemm"])
def test_levels_are_exact(text: str) -> None:
    gemm = text == GEMM
    constants = {"w": weights(*((48, 128) if gemm else (128, 48)))} | ({"b": weights(48)} if gemm else {})
    source = model(text.format(128), opset=21, **constants)
    DecideStorage(bits=4, block_size=64)(source)
    RoundLevels()(source)
    levelled = levelled_of(source.graph.initializers["w"])
    assert levelled is not None
    assert PackBnb4()(source).modified
    assert not PackBnb4()(source).modified
    assert optimized_ops(source) == ({"MatMulBnb4": 1, "Add": 1} if gemm else {"MatMulBnb4": 1})
    x = np.random.default_rng(0).standard_normal((3, 128) if gemm else (2, 3, 128)).astype(np.float32)
    expected = x @ levelled.real.T + constants.get("b", np.float32(0))
    np.testing.assert_allclose(run(source, {"x": x}, optimize=True)["y"], expected, atol=1e-4)
    assert source.graph.initializers["w_quantized"].const_value.nbytes == 48 * 128 / 2


@pytest.mark.parametrize(
    ("columns", "levels", "why"),
    [
        (96, "nf4", "sums 96 products, which blocks of 64 do not divide"),
        (128, "fp4", "has levels that bitsandbytes has not"),
    ],
)
def test_what_has_another_form_stays_and_says_so(columns: int, levels: str, why: str) -> None:
    source = model(MATMUL.format(columns), opset=21, w=weights(columns, 48))
    DecideStorage(bits=4, block_size=64)(source)
    RoundLevels(levels=levels)(source)
    assert not PackBnb4()(source).modified
    assert why_skipped(source.graph[0]) == why
