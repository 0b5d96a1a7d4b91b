"""What the file holds in few bits, ONNX Runtime multiplies in its own form: nothing of the chain is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model, weights
from support.numerics import optimized_ops, run

from edgec.passes.base import Pass
from edgec.passes.codebook.notes import levelled_of
from edgec.passes.codebook.round_levels import RoundLevels
from edgec.passes.weight_only.decide_storage import DecideStorage
from edgec.passes.weight_only.expand_blocks import ExpandBlocks
from edgec.passes.weight_only.gather_blocks import GatherBlocks
from edgec.passes.weight_only.pack_products import PackProducts
from edgec.passes.weight_only.round_blocks import RoundBlocks
from edgec.passes.weight_only.storage import blocks_of

PRODUCT = "g (float[N, {0}] x) => (float[N, 96] y) {{ y = MatMul(x, w) }}"
TABLE = "g (int64[N] i) => (float[N, {0}] y) {{ y = Gather(w, i) }}"
FILTER = "g (float[1, 8, 9, 9] x) => (float[1, 24, 7, 7] y) { y = Conv(x, w) }"


@dataclass(frozen=True, kw_only=True)
class Form:
    """A stored form: how it is made, and its bits a weight, codes and scales, tables left out."""

    bits: int
    size: int
    rounding: Pass
    stored: float
    symmetric: bool = True


FORMS = {
    "nf4": Form(bits=4, size=64, rounding=RoundLevels(), stored=4.5),
    "nf4, double": Form(bits=4, size=64, rounding=RoundLevels(double_scales=True), stored=4 + 8 / 64 + 32 / 64 / 256),
    "fp4": Form(bits=4, size=64, rounding=RoundLevels(levels="fp4"), stored=4.5),
    "w3": Form(bits=3, size=128, rounding=RoundBlocks(), stored=3.25),
    "w3, zeros": Form(bits=3, size=128, rounding=RoundBlocks(), stored=3.25 + 4 / 128, symmetric=False),
}
TABLES = ("_levels", "_table", "_starts", "_shape", "_mean", "_from", "_to")


def stored_bits(graph: ir.Graph, elements: int) -> float:
    held = [v.const_value for name, v in graph.initializers.items() if not name.endswith(TABLES)]
    return 8 * sum(tensor.nbytes for tensor in held) / elements


def rounded(source: ir.Model, form: Form) -> np.ndarray:
    DecideStorage(bits=form.bits, block_size=form.size, symmetric=form.symmetric)(source)
    form.rounding(source)
    return blocks_of(source.graph.initializers["w"]).real


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("columns", [512, 200])
def test_products_run_in_the_integer_kernel(form: Form, columns: int) -> None:
    source = model(PRODUCT.format(columns), opset=21, w=weights(columns, 96))
    W = rounded(source, form)
    assert PackProducts(always=True)(source).modified
    assert optimized_ops(source) == {"MatMulNBits": 1}
    if columns == 512:
        # Of 384 runs of double scales 3 * 256 are stored.
        assert stored_bits(source.graph, 512 * 96) == pytest.approx(form.stored, rel=1e-3)
    x = np.random.default_rng(0).standard_normal((4, columns)).astype(np.float32)
    expected = x @ W.T
    # Activations are rounded to int8 in blocks.
    assert np.abs(run(source, {"x": x}, optimize=True)["y"] - expected).max() < 0.04 * expected.std()


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("text", [PRODUCT.format(512), PRODUCT.format(200), FILTER])
def test_float_kernels_read_the_same(form: Form, text: str) -> None:
    shape = (24, 8, 3, 3) if text == FILTER else (int(text.split("N, ")[1].split("]")[0]), 96)
    source = model(text, opset=21, w=weights(*shape))
    W = rounded(source, form)
    assert ExpandBlocks()(source).modified
    assert set(optimized_ops(source)) <= {"MatMul", "Conv", "ReorderOutput"}
    x = np.random.default_rng(0).standard_normal((1, 8, 9, 9) if text == FILTER else (4, shape[0])).astype(np.float32)
    plain = model(text, opset=21, w=np.ascontiguousarray(W.reshape(shape) if text == FILTER else W.T))
    np.testing.assert_allclose(
        run(source, {"x": x}, optimize=True)["y"], run(plain, {"x": x}, optimize=True)["y"], atol=1e-4
    )


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_tables_are_read_by_row(form: Form) -> None:
    source = model(TABLE.format(128), opset=21, w=weights(300, 128))
    W = rounded(source, form)
    assert GatherBlocks()(source).modified
    assert optimized_ops(source) == {"GatherBlockQuantized": 1}
    i = np.array([0, 299, 7, 7])
    np.testing.assert_allclose(run(source, {"i": i}, optimize=True)["y"], W[i], atol=1e-6)


def test_a_product_and_a_table_share_what_is_stored() -> None:
    text = """g (int64[N] i) => (float[N, 300] y) {
        e = Gather(w, i)
        y = Gemm <transB = 1> (e, w)
    }"""
    source = model(text, opset=21, w=weights(300, 128))
    rounded(source, FORMS["nf4"])
    assert PackProducts(always=True)(source).modified
    assert GatherBlocks()(source).modified
    assert [name for name in source.graph.initializers if name.endswith("_quantized")] == ["w_quantized"]
    assert optimized_ops(source) == {"MatMulNBits": 1, "GatherBlockQuantized": 1}


def test_levels_are_made_once() -> None:
    source = model(PRODUCT.format(512), opset=21, w=weights(512, 96))
    rounded(source, FORMS["nf4"])
    found = levelled_of(source.graph.initializers["w"])
    assert found is not None
    assert found.absmax.shape == (96, 8)
    assert not RoundLevels()(source).modified


def test_levels_have_names() -> None:
    with pytest.raises(ValueError, match=r"^levels: 'nf5' is not one of nf4, fp4$"):
        RoundLevels(levels="nf5")
