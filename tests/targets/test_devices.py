"""One small model for every target: the forms its runtime takes, the newest file it reads, the same bytes twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from support.graphs import weights
from support.protos import proto

import edgec
from edgec.bundle import Bundle
from edgec.passes.edit import constant_array
from edgec.runtimes import runtime
from edgec.runtimes.base import Runtime, SessionSettings
from edgec.targets import find_target

NAMES = (
    "raspberry-pi-4", "raspberry-pi-5", "android-cpu", "pixel-8", "armv7", "x86-64-vnni", "x86-64-avx2", "arm64",
    "arm64-dotprod",
)  # fmt: skip
TEXT = """g (float[N, 3, 16, 16] x) => (float[N, 5] y) {
    a = Conv <auto_pad = "SAME_LOWER", strides = [2, 2]> (x, w, b)
    r = HardSwish(a)
    c = Conv <pads = [1, 1, 1, 1], group = 8> (r, d)
    e = Conv <pads = [1, 1, 1, 1]> (c, v, b)
    s = Add(e, c)
    m = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (s)
    z = Resize <mode = "linear"> (m, , scales)
    g = GlobalAveragePool(z)
    f = Flatten(g)
    h = MatMul(f, k)
    l = Add(h, n)
    y = Softmax(l)
}"""
CONSTANTS = {
    "w": weights(8, 3, 3, 3),
    "b": weights(8),
    "d": weights(8, 1, 3, 3),
    "v": weights(8, 8, 3, 3),
    "scales": np.float32([1, 1, 2, 2]),
    "k": weights(8, 5),
    "n": weights(5),
}
RNG = np.random.default_rng(7)
SAMPLES = [{"x": RNG.normal(0, 1, (1, 3, 16, 16)).astype(np.float32)} for _ in range(6)]
Made = Callable[[str], Bundle]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Compiles the model, once per target; it is written for operator set 24."""
    done: dict[str, Bundle] = {}

    def compiled(name: str) -> Bundle:
        if name not in done:
            done[name] = _compiled(name, tmp_path_factory.mktemp(name) / "out")
        return done[name]

    return compiled


