"""The HTP simulator runs what it is given, or says why not: sabotage of every part ends in an error, not on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgec.errors import HostError, ModelError
from edgec.runtimes import runtime
from edgec.runtimes.base import Runtime
from edgec.runtimes.host.runtime import HostRuntime
from edgec.runtimes.qnn import PROVIDER, launch_htp, qnn_places

pytestmark = pytest.mark.targets

GOOD = {"backend_type": "htp", "soc_model": "57", "htp_arch": "75"}
QDQ = """<ir_version: 9, opset_import: ["": 19]>
g (float[1, 3, 8, 8] x) => (float[1, 4, 8, 8] y)
<float s = {0.05}, uint8 z = {128}, float ws = {0.02}, int8 wz = {0}, float bs = {0.001}, int32 bz = {0}>
{
    xq = QuantizeLinear(x, s, z) xd = DequantizeLinear(xq, s, z)
    shape = Constant<value: tensor = int64[4] {4, 3, 3, 3}>()
    codes = Constant<value: tensor = int8[1] {17}>()
    w = Expand(codes, shape)
    wd = DequantizeLinear(w, ws, wz)
    c = Conv<pads = [1, 1, 1, 1]>(xd, wd)
    yq = QuantizeLinear(c, s, z) y = DequantizeLinear(yq, s, z)
}"""
X = {"x": np.random.default_rng(3).normal(0, 1, (1, 3, 8, 8)).astype(np.float32)}
BROKEN = "runtime 'broken': its QNNExecutionProvider does not work: not even a Relu runs there "
AGAIN = "Install it anew: edgec runtime install broken --force."


def quantized(batch: str = "1") -> bytes:
    return onnx.parser.parse_model(QDQ.replace("float[1, 3", f"float[{batch}, 3")).SerializeToString()


@pytest.fixture(scope="module")
def htp() -> Iterator[Runtime]:
    found = runtime("qnn-htp")
    if reason := found.available():
        pytest.skip(reason)
    with closing(found):
        yield found


@pytest.fixture(scope="module")
def site(htp: Runtime) -> Path:
    """Where the plugin is installed."""
    return qnn_places()[0].launch().site[0]


def test_integers_are_seen_in_the_backends_own_graph(htp: Runtime) -> None:
    with closing(htp.open(quantized())) as session, closing(runtime("onnxruntime-cpu").open(quantized())) as here:
        found = session.placement(X)
        (kernel,) = [each for each in found.kernels if each.macs]
        assert (kernel.op_type, kernel.provider, kernel.integer) == ("Conv2d", PROVIDER, True)
        assert [dtype for dtype, _ in kernel.inputs[:2]] == ["uint8", "int8"]
        assert (found.mac_share_on(PROVIDER), found.integer_mac_share) == (1.0, 1.0)
        assert found.macs == 8 * 8 * 4 * 3 * 3 * 3
        assert found.crossing_bytes == 3 * 64 + 4 * 64
        steps = np.abs(session.run(X)["y"] - here.run(X)["y"]) / 0.05
        assert steps.max() <= 1.01


def test_floats_are_computed_in_half_precision(htp: Runtime) -> None:
    """Without a soc_model they would be exact, which no device is."""
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["": 19]> g (float[4] x) => (float[4] y) { y = Mul(x, x) }'
    ).SerializeToString()
    x = np.full(4, 1 + 2**-9, np.float32)
    with closing(htp.open(model)) as session:
        y = session.run({"x": x})["y"]
        assert not np.array_equal(y, x * x)
        assert np.allclose(y, x * x, rtol=2**-10)
        found = session.placement({"x": x})
        assert {kernel.provider for kernel in found.kernels} == {PROVIDER}


def refused(site: Path, options: dict[str, str]) -> str:
    launch = launch_htp(site, options, name="broken")
    place = HostRuntime(
        name="broken", launch=lambda: launch, missing=lambda: None, providers=(PROVIDER, "CPUExecutionProvider")
    )
    with closing(place), pytest.raises(HostError) as caught:
        place.open(quantized())
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_a_wrong_backend_path(site: Path) -> None:
    options = {"backend_path": "/nowhere/libQnnHtp.so", "soc_model": "57", "htp_arch": "75"}
    message = refused(site, options)
    assert message.startswith(BROKEN + "(backend_path /nowhere/libQnnHtp.so, soc_model 57, htp_arch 75): ")
    assert message.endswith(f"gives none of its nodes to {PROVIDER}. {AGAIN}")


def test_options_that_exclude_each_other(site: Path) -> None:
    message = refused(site, {**GOOD, "backend_path": "/nowhere/libQnnHtp.so"})
    assert message.startswith(BROKEN)
    assert message.endswith(f"Only one of 'backend_type' and 'backend_path' should be set. {AGAIN}")


def test_a_chip_that_does_not_exist(site: Path) -> None:
    message = refused(site, {**GOOD, "soc_model": "99999"})
    assert message.startswith(BROKEN + "(backend_type htp, soc_model 99999, htp_arch 75): ")


def copied(site: Path, folder: Path, *, without: str) -> Path:
    """The site without one file of the plugin, the rest linked."""
    for path in site.iterdir():
        if path.name != "onnxruntime_qnn":
            (folder / path.name).symlink_to(path)
    (folder / "onnxruntime_qnn").mkdir()
    for path in (site / "onnxruntime_qnn").iterdir():
        if path.name != without:
            (folder / "onnxruntime_qnn" / path.name).symlink_to(path)
    return folder


def test_a_missing_backend_library(site: Path, tmp_path: Path) -> None:
    message = refused(copied(site, tmp_path, without="libQnnHtp.so"), GOOD)
    assert message.startswith(BROKEN + "(backend_type htp, soc_model 57, htp_arch 75): ")


def test_a_missing_plugin_library(site: Path, tmp_path: Path) -> None:
    message = refused(copied(site, tmp_path, without="libonnxruntime_providers_qnn.so"), GOOD)
    assert message.startswith(f"runtime 'broken': its interpreter starts, but cannot load {PROVIDER}: ")
    assert "libonnxruntime_providers_qnn.so" in message


def test_a_dynamic_shape(htp: Runtime) -> None:
    with pytest.raises(ModelError) as caught:
        htp.open(quantized("N"))
    assert str(caught.value) == (
        f"model: ONNX Runtime {htp.facts().onnxruntime} of runtime 'qnn-htp' gives none of its nodes to {PROVIDER}: "
        "its inputs have dynamic shapes: x ['N', 3, 8, 8]. All of it would run on the CPU. "
        "Fix its shapes when you compile it: --shape."
    )
