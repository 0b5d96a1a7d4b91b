"""WebGPU on drivers in software, under Node and in a page: tensors, float16, 4-bit weights, placement; sabotaged."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
from support.hosts import ENDLESS, gone, model, until

from edgec.errors import HostError, ModelError
from edgec.runtimes import runtime
from edgec.runtimes.base import Runtime, SessionSettings
from edgec.runtimes.host.launch import Launch
from edgec.runtimes.host.runtime import HostRuntime
from edgec.runtimes.places import places
from edgec.runtimes.webgpu import PROVIDER

pytestmark = pytest.mark.targets
CPU = "CPUExecutionProvider"
HERE = runtime("onnxruntime-cpu")
RNG = np.random.default_rng(8)
KINDS = ["float", "double", "float16", "bool", "string", *(f"{s}int{b}" for s in ("", "u") for b in (8, 16, 32, 64))]
HEAD = '<ir_version: 10, opset_import: ["": 21]>'
CONV = f"""{HEAD}
g (float[N, 4, 6, 6] x) => (float[N, 8, 6, 6] y) {{ c = Conv <pads = [1, 1, 1, 1]> (x, w) y = Relu(c) }}"""
QDQ = f"""{HEAD}
g (float[N, 4, 6, 6] x) => (float[N, 4, 6, 6] y) {{
    a = Relu(x)
    q = QuantizeLinear(a, s, z)
    d = DequantizeLinear(q, s, z)
    y = Sigmoid(d)
}}"""
HALF = f"""{HEAD}
g (float[N, 32] x) => (float[N, 16] y) {{
    h = Cast <to = 10> (x)
    m = MatMul(h, w)
    y = Cast <to = 1> (m)
}}"""
BLOCKS = f"""{HEAD}
g (float[N, 64] x) => (float[N, 16] y) {{
    d = DequantizeLinear <axis = 0, block_size = 32> (w, s)
    y = MatMul(x, d)
}}"""
NBITS = """<ir_version: 10, opset_import: ["": 21, "com.microsoft": 1]>
g (float[N, 64] x) => (float[N, 16] y) {
    y = com.microsoft.MatMulNBits <K = 64, N = 16, bits = 4, block_size = 32> (x, w, s)
}"""


@pytest.fixture(scope="module", params=["webgpu-node", "webgpu-chromium"])
def gpu(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    place = runtime(request.param)
    if reason := place.available():
        pytest.skip(f"{request.param}: {reason}")
    with closing(place):
        yield place


def built(text: str, **arrays: np.ndarray) -> bytes:
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in arrays.items())
    return proto.SerializeToString()


def convolution() -> bytes:
    return built(CONV, w=RNG.standard_normal((8, 4, 3, 3)).astype(np.float32))


def image() -> dict[str, np.ndarray]:
    return {"x": RNG.standard_normal((2, 4, 6, 6)).astype(np.float32)}


def test_what_it_says_of_itself(gpu: Runtime) -> None:
    facts = gpu.facts()
    assert (facts.onnxruntime, facts.numpy) == ("1.30.0", "")
    told = {
        "webgpu-node": ("x86_64", "Node.js ", "Mesa's lavapipe 25."),
        "webgpu-chromium": ("wasm32", "Chromium ", "SwiftShader"),
    }
    machine, system, emulated = told[gpu.name]
    assert facts.machine == machine
    assert facts.system.startswith(system)
    assert facts.emulated.startswith(emulated)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 0)], ids=str)
def test_every_kind_of_tensor_passes(gpu: Runtime, kind: str, shape: tuple[int, ...]) -> None:
    dims = f"[{', '.join(map(str, shape))}]" if shape else ""
    session = gpu.open(model(f"{HEAD} g ({kind}{dims} x) => ({kind}{dims} y) {{ y = Identity(x) }}"))
    dtype = session.inputs[0].dtype
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    array = np.asarray(values.astype(str).astype(object) if kind == "string" else values.astype(dtype))
    found = session.run({"x": array})["y"]
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(found, array)


def test_a_convolution_runs_on_the_provider_on_evidence(gpu: Runtime) -> None:
    source, feeds = convolution(), image()
    session = gpu.open(source, SessionSettings(threads=1))
    np.testing.assert_allclose(session.run(feeds)["y"], HERE.open(source).run(feeds)["y"], atol=1e-5)
    found = session.placement(feeds)
    assert found.evidence == "profile of one run"
    assert {kernel.provider for kernel in found.kernels} == {PROVIDER}
    # 8 channels of 6 x 6, each the sum of 4 x 9 products; the profile leaves out the weight, the saved graph has it.
    assert (found.macs, found.integer_mac_share, found.mac_share_on(PROVIDER)) == (2 * 8 * 36 * 36, 0.0, 1.0)
    assert (found.partitions, found.crossing_bytes) == (1, 0)


def test_activations_in_integers_leave_the_device_and_come_back(gpu: Runtime) -> None:
    """It has no QuantizeLinear: this is why a WebGPU bundle has none."""
    session = gpu.open(built(QDQ, s=np.float32(0.1), z=np.uint8(3)))
    found = session.placement(image())
    where = {kernel.op_type: kernel.provider for kernel in found.kernels}
    assert where["QuantizeLinear"] == CPU
    assert where["DequantizeLinear"] == PROVIDER
    assert [kernel.op_type for kernel in found.off_provider([PROVIDER])] == ["QuantizeLinear"]
    assert found.partitions == 3
    assert found.crossing_bytes == 2 * 4 * 36 * (4 + 1)


def test_float16_is_computed_there(gpu: Runtime) -> None:
    w, x = RNG.standard_normal((32, 16)).astype(np.float16), RNG.standard_normal((3, 32)).astype(np.float32)
    session = gpu.open(built(HALF, w=w))
    if gpu.name == "webgpu-chromium":  # SwiftShader has no shader-f16, and no other kernel takes its place
        with pytest.raises(ModelError, match="requires f16 but the device does not support it"):
            session.run({"x": x})
        return
    exact = x.astype(np.float16).astype(np.float64) @ w.astype(np.float64)
    np.testing.assert_allclose(session.run({"x": x})["y"], exact, atol=0.05)
    kernels = {kernel.op_type: kernel for kernel in session.placement({"x": x}).kernels}
    assert (kernels["MatMul"].provider, kernels["MatMul"].outputs) == (PROVIDER, (("float16", (3, 16)),))


CODES = RNG.integers(-8, 8, (64, 16))
SCALES = RNG.uniform(0.01, 0.1, (2, 16)).astype(np.float32)
SUMMED = RNG.standard_normal((3, 64)).astype(np.float32)


def test_weights_in_4_bits_are_multiplied_as_they_are(gpu: Runtime) -> None:
    rows = (CODES.T + 8).astype(np.uint8).reshape(16, 2, 16, 2)  # a block's codes, two to a byte, the low one first
    packed = rows[..., 0] | rows[..., 1] << 4
    session = gpu.open(built(NBITS, w=packed, s=np.ascontiguousarray(SCALES.T).reshape(-1)))
    found = session.run({"x": SUMMED})["y"]
    np.testing.assert_allclose(found, SUMMED @ (CODES * SCALES.repeat(32, axis=0)), atol=1e-3)
    placement = session.placement({"x": SUMMED})
    assert [(kernel.op_type, kernel.provider) for kernel in placement.kernels] == [("MatMulNBits", PROVIDER)]
    assert (placement.macs, placement.integer_mac_share) == (3 * 16 * 64, 0.0)


def test_codes_behind_a_dequantizer_are_expanded_at_every_run(gpu: Runtime) -> None:
    """On the CPU provider this form becomes MatMulNBits: a WebGPU bundle has that node itself."""
    proto = onnx.parser.parse_model(BLOCKS)
    proto.graph.initializer.append(onnx.helper.make_tensor("w", onnx.TensorProto.INT4, (64, 16), CODES.reshape(-1)))
    proto.graph.initializer.append(onnx.numpy_helper.from_array(SCALES, "s"))
    source = proto.SerializeToString()
    assert [each.op_type for each in HERE.open(source).placement({"x": SUMMED}).kernels] == ["MatMulNBits"]
    ran = gpu.open(source).placement({"x": SUMMED}).kernels
    assert [each.op_type for each in ran] == ["DequantizeLinear", "MatMul"]


def test_weights_in_files_beside_the_model(gpu: Runtime, tmp_path: Path) -> None:
    source, feeds = convolution(), image()
    proto = onnx.load_from_string(source)
    onnx.external_data_helper.convert_model_to_external_data(proto, location="model.onnx.data", size_threshold=0)
    onnx.save(proto, tmp_path / "model.onnx")
    session = gpu.open(tmp_path / "model.onnx")
    np.testing.assert_array_equal(session.run(feeds)["y"], gpu.open(source).run(feeds)["y"])
    assert session.placement(feeds).macs == 2 * 8 * 36 * 36


def test_a_kernel_that_fails_leaves_it_alive(gpu: Runtime) -> None:
    text = f"""{HEAD} g (float[N, 3] x) => (float[M, K] y) {{
        s = Constant <value: tensor = int64[2] {{2, 2}}> ()
        y = Reshape(x, s)
    }}"""
    session = gpu.open(model(text))
    with pytest.raises(ModelError) as caught:
        session.run({"x": np.ones((1, 3), np.float32)})
    assert f"model: ONNX Runtime 1.30.0 of runtime {gpu.name!r} fails when running it: " in str(caught.value)
    np.testing.assert_array_equal(gpu.open(model()).run({"x": np.ones(1, np.float32)})["y"], 1)


def test_it_outlives_100_requests_and_does_not_grow(gpu: Runtime) -> None:
    session = gpu.open(convolution())
    process = psutil.Process(gpu._running().process_id)  # type: ignore[attr-defined]
    x = RNG.standard_normal((64, 4, 6, 6)).astype(np.float32)  # 37 kB there, 74 kB back
    sizes = []
    for turn in range(100):
        session.run({"x": x})
        if turn >= 40 and turn % 10 == 0:
            sizes.append(process.memory_info().rss)
    assert max(sizes) - min(sizes) < 60e6


# ---- sabotage


def place(launch: Launch) -> HostRuntime:
    return HostRuntime(name="place", launch=lambda: launch, missing=lambda: None, providers=(PROVIDER, CPU))


@pytest.fixture
def launch() -> Launch:
    found = places()["webgpu-node"]
    if reason := found.missing():
        pytest.skip(f"webgpu-node: {reason}")
    return found.launch()


def refused(changed: Launch) -> str:
    with closing(place(changed)) as broken, pytest.raises(HostError) as caught:
        broken.open(model())
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_no_driver_is_no_run_on_the_processor(launch: Launch) -> None:
    message = refused(replace(launch, environment={**launch.environment, "VK_DRIVER_FILES": "/nowhere.json"}))
    assert message.startswith(
        "runtime 'place': its WebGpuExecutionProvider does not work: not even a Relu runs there (no options): "
    )
    assert message.endswith(
        "Failed to get a WebGPU adapter: No supported adapters. Install it anew: edgec runtime install place --force."
    )


def test_a_browser_without_its_driver_is_no_run_on_the_processor(tmp_path: Path) -> None:
    found = places()["webgpu-chromium"]
    if reason := found.missing():
        pytest.skip(f"webgpu-chromium: {reason}")
    launch = found.launch()
    program = Path(launch.environment["EDGEC_BROWSER"])
    for file in program.parent.iterdir():
        if file == program:  # it looks for its files where it lies itself
            try:
                os.link(file, tmp_path / file.name)
            except OSError:  # on another disk
                shutil.copy2(file, tmp_path)
        elif "swiftshader" not in file.name:
            (tmp_path / file.name).symlink_to(file)
    message = refused(
        replace(launch, environment={**launch.environment, "EDGEC_BROWSER": str(tmp_path / program.name)})
    )
    assert message.startswith(
        "runtime 'place': its interpreter starts, but cannot import onnxruntime: Error: no available backend found. "
        "ERR: [webgpu] Error: "
    )
    assert " GPU adapter" in message


def test_a_driver_too_old_to_have_the_loader(launch: Launch, tmp_path: Path) -> None:
    loader = tmp_path / "ld.so"
    assert refused(replace(launch, command=(str(loader), *launch.command[1:]))) == (
        f"runtime 'place': cannot be started: {loader}: No such file or directory. See `edgec runtime list`."
    )


def test_no_package_there(launch: Launch, tmp_path: Path) -> None:
    assert refused(replace(launch, site=(tmp_path,))) == (
        "runtime 'place': its interpreter starts, but cannot import onnxruntime: Error: Cannot find module "
        "'onnxruntime-node'. Install it anew: edgec runtime install place --force."
    )


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "its client leaves"])
def test_it_ends_in_the_middle_of_a_run(launch: Launch, kill: bool) -> None:
    """No engine can interrupt native code: the process goes as a whole, and its folder with it."""
    failed: list[str] = []
    with closing(place(launch)) as busy:
        session = busy.open(model(ENDLESS))
        host = busy._running()
        folder = host._child._folder
        assert folder is not None

        def wait_for_ever() -> None:
            try:
                session.run({"x": np.ones(1, np.float32)})
            except HostError as error:
                failed.append(str(error))

        endless = threading.Thread(target=wait_for_ever)
        endless.start()
        process = psutil.Process(host.process_id)
        before = sum(process.cpu_times()[:2])
        until(lambda: sum(process.cpu_times()[:2]) > before + 0.3, "the endless run is under way")
        if kill:
            process.kill()
        else:
            host._child.stdin.close()
        until(lambda: gone(host.process_id), "it ends")
        endless.join(60)
    assert len(failed) == 1
    assert failed[0].startswith("runtime 'place': died (run): killed by SIGKILL.")
    assert not folder.exists()
