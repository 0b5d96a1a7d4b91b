"""The WebGPU target: no activation in integers, weights in few bits where floats come of them at no cost, float16."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import weights
from support.protos import proto

import edgec
from edgec.bundle import Bundle
from edgec.compiler.portability import Proved, prove_on
from edgec.errors import ModelError, OptionError
from edgec.passes.weight_only.narrow_integers import NarrowIntegers
from edgec.runtimes import runtime

RNG = np.random.default_rng(3)
NET = """g (float[N, 3, 8, 8] x) => (float[N, 5] y) {
    a = Conv <pads = [1, 1, 1, 1]> (x, w)
    b = Relu(a)
    c = Conv <pads = [1, 1, 1, 1], group = 64> (b, d)
    m = ReduceMean <axes = [2, 3], keepdims = 0> (c)
    h = MatMul(m, v)
    r = Relu(h)
    y = Gemm(r, k)
}"""
WEIGHTS = {"w": weights(64, 3, 3, 3), "d": weights(64, 1, 3, 3), "v": weights(64, 32), "k": weights(32, 5)}
SAMPLES = [{"x": RNG.normal(0, 1, (1, 3, 8, 8)).astype(np.float32)} for _ in range(4)]
PROVIDER = "WebGpuExecutionProvider"


def compiled(output: Path, scheme: str = "auto") -> Bundle:
    source = proto(NET, opset=17, ir_version=10, **WEIGHTS)
    return edgec.compile(
        source, target="web-webgpu", calibration=SAMPLES, output=output, prove=False, cache=False, scheme=scheme
    )


def operators(bundle: Bundle) -> set[str]:
    return {node.op_type for node in ir.load(bundle.model).graph}


def test_samples_or_not_only_weights_are_stored_in_integers(tmp_path: Path) -> None:
    bundle = compiled(tmp_path / "out")
    assert bundle.manifest["scheme"] == "w8"
    assert bundle.manifest["target"]["providers"] == [PROVIDER, "CPUExecutionProvider"]
    assert not operators(bundle) & {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger"}
    held = ir.load(bundle.model).graph.initializers
    assert {held[f"{name}_quantized"].dtype for name in ("w", "d", "v")} == {ir.DataType.INT8}


def test_matrices_of_4_bits_are_multiplied_as_they_are(tmp_path: Path) -> None:
    bundle = compiled(tmp_path / "out", "w4")
    assert not operators(bundle) & {"DequantizeLinear", "MatMul"}
    (product,) = (node for node in ir.load(bundle.model).graph if node.op_type == "MatMulNBits")
    assert (product.attributes["K"].value, product.attributes["N"].value) == (64, 32)
    assert product.inputs[1].const_value.nbytes == 64 * 32 // 2


def test_half_floats_compute_and_the_signature_stays(tmp_path: Path) -> None:
    graph = ir.load(compiled(tmp_path / "out", "fp16").model).graph
    assert [value.dtype for value in (*graph.inputs, *graph.outputs)] == [ir.DataType.FLOAT] * 2
    layers = [node for node in graph if node.op_type in ("Conv", "MatMul", "Gemm")]
    assert {node.inputs[1].const_value.dtype for node in layers} == {ir.DataType.FLOAT16}
    assert len(layers) == 4


INDICES = """g (float[N, 600] x) => (float[N, 16] y) {
    a = Gather <axis = 1> (x, i)
    y = MatMul(a, w)
}"""


@pytest.mark.parametrize("scheme", ["w8", "w4"])
def test_indices_are_not_stored_in_fewer_bits(tmp_path: Path, scheme: str) -> None:
    source = proto(INDICES, opset=17, ir_version=10, i=np.arange(512, dtype=np.int64), w=weights(512, 16))
    bundle = edgec.compile(
        source, target="web-webgpu", output=tmp_path / "out", prove=False, cache=False, scheme=scheme
    )
    assert ir.load(bundle.model).graph.initializers["i"].dtype == ir.DataType.INT64
    if runtime("webgpu-chromium").available() is None:
        narrow = NarrowIntegers()(ir.from_proto(source)).model
        with closing(runtime("webgpu-chromium")) as page:
            page.open(bundle.model)
            with pytest.raises(ModelError, match=r"Provider type for Cast node with name 'i_Cast' is not set"):
                page.open(ir.to_proto(narrow).SerializeToString())


@pytest.mark.parametrize("scheme", ["a8w8", "a16w8", "a8w4", "d8w8"])
def test_activations_in_integers_are_refused(tmp_path: Path, scheme: str) -> None:
    """They are slower than floats there: each would be copied to the CPU and back."""
    with pytest.raises(OptionError) as caught:
        compiled(tmp_path / "out", scheme)
    assert str(caught.value) == (
        f"--scheme {scheme}: is slower than float on target web-webgpu: activations would leave the GPU to be "
        "quantized on the CPU. Choose one of w8, w4, fp16, float."
    )


PLACES = {"webgpu-node": "Mesa's lavapipe ", "webgpu-chromium": "SwiftShader"}
# SwiftShader has no float16.
PROVED = [*((name, scheme) for name in PLACES for scheme in ("w8", "w4")), ("webgpu-node", "fp16")]


@pytest.fixture(scope="module", params=PROVED, ids=" ".join)
def proved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Proved:
    name, scheme = request.param
    if reason := runtime(name).available():
        pytest.skip(f"{name}: {reason}")
    bundle = compiled(tmp_path_factory.mktemp("webgpu") / "out", scheme)
    source = proto(NET, opset=17, ir_version=10, **WEIGHTS)
    return prove_on(bundle, [name], evaluation=SAMPLES, float_model=source).places[0]


@pytest.mark.targets
def test_it_is_proved_on_the_provider(proved: Proved) -> None:
    """All of it ran there, nothing was expanded during the run, and the answers are this machine's."""
    proof, placement = proved.proof, proved.proof.placement
    assert proved.verdict.word == "proved"
    assert (proof.runtime, proof.unexecuted, proof.latency) == (proved.place, "", ())
    assert proof.emulated.startswith(PLACES[proved.place])
    assert placement is not None
    assert {kernel.provider for kernel in placement.kernels} == {PROVIDER}
    assert not {kernel.op_type for kernel in placement.kernels} & {"DequantizeLinear", "Mul"}
    assert (placement.mac_share_on(PROVIDER), placement.crossing_bytes) == (1.0, 0)
    # Products of 27, 9, 64 and 32 a sum.
    assert placement.macs == 64 * 64 * (27 + 9) + 64 * 32 + 32 * 5
    assert proof.evaluation is not None
    (against,) = (each.against_float for each in proof.evaluation.outputs)
    assert against.sqnr_db is not None
    assert against.sqnr_db > 20