def _compiled(name: str, output: Path) -> Bundle:
    source = proto(TEXT, opset=24, ir_version=11, **CONSTANTS)
    return edgec.compile(
        source, target=name, calibration=SAMPLES, output=output, prove=False, cache=False, scheme="a8w8"
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_newest_file_it_reads(name: str, made: Made) -> None:
    target, model = find_target(name), onnx.load(made(name).model)
    opset = next(each.version for each in model.opset_import if each.domain == "")
    assert opset == min(24, target.max_opset)
    assert model.ir_version <= target.max_ir_version
    onnx.checker.check_model(model, full_check=True)
    manifest = made(name).manifest
    assert (manifest["target"]["name"], manifest["target"]["runtime"]) == (name, target.runtime)
    assert manifest["target"]["providers"] == list(target.providers)


@pytest.mark.parametrize("name", NAMES)
def test_the_forms_its_kernels_take(name: str, made: Made) -> None:
    target, model = find_target(name), ir.load(made(name).model)
    (activations,) = {rule.inputs.dtype for rule in target.rules if rule.inputs is not None}
    convolutions = [node for node in model.graph if node.op_type == "Conv" and node.inputs[1].producer() is not None]
    # Behind a float HardSwish a depthwise one is slower in integers on the CPU provider.
    assert len(convolutions) == (3 if target.family == "xnnpack" else 2)
    for node in convolutions:
        x, w = node.inputs[0].producer(), node.inputs[1].producer()
        assert (x.op_type, w.op_type) == ("DequantizeLinear", "DequantizeLinear")
        assert constant_array(x.inputs[2]).dtype == activations
        codes, zeros = constant_array(w.inputs[0]), constant_array(w.inputs[2])
        assert codes.dtype == np.int8
        assert w.attributes.get_int("axis") == 0
        assert zeros.shape == codes.shape[:1]
        assert not zeros.any()
        assert np.abs(codes).max() <= (64 if name == "x86-64-avx2" else 127)
        (q,) = (reader for reader, _ in node.outputs[0].uses())
        assert q.op_type == "QuantizeLinear"
    assert "MatMul" not in {node.op_type for node in model.graph}


def test_what_xnnpack_wants(made: Made) -> None:
    model = ir.load(made("pixel-8").model)
    nodes = {node.op_type: node for node in model.graph}
    stem = next(node for node in model.graph if node.op_type == "Conv")
    assert "auto_pad" not in stem.attributes
    assert tuple(stem.attributes.get_ints("pads")) == (1, 1, 0, 0)
    assert constant_array(stem.inputs[1].producer().inputs[0]).shape == (8, 3, 3, 3)  # no channels are padded
    assert nodes["Resize"].attributes.get_float("extrapolation_value") == 1.0
    assert nodes["Softmax"].inputs[0].producer().op_type != "DequantizeLinear"


@pytest.mark.parametrize("name", ["pixel-8", "armv7", "raspberry-pi-4"])
def test_the_same_bytes_twice(name: str, made: Made, tmp_path: Path) -> None:
    assert _compiled(name, tmp_path / "again").digest == made(name).digest


@pytest.mark.parametrize("name", NAMES)
def test_it_answers_as_float_does(name: str, made: Made) -> None:
    """In this process, whatever the target: the form is not this processor's fastest, but as right."""
    source = proto(TEXT, opset=24, ir_version=11, **CONSTANTS)
    place = runtime("onnxruntime-cpu")
    one = SessionSettings(threads=1)
    reference, session = place.open(source.SerializeToString(), one), place.open(made(name).model, one)
    for feeds in SAMPLES[:2]:
        wanted, got = reference.run(feeds)["y"], session.run(feeds)["y"]
        assert np.abs(wanted - got).max() < 0.1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheme", ["a8w8", "a8w4", "d8w8", "w8", "w4"])
def test_no_weight_in_blocks_meets_a_quantized_activation(name: str, scheme: str, tmp_path: Path) -> None:
    """ONNX Runtime makes a QLinearMatMul of the two, which loads and fails when it runs (1.21 and 1.31).

    Not where the scales of the blocks are another DQ's, as QNN has them: these it runs.
    """
    if scheme in ("a8w4", "w4") and find_target(name).max_opset < 21:
        pytest.skip("its runtime reads no 4-bit integers")
    text = """g (float[N, 64] x) => (float[N, 8] y) {
        a = MatMul(x, w) r = Relu(a) b = MatMul(r, v) t = Tanh(b) y = MatMul(t, u) }"""
    source = proto(text, opset=18, w=weights(64, 64), v=weights(64, 64, seed=1), u=weights(64, 8))
    samples = [{"x": RNG.normal(0, 1, (4, 64)).astype(np.float32)} for _ in range(3)]
    options = {"exclude_nodes": ("^b$",)} if scheme == "a8w8" else {}
    bundle = edgec.compile(
        source, target=name, calibration=samples, output=tmp_path / "out", prove=False, scheme=scheme, **options
    )
    for node in ir.load(bundle.model).graph:
        made = [value.producer() for value in node.inputs if value is not None and value.producer() is not None]
        if any("block_size" in producer.attributes and not producer.inputs[1].producer() for producer in made):
            others = [producer for producer in made if "block_size" not in producer.attributes]
            assert all(producer.op_type != "DequantizeLinear" for producer in others)
    got = runtime("onnxruntime-cpu").open(bundle.model, SessionSettings(threads=1)).run(samples[0])
    assert np.isfinite(got["y"]).all()


@pytest.fixture(scope="module")
def xnnpack() -> Iterator[Runtime]:
    """Debian's ONNX Runtime with the XNNPACK provider, where it is installed."""
    place = runtime("xnnpack-x86-64")
    if reason := place.available():
        pytest.skip(f"xnnpack-x86-64: {reason}")
    yield place
    place.close()


def test_every_convolution_runs_on_xnnpacks_kernels(made: Made, xnnpack: Runtime) -> None:
    one = SessionSettings(threads=1)
    session = xnnpack.open(made("pixel-8").model, one)
    found = session.placement(SAMPLES[0])
    providers = {kernel.op_type: kernel.provider for kernel in found.kernels}
    convolutions = [kernel for kernel in found.kernels if kernel.op_type == "QLinearConv"]
    assert len(convolutions) == 3
    assert {kernel.provider for kernel in convolutions} == {"XnnpackExecutionProvider"}
    assert (providers["Resize"], providers["QGemm"]) == ("CPUExecutionProvider", "CPUExecutionProvider")
    here = runtime("onnxruntime-cpu").open(made("pixel-8").model, one)
    for feeds in SAMPLES[:3]:
        assert np.abs(session.run(feeds)["y"] - here.run(feeds)["y"]).max() < 0.1
