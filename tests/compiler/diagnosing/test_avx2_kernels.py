"""A model cut at its products and put together again answers as the whole does, whatever lies between them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, model, weights
from support.planted import saturating

import edgec
from edgec.compiler.diagnosing.avx2_kernels import Avx2Kernels
from edgec.compiler.diagnosing.pieces import Cut, waves
from edgec.compiler.diagnosing.saturated import saturates
from edgec.compiler.diagnosing.subject import open_subject
from edgec.passes.check.integer_products import integer_products
from edgec.passes.check.results import result_of
from edgec.runtimes import runtime
from edgec.targets.cpu.host import host

W, B = weights(8, 8, 3, 3, scale=0.2), weights(8)
NETS = {
    "a chain": """net (float[1, 8, 6, 6] x) => (float[1, 8, 6, 6] y) {
        a = Conv <pads = [1, 1, 1, 1]> (x, w, b)
        r = Relu(a)
        y = Conv <pads = [1, 1, 1, 1]> (r, w, b)
    }""",
    "a residual, shown": """net (float[1, 8, 6, 6] x) => (float[1, 8, 6, 6] y, float[N, C, H, V] s) {
        a = Conv <pads = [1, 1, 1, 1]> (x, w, b)
        s = Add(a, x)
        c = Conv <pads = [1, 1, 1, 1]> (s, w, b)
        y = Add(c, s)
    }""",
    "branches of unequal depth": """net (float[1, 8, 6, 6] x) => (float[1, 16, 3, 3] y) {
        a = Conv <pads = [1, 1, 1, 1]> (x, w, b)
        c = Conv <pads = [1, 1, 1, 1]> (a, w, b)
        both = Concat <axis = 1> (x, c)
        y = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (both)
    }""",
    "float between them": """net (float[1, 8, 6, 6] x) => (float[1, 8, 6, 6] y, float[1, 8, 6, 6] t) {
        a = Conv <pads = [1, 1, 1, 1]> (x, w, b)
        t = Tanh(a)
        m = Mul(t, x)
        y = Conv <pads = [1, 1, 1, 1]> (m, w, b)
    }""",
    "a gate and a head": """net (float[1, 8, 6, 6] x) => (float[1, 3] y) {
        a = Conv <pads = [1, 1, 1, 1]> (x, w, b)
        g = Sigmoid(a)
        m = Mul(a, g)
        p = GlobalAveragePool(m)
        f = Flatten(p)
        y = Gemm(f, head)
    }""",
    "a body that reads from outside": """net (float[1, 8, 6, 6] x, bool up) => (float[1, 8, 6, 6] y) {
        a = Conv <pads = [1, 1, 1, 1]> (x, w, b)
        n = Neg(a)
        i = If (up) <
            then_branch = t () => (float[1, 8, 6, 6] u) { u = Add(n, x) },
            else_branch = e () => (float[1, 8, 6, 6] v) { v = Identity(a) }
        >
        y = Conv <pads = [1, 1, 1, 1]> (i, w, b)
    }""",
}


@pytest.mark.parametrize("kind", NETS)
def test_pieces_answer_as_the_whole(kind: str, tmp_path: Path) -> None:
    net = model(NETS[kind], w=W, b=B, head=weights(8, 3))
    feeds = [dict(feeds_of(net, seed=seed)) for seed in range(4)]
    bundle = edgec.compile(
        net, target="x86-64-vnni", calibration=feeds, output=tmp_path / "out", scheme="a8w8", prove=False
    )
    here = runtime("onnxruntime-cpu")
    assert any(product.can_saturate for product in integer_products(open_subject(bundle).model.graph))
    pieces = Avx2Kernels(here, saturate=saturates(host().isa))
    with closing(here.open(bundle.model)) as whole, closing(pieces.open(bundle.model)) as cut:
        assert cut is not whole
        assert (cut.inputs, cut.outputs) == (whole.inputs, whole.outputs)
        for each in feeds:
            expected, found = whole.run(each), cut.run(each)
            assert list(found) == list(expected)
            for name, array in expected.items():
                np.testing.assert_array_equal(found[name], array, name)
        assert cut.placement(feeds[0]).macs == whole.placement(feeds[0]).macs


def test_a_model_that_cannot_saturate_is_opened_whole(tmp_path: Path) -> None:
    planted, _ = saturating(0, layers=2)
    bundle = edgec.compile(
        planted.model, target="x86-64-avx2", calibration=planted.calibration, output=tmp_path / "out", prove=False
    )
    here = runtime("onnxruntime-cpu")
    with closing(here.open(bundle.model)) as whole, closing(Avx2Kernels(here).open(bundle.model)) as opened:
        assert type(opened) is type(whole)


def test_waves_hold_what_depends_on_as_many_products(tmp_path: Path) -> None:
    """Every node is in one piece; a product is behind the piece that computes its codes."""
    net = model(NETS["branches of unequal depth"], w=W, b=B)
    feeds = [dict(feeds_of(net, seed=seed)) for seed in range(4)]
    bundle = edgec.compile(
        net, target="x86-64-vnni", calibration=feeds, output=tmp_path / "out", scheme="a8w8", prove=False
    )
    quantized = open_subject(bundle).model
    cuts = []
    for product in integer_products(quantized.graph):
        result = result_of(product)
        assert result is not None
        cuts.append(Cut(product=product, result=result))
    found = list(waves(quantized, cuts))
    assert [[cut.product.node.name for cut in wave.cuts] for wave in found] == [["a"], ["c"], []]
    assert found[1].model is None, "the second reads what the first writes"
    gone = {node.name for cut in cuts for node in cut.result.nodes}
    kept = [node.name for wave in found if wave.model is not None for node in wave.model.graph if is_work(node)]
    assert sorted(kept) == sorted(n.name for n in quantized.graph if is_work(n) and n.name not in gone)


def is_work(node: ir.Node) -> bool:
    return node.op_type not in ("DequantizeLinear", "Constant")
