"""onnxruntime-web itself: every kind of tensor, models in several files, placement, other sizes, long use."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
from support.hosts import ENDLESS, gone, model, until

from edgec.errors import HostError, ModelError
from edgec.runtimes import runtime
from edgec.runtimes.base import Runtime, SessionSettings

pytestmark = pytest.mark.targets
HERE = runtime("onnxruntime-cpu")
RELU = """<ir_version: 8, opset_import: ["": 17]>
g (float[N] x) => (float[N] y) { y = Relu(x) }"""
KINDS = ["float", "double", "float16", "bool", "string", *(f"{s}int{b}" for s in ("", "u") for b in (8, 16, 32, 64))]
QDQ = """<ir_version: 8, opset_import: ["": 17]>
g (float[N, 8, 12, 12] x) => (float[N, 4] z) {
    xq = QuantizeLinear(x, xs, xz)
    xd = DequantizeLinear(xq, xs, xz)
    wd = DequantizeLinear<axis = 0>(w, ws, wz)
    y = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(xd, wd)
    r = Relu(y)
    yq = QuantizeLinear(r, ys, yz)
    yd = DequantizeLinear(yq, ys, yz)
    p = GlobalAveragePool(yd)
    f = Flatten(p)
    m = MatMul(f, v)
    z = Softmax<axis = 1>(m)
}"""


PLACES = ["web-wasm", "web-wasm-chromium"]


@pytest.fixture(scope="module", params=PLACES)
def wasm(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    place = runtime(request.param)
    if reason := place.available():
        pytest.skip(f"{request.param}: {reason}")
    with closing(place):
        yield place


@pytest.fixture(scope="module")
def quantized() -> bytes:
    """A convolution in integers, a float MatMul, a Softmax."""
    rng = np.random.default_rng(5)
    arrays = {
        "xs": np.float32(0.03),
        "xz": np.uint8(128),
        "ys": np.float32(0.05),
        "yz": np.uint8(0),
        "w": rng.integers(-127, 128, (16, 8, 3, 3)).astype(np.int8),
        "ws": rng.uniform(0.001, 0.01, 16).astype(np.float32),
        "wz": np.zeros(16, np.int8),
        "v": rng.standard_normal((16, 4)).astype(np.float32),
    }
    proto = onnx.parser.parse_model(QDQ)
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items())
    return proto.SerializeToString()


@pytest.fixture(scope="module")
def image() -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(6).standard_normal((2, 8, 12, 12)).astype(np.float32)}


def test_it_says_what_engine_it_is(wasm: Runtime) -> None:
    engine = {"web-wasm": r"Node\.js \d\d\.", "web-wasm-chromium": r"Chromium \d{3}\.[\d.]+, headless,"}[wasm.name]
    facts = wasm.facts()
    assert re.match(engine + ".* on ", facts.system)
    assert (facts.onnxruntime, facts.machine, facts.features) == ("1.30.0", "wasm32", ("SIMD128",))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 0)], ids=str)
def test_every_kind_of_tensor_passes(wasm: Runtime, kind: str, shape: tuple[int, ...]) -> None:
    dims = f"[{', '.join(map(str, shape))}]" if shape else ""
    session = wasm.open(
        model(f'<ir_version: 8, opset_import: ["": 17]> g ({kind}{dims} x) => ({kind}{dims} y) {{ y = Identity(x) }}')
    )
    dtype = session.inputs[0].dtype
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    array = np.asarray(values.astype(str).astype(object) if kind == "string" else values.astype(dtype))
    found = session.run({"x": array})["y"]
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(found, array)


def test_outputs_and_placement_are_those_of_this_process(
    wasm: Runtime, quantized: bytes, image: dict[str, np.ndarray]
) -> None:
    one = SessionSettings(threads=1)
    there, here = wasm.open(quantized, one), HERE.open(quantized, one)
    assert (there.inputs, there.outputs, there.threads) == (here.inputs, here.outputs, 1)
    np.testing.assert_allclose(there.run(image)["z"], here.run(image)["z"], atol=1e-6)
    found, expected = there.placement(image), here.placement(image)

    def told(placement: object) -> list[tuple[object, ...]]:
        return [(k.op_type, k.inputs, k.outputs, k.macs, k.integer) for k in placement.kernels]  # type: ignore[attr-defined]

    assert told(found) == told(expected)
    assert found.integer_mac_share == expected.integer_mac_share
    assert not found.off_provider(["CPUExecutionProvider"])
    assert (found.evidence, found.partitions) == ("profile of one run", 1)


def test_dimensions_are_known_named_or_neither(wasm: Runtime) -> None:
    text = """<ir_version: 8, opset_import: ["": 17]>
    g (float[N, ?, 3] x) => (float[N, ?, 3] y) { y = Identity(x) }"""
    session = wasm.open(model(text))
    assert session.inputs == HERE.open(model(text)).inputs
    assert session.inputs[0].shape == session.outputs[0].shape == ("N", None, 3)


def test_settings_reach_it(wasm: Runtime, quantized: bytes, image: dict[str, np.ndarray]) -> None:
    for settings in (SessionSettings(config={"session.disable_quant_qdq": "1"}), SessionSettings(optimize=False)):
        assert wasm.open(quantized, settings).placement(image).integer_mac_share == 0


@pytest.mark.parametrize("location", ["model.onnx.data", "weights/all.bin"])
def test_weights_in_files_beside_the_model(
    wasm: Runtime, quantized: bytes, image: dict[str, np.ndarray], tmp_path: Path, location: str
) -> None:
    proto = onnx.load_from_string(quantized)
    (tmp_path / location).parent.mkdir(parents=True, exist_ok=True)
    onnx.external_data_helper.convert_model_to_external_data(proto, location=location, size_threshold=0)
    onnx.save(proto, tmp_path / "model.onnx")
    session = wasm.open(tmp_path / "model.onnx")
    np.testing.assert_array_equal(session.run(image)["z"], wasm.open(quantized).run(image)["z"])
    assert session.placement(image).integer_mac_share == pytest.approx(0.99, abs=0.01)


def test_latency_is_that_of_the_run_alone(wasm: Runtime, quantized: bytes, image: dict[str, np.ndarray]) -> None:
    session = wasm.open(quantized, SessionSettings(threads=1))
    latency = session.latency(image, 10)
    assert (latency.runs, latency.threads) == (10, 1)
    assert 0 < latency.minimum <= latency.p50 <= latency.p95
    assert session.load_seconds > 0


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(ModelError) as caught:
        act()
    return str(caught.value)


def test_what_it_refuses(wasm: Runtime, tmp_path: Path) -> None:
    version, mend = wasm.facts().onnxruntime, "Compile it for a target of that runtime, which pins the opset it loads."
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    assert refusal(lambda: wasm.open(broken)) == (
        f"{broken}: ONNX Runtime {version} of runtime {wasm.name!r} cannot open it: Failed to load model because "
        f"protobuf parsing failed. {mend}"
    )
    scalar = onnx.parser.parse_model(RELU)
    scalar.graph.output[0].type.tensor_type.shape.ClearField("dim")
    assert refusal(lambda: wasm.open(scalar.SerializeToString())) == (
        f"model: ONNX Runtime {version} of runtime {wasm.name!r} cannot open it: [ShapeInferenceError] Mismatch "
        f"between number of inferred and declared dimensions. inferred=1 declared=0. {mend}"
    )
    future = onnx.load_from_string(model())
    future.opset_import[0].version = 27
    assert "Opset 27 is under development" in refusal(lambda: wasm.open(future.SerializeToString()))


def test_a_kernel_that_fails_leaves_it_alive(wasm: Runtime) -> None:
    text = """<ir_version: 8, opset_import: ["": 17]>
    g (float[N, 3] x) => (float[M, K] y) {
        s = Constant<value: tensor = int64[2] {2, 2}>()
        y = Reshape(x, s)
    }"""
    session = wasm.open(model(text))
    for ask in (session.run, session.run_seconds, session.placement):
        message = refusal(lambda: ask({"x": np.ones((1, 3), np.float32)}))  # noqa: B023
        assert (
            f"of runtime {wasm.name!r} fails when running it: input_shape_size == requested_shape_size was" in message
        )
    np.testing.assert_array_equal(wasm.open(model()).run({"x": np.ones(1, np.float32)})["y"], 1)


def test_it_outlives_300_requests_and_does_not_grow(wasm: Runtime) -> None:
    session = wasm.open(model(RELU))
    x = np.arange(-25_000, 25_000, dtype=np.float32)  # 200 kB there and back: held, 200 of them were 40 MB
    process = psutil.Process(wasm._running().process_id)  # type: ignore[attr-defined]
    sizes = []
    for round_ in range(300):
        if round_ >= 100 and round_ % 20 == 0:
            sizes.append(process.memory_info().rss)
        assert session.run({"x": x})["y"][-1] == 24_999
    assert max(sizes) - min(sizes) < 60e6  # what its collector leaves lying about


@pytest.mark.slow
def test_200_megabytes_pass_both_ways(wasm: Runtime) -> None:
    x = np.arange(50_000_000, dtype=np.float32)
    np.testing.assert_array_equal(wasm.open(model(RELU)).run({"x": x})["y"], x)


@pytest.mark.skipif(os.name == "nt", reason="the client is ended by a signal")
def test_it_leaves_in_the_middle_of_a_kernel() -> None:
    """The loop runs inside WebAssembly: the engine ends it between two of its rounds."""
    place = runtime("web-wasm")
    if reason := place.available():
        pytest.skip(f"web-wasm: {reason}")
    session = place.open(model(ENDLESS))
    host = place._running()  # type: ignore[attr-defined]

    def wait_for_ever() -> None:
        with contextlib.suppress(HostError):
            session.run({"x": np.ones(1, np.float32)})

    endless = threading.Thread(target=wait_for_ever)
    endless.start()
    process = psutil.Process(host.process_id)
    before = sum(process.cpu_times()[:2])
    until(lambda: sum(process.cpu_times()[:2]) > before + 0.3, "the endless run is under way")
    host._child.stdin.close()
    until(lambda: gone(host.process_id), "it ends")
    endless.join(60)
    place.close()
