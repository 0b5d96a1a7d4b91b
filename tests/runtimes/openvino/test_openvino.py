"""OpenVINO runs what it is given, in integers where they are seen; sabotage ends in an error, never on the CPU."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgec.errors import HostError, ModelError
from edgec.runtimes import runtime
from edgec.runtimes.base import Placement, SessionSettings
from edgec.runtimes.host.runtime import HostRuntime
from edgec.runtimes.onednn import PARTITION
from edgec.runtimes.openvino import PROVIDER, launch_openvino, openvino_places

pytestmark = pytest.mark.targets

PROVIDERS = (PROVIDER, "CPUExecutionProvider")
QDQ = """<ir_version: 9, opset_import: ["": OPSET]>
g (float[N, 3, 8, 8] x) => (float[N, 4, 8, 8] y)
<float s = {0.05}, uint8 z = {128}, float ws = {0.02}, int8 wz = {0}>
{
    xq = QuantizeLinear(x, s, z) xd = DequantizeLinear(xq, s, z)
    shape = Constant<value: tensor = int64[4] {4, 3, 3, 3}>()
    codes = Constant<value: tensor = int8[1] {17}>()
    w = Expand(codes, shape)
    wd = DequantizeLinear(w, ws, wz)
    c = Conv<pads = [1, 1, 1, 1]>(xd, wd)
    yq = QuantizeLinear(c, s, z) y = DequantizeLinear(yq, s, z)
}"""
FLOAT = """<ir_version: 9, opset_import: ["": 17]>
g (float[N, 3, 8, 8] x) => (float[N, 4, 8, 8] y)
{
    shape = Constant<value: tensor = int64[4] {4, 3, 3, 3}>()
    value = Constant<value: tensor = float[1] {0.34}>()
    w = Expand(value, shape)
    y = Conv<pads = [1, 1, 1, 1]>(x, w)
}"""
X = {"x": np.random.default_rng(3).normal(0, 1, (2, 3, 8, 8)).astype(np.float32)}
MACS = 2 * 4 * 8 * 8 * 3 * 3 * 3
REFUSED = (
    "runtime 'broken': does not run it where the target asks for: [ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Failed "
    "to add provider of type 'OpenVINOExecutionProvider' to SessionOptions. Provider configuration is not supported. "
    "Install it anew: edgec runtime install broken --force."
)


def quantized(opset: int = 19) -> bytes:
    return onnx.parser.parse_model(QDQ.replace("OPSET", str(opset))).SerializeToString()


@pytest.fixture(scope="module")
def place() -> Iterator[HostRuntime]:
    found = runtime("openvino-cpu")
    reason = found.available()
    if reason is not None:
        pytest.skip(reason)
    assert isinstance(found, HostRuntime)
    with closing(found):
        yield found


@pytest.fixture
def site(place: HostRuntime) -> Path:
    """Where it is installed."""
    (its,) = openvino_places()
    return its.launch().site[0]


def placed(place: HostRuntime, model: bytes) -> Placement:
    with closing(place.open(model, SessionSettings(threads=1))) as session:
        return session.placement(X)


def test_integers_are_seen(place: HostRuntime) -> None:
    found = placed(place, quantized())
    assert found.evidence == (
        "profile of one run, ONNX Runtime's graph assignment record and the primitives that oneDNN prints"
    )
    assert {kernel.provider for kernel in found.kernels} == {PROVIDER}
    assert (found.macs, found.integer_macs, found.partitions, found.crossing_bytes) == (MACS, MACS, 1, 0)
    (convolution,) = [kernel for kernel in found.kernels if kernel.macs]
    assert convolution.inputs == (("uint8", ()), ("int8", ()))


def test_float_is_seen_as_such(place: HostRuntime) -> None:
    found = placed(place, onnx.parser.parse_model(FLOAT).SerializeToString())
    assert (found.macs, found.integer_macs) == (MACS, 0)


def test_attention_is_nobodys_integer(place: HostRuntime) -> None:
    """OpenVINO computes it in one kernel that prints nothing: what is missing counts, as float's."""
    text = """<ir_version: 9, opset_import: ["": 17]>
    g (float[1, 4, 32, 16] q, float[1, 4, 32, 16] k, float[1, 4, 32, 16] v) => (float[1, 4, 32, 16] y)
    { t = Transpose<perm = [0, 1, 3, 2]>(k) s = MatMul(q, t) p = Softmax(s) y = MatMul(p, v) }"""
    feeds = {name: np.random.default_rng(5).normal(0, 1, (1, 4, 32, 16)).astype(np.float32) for name in "qkv"}
    with closing(place.open(onnx.parser.parse_model(text).SerializeToString())) as session:
        found = session.placement(feeds)
    assert (found.macs, found.integer_macs) == (2 * 4 * 32 * 32 * 16, 0)


