"""The web target: integers where an element sums enough products, small weights everywhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model, weights
from support.protos import proto

import edgec
from edgec.passes.edit import SkipNotes
from edgec.passes.quantize.decide import DecideQuantization
from edgec.passes.quantize.decision import decided_nodes
from edgec.targets.web.rules import web_rules

RNG = np.random.default_rng(3)
# A depthwise-separable net, and one of dense convolutions over the same image.
SEPARABLE = """g (float[N, 16, 8, 8] x) => (float[N, 5] y) {
    a = Conv <pads = [1, 1, 1, 1], group = 16> (x, d)
    b = Relu(a)
    c = Conv(b, p)
    e = Relu(c)
    m = GlobalAveragePool(e)
    f = Flatten(m)
    y = Gemm(f, k)
}"""
DENSE = """g (float[N, 16, 8, 8] x) => (float[N, 5] y) {
    a = Conv <pads = [1, 1, 1, 1]> (x, w)
    b = Relu(a)
    c = Conv <pads = [1, 1, 1, 1]> (b, v)
    e = Relu(c)
    m = GlobalAveragePool(e)
    f = Flatten(m)
    y = Gemm(f, k)
}"""
SEPARABLE_WEIGHTS = {"d": weights(16, 1, 3, 3), "p": weights(32, 16, 1, 1), "k": weights(32, 5)}
DENSE_WEIGHTS = {"w": weights(32, 16, 3, 3), "v": weights(32, 32, 3, 3), "k": weights(32, 5)}
SAMPLES = [{"x": RNG.normal(0, 1, (1, 16, 8, 8)).astype(np.float32)} for _ in range(8)]


def decided(text: str, **constants: np.ndarray) -> tuple[set[str], dict[str, str]]:
    """Output names of the nodes that run in integers, and why others do not."""
    source = model(text, **constants)
    DecideQuantization(rules=web_rules())(source)
    chosen = {str(node.outputs[0].name) for node, _ in decided_nodes(source.graph)}
    return chosen, dict(SkipNotes.of(source))


@pytest.mark.parametrize(
    ("op", "shape", "products"),
    [
        ("Conv", (4, 8, 4, 5), 160),
        ("Conv", (4, 8, 4, 4), 128),
        ("Conv", (4, 144, 1, 1), 144),
        ("Conv", (4, 143, 1, 1), 143),
    ],
)
def test_a_convolution_pays_by_the_products_it_sums(op: str, shape: tuple[int, ...], products: int) -> None:
    text = f"g (float[N, {shape[1]}, 6, 6] x) => (float[N, 4, H, W] y) {{ y = {op}(x, w) }}"
    chosen, why = decided(text, w=weights(*shape))
    assert (chosen == {"y"}) == (products >= 144)
    if not chosen:
        assert list(why.values()) == [f"sums {products} products per element; integers are faster from 144 on"]


@pytest.mark.parametrize("summed", [63, 64])
@pytest.mark.parametrize(
    ("text", "turned"),
    [
        ("g (float[N, K] x) => (float[N, M] y) { y = Gemm(x, w) }", False),
        ("g (float[N, K] x) => (float[N, M] y) { y = Gemm <transB = 1> (x, w) }", True),
        ("g (float[N, K] x) => (float[N, M] y) { y = MatMul(x, w) }", False),
        ("g (float[B, N, K] x) => (float[B, N, M] y) { y = MatMul(x, w) }", False),
    ],
    ids=["Gemm", "Gemm, transposed", "MatMul", "MatMul of many"],
)
def test_a_product_with_a_matrix_pays_by_the_axis_it_sums_over(text: str, turned: bool, summed: int) -> None:
    shape = (7, summed) if turned else (summed, 7)
    chosen, _ = decided(text.replace("K", str(summed)).replace("M]", "7]"), w=weights(*shape))
    assert (chosen == {"y"}) == (summed >= 64)


def test_depthwise_ones_have_no_rule_of_their_own() -> None:
    chosen, why = decided(SEPARABLE, **SEPARABLE_WEIGHTS)
    assert not chosen
    assert sorted(text for text in why.values() if "products" in text) == [
        "sums 16 products per element; integers are faster from 144 on",
        "sums 32 products per element; integers are faster from 64 on",
        "sums 9 products per element; integers are faster from 144 on",
    ]


def _compiled(text: str, constants: dict[str, np.ndarray], output: Path, **options: object) -> tuple[str, ir.Model]:
    source = proto(text, opset=17, ir_version=8, **constants)
    bundle = edgec.compile(
        source, target="web-wasm", calibration=SAMPLES, output=output, prove=False, cache=False, **options
    )
    return str(bundle.manifest["scheme"]), ir.load(bundle.model)


@pytest.mark.parametrize("scheme", ["auto", "a8w8"])
def test_a_separable_net_keeps_float_kernels_and_small_weights(tmp_path: Path, scheme: str) -> None:
    _, compiled = _compiled(SEPARABLE, SEPARABLE_WEIGHTS, tmp_path / "out", scheme=scheme)
    assert "QuantizeLinear" not in {node.op_type for node in compiled.graph}
    assert compiled.graph.initializers["p_quantized"].dtype == ir.DataType.INT8


def test_a_dense_net_runs_in_integers(tmp_path: Path) -> None:
    scheme, compiled = _compiled(DENSE, DENSE_WEIGHTS, tmp_path / "out")
    assert scheme == "a8w8"
    convolutions = [node for node in compiled.graph if node.op_type == "Conv"]
    assert len(convolutions) == 2
    for node in convolutions:
        x, w = (value.producer() for value in node.inputs[:2])
        assert (x.op_type, w.op_type) == ("DequantizeLinear", "DequantizeLinear")
        assert x.inputs[2].const_value.dtype == ir.DataType.UINT8
        assert w.inputs[0].const_value.dtype == ir.DataType.INT8
        assert w.inputs[0].shape[1] in (16, 32)  # no channels are padded


def test_the_same_bytes_twice(tmp_path: Path) -> None:
    source = proto(DENSE, opset=17, ir_version=8, **DENSE_WEIGHTS)
    digests = {
        edgec.compile(
            source, target="web-wasm", calibration=SAMPLES, output=tmp_path / name, prove=False, cache=False
        ).digest
        for name in ("one", "two")
    }
    assert len(digests) == 1
