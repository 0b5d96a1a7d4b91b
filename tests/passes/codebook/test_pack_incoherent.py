from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model, weights
from support.numerics import optimized_ops, run

from edgec.passes.codebook.notes import incoherent_of
from edgec.passes.codebook.pack_incoherent import PackIncoherent
from edgec.passes.codebook.round_incoherent import RoundIncoherent
from edgec.passes.edit import remarks_on
from edgec.passes.observe.statistics import Gram, set_observation
from edgec.passes.weight_only.decide_storage import DecideStorage
from edgec.passes.weight_only.storage import storage_of

MATMUL = "g (float[N, T, {0}] x) => (float[N, T, 96] y) {{ y = MatMul(x, w) }}"
GEMM = "g (float[N, {0}] x) => (float[N, 96] y) {{ y = Gemm <transB = 1> (x, w, b) }}"
X = np.random.default_rng(0)


def rounded(source: ir.Model, **options: object) -> np.ndarray:
    """Decide and round under random inputs; what the weight stands for, (N, K)."""
    DecideStorage(bits=2, block_size=0)(source)
    each = RoundIncoherent(**options)
    x = source.graph.inputs[0]
    (need,) = each.needs(source)
    assert need.value == "x"
    seen = np.random.default_rng(1).standard_normal((64, x.shape[-1]))
    set_observation(x, need.statistic, Gram(matrix=(seen.T @ seen)[None], rows=64))
    assert each(source).modified
    assert not each.needs(source)
    found = incoherent_of(source.graph.initializers["w"])
    assert found is not None
    return found.real


@pytest.mark.parametrize("kind", ["e8", "midrise"])
@pytest.mark.parametrize("outputs", [False, True])
@pytest.mark.parametrize("columns", [256, 200])
@pytest.mark.parametrize("text", [MATMUL, GEMM], ids=["MatMul", "Gemm"])
def test_it_multiplies_by_what_was_rounded(kind: str, outputs: bool, columns: int, text: str) -> None:
    shape = (columns, 96) if text == MATMUL else (96, columns)
    constants = {"w": weights(*shape)} | ({"b": weights(96)} if text == GEMM else {})
    source = model(text.format(columns), opset=21, **constants)
    W = rounded(source, kind=kind, outputs=outputs)
    assert PackIncoherent()(source).modified
    assert not PackIncoherent()(source).modified
    x = X.standard_normal((2, 5, columns) if text == MATMUL else (7, columns)).astype(np.float32)
    expected = x @ W.T + constants.get("b", np.float32(0))
    # Nothing folded: the kernels multiply floats. Folded: activations are rounded to int8 in blocks.
    for optimize in (True, False):
        got = run(source, {"x": x}, optimize=optimize)["y"]
        assert np.abs(got - expected).max() < 0.08 * expected.std()
        assert np.sqrt(np.square(got - expected).mean()) < 0.02 * expected.std()
    left = {"MatMulNBits", "MatMul", "Reshape", "ReduceSum", "Mul", "Add"}
    assert set(optimized_ops(source)) == left, "something of what is folded runs"


@pytest.mark.parametrize("kind", ["e8", "midrise"])
def test_two_bits_a_weight_and_a_scale_a_row(kind: str) -> None:
    source = model(MATMUL.format(512), opset=21, w=weights(512, 96))
    rounded(source, kind=kind)
    PackIncoherent()(source)
    stored = source.graph.initializers
    assert stored["w_quantized"].const_value.nbytes * 8 == 2 * 512 * 96
    assert stored["w_row_scale"].const_value.nbytes == 96 * 4
    # And what all matrices of a model share: two factors, patterns and signs.
    rest = sum(v.const_value.nbytes for name, v in stored.items() if not name.startswith("w_"))
    assert rest < 11_000


def test_what_reads_alike_is_changed_once() -> None:
    text = """g (float[N, 64] x) => (float[N, 32] y, float[N, 48] z) {
        y = MatMul(x, w)
        z = MatMul(x, v)
    }"""
    source = model(text, opset=21, w=weights(64, 32), v=weights(64, 48))
    rounded(source)
    PackIncoherent()(source)
    ops = optimized_ops(source)
    assert (ops["MatMulNBits"], ops["ReduceSum"], ops["MatMul"]) == (2, 1, 2)
    # The points are made once.
    assert [name for name in source.graph.initializers if name.startswith("e8_patterns")] == ["e8_patterns"]
    assert set(run(source, {"x": X.standard_normal((3, 64)).astype(np.float32)}, optimize=True)) == {"y", "z"}


def test_nothing_made_for_it_is_taken_for_a_weight() -> None:
    # Factors of 32 x 32, as large as a weight has to be.
    source = model(MATMUL.format(1024).replace("96", "8"), opset=21, w=weights(1024, 8))
    rounded(source)
    PackIncoherent()(source)
    assert source.graph.initializers["spread_32"].const_value.size == 1024
    assert not DecideStorage()(source).modified


@pytest.mark.parametrize(
    ("text", "shape", "kind", "why"),
    [
        (MATMUL.format(36), (36, 96), "e8", "sums 36 products, which points of 8 numbers do not divide"),
        (
            GEMM.format(64).replace("(x, w, b)", "(x, w)").replace("transB = 1", "alpha = 0.5"),
            (64, 96),
            "e8",
            "is scaled or transposed",
        ),
        (
            "g (float[64] x) => (float[96] y) { y = MatMul(x, w) }",
            (64, 96),
            "midrise",
            "multiplies a value of one axis or of unknown rank",
        ),
        (
            "g (float[N, 64] x) => (float[N, 96] y, float[64, 96] z) { y = MatMul(x, w) z = Relu(w) }",
            (64, 96),
            "e8",
            "shares its weight with 'z', which multiplies nothing with it",
        ),
    ],
)
def test_what_is_handed_back_says_why(text: str, shape: tuple[int, ...], kind: str, why: str) -> None:
    source = model(text, opset=21, w=weights(*shape))
    DecideStorage(bits=2, block_size=0)(source)
    each = RoundIncoherent(kind=kind)
    assert each.needs(source) == ()
    assert each(source).modified
    assert storage_of(source.graph.initializers["w"]) is None
    assert remarks_on(source.graph[0]) == (f"{why}: its weight is stored in another form",)
    assert not each(source).modified
    assert not PackIncoherent()(source).modified


def test_too_many_columns_are_not_observed() -> None:
    source = model(MATMUL.format(64), opset=21, w=weights(64, 96))
    DecideStorage(bits=2, block_size=0)(source)
    each = RoundIncoherent(max_columns=32)
    assert each.needs(source) == ()
    each(source)
    assert remarks_on(source.graph[0]) == ("multiplies 64 columns, more than 32: its weight is stored in another form",)


def test_codebooks_have_names() -> None:
    with pytest.raises(ValueError, match=r"^kind: 'e9' is not one of e8, midrise$"):
        RoundIncoherent(kind="e9")