def test_a_part_on_the_cpu_provider_is_named(place: HostRuntime) -> None:
    text = """<ir_version: 9, opset_import: ["": 17]>
    g (float[2, 3, 8, 8] x) => (float[2, 3, 8, 8] y) {
        a = Relu(x) b = Exp(a) c = Add(a, b) d = Tanh(c) h = Hardmax(d) e = Sigmoid(h) f = Exp(e) y = Mul(e, f)
    }"""
    with closing(place.open(onnx.parser.parse_model(text).SerializeToString())) as session:
        found = session.placement(X)
    assert [kernel.op_type for kernel in found.off_provider((PROVIDER,))] == ["Hardmax"]
    assert found.partitions == 3
    assert found.crossing_bytes is None  # no graph shows it


def test_nothing_for_openvino_is_an_error(place: HostRuntime) -> None:
    text = """<ir_version: 9, opset_import: ["": 17]> g (float[4, 8] x) => (float[4, 8] y) { y = Hardmax(x) }"""
    with pytest.raises(ModelError) as caught:
        place.open(onnx.parser.parse_model(text).SerializeToString())
    assert str(caught.value) == (
        "model: ONNX Runtime 1.24.1 of runtime 'openvino-cpu' gives none of its nodes to OpenVINOExecutionProvider. "
        "All of it would run on the CPU. Compile it for a target of that runtime."
    )


@pytest.mark.parametrize("opset", [13, 17, 21, 25])
def test_operator_sets_it_loads(place: HostRuntime, opset: int) -> None:
    with (
        closing(place.open(quantized(opset))) as there,
        closing(runtime("onnxruntime-cpu").open(quantized(opset))) as here,
    ):
        found, expected = there.run(X)["y"], here.run(X)["y"]
    assert np.abs(found - expected).max() <= 0.051  # one step
    assert found.std() > 0.5


def test_one_it_does_not_load(place: HostRuntime) -> None:
    with pytest.raises(ModelError, match=r"of runtime 'openvino-cpu' cannot open it: .* till opset 25"):
        place.open(quantized(26))


def broken(site: Path, device: str = "CPU") -> str:
    place = HostRuntime(
        name="broken", launch=lambda: launch_openvino(site, device), missing=lambda: None, providers=PROVIDERS
    )
    with closing(place), pytest.raises(HostError) as caught:
        place.open(quantized())
    assert caught.value.exit_code == 3
    return str(caught.value)


@pytest.mark.parametrize("device", ["GPU", "NPU"])
def test_a_device_that_is_not_here(site: Path, device: str) -> None:
    nodes = {"GPU": Path("/dev/dri"), "NPU": Path("/dev/accel")}
    if nodes[device].exists():
        pytest.skip(f"this machine may have a {device}")
    assert broken(site, device) == REFUSED


@pytest.mark.parametrize(
    "library",
    [
        "libonnxruntime_providers_openvino.so",
        "libopenvino.so.2541",
        "libopenvino_intel_cpu_plugin.so",
        "libopenvino_onnx_frontend.so.2541",
    ],
)
def test_a_library_that_is_missing(site: Path, library: str, tmp_path: Path) -> None:
    copy = tmp_path / "site"
    shutil.copytree(site, copy, copy_function=_link)
    (copy / "onnxruntime" / "capi" / library).unlink()
    assert broken(copy) == REFUSED


def _link(source: str, target: str) -> None:
    """300 MB are linked where the disk is the same one."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def test_the_partition_is_a_kernel_of_its_own(place: HostRuntime) -> None:
    last = placed(place, quantized()).kernels[-1]
    assert last.op_type.startswith(PARTITION)
    assert last.macs == 0
