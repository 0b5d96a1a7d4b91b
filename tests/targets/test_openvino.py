"""The OpenVINO target: u8 x s8 in any number of channels, nothing padded, and a bundle this process runs as well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import weights
from support.protos import proto

import edgec
from edgec.compiler.search import _executable
from edgec.errors import OptionError
from edgec.runtimes import runtime
from edgec.targets import find_target

RNG = np.random.default_rng(3)
# Depthwise-separable, with channel counts no kernel of MLAS is made for.
NET = """g (float[N, 3, 12, 12] x) => (float[N, 5] y) {
    a = Conv <pads = [1, 1, 1, 1]> (x, w)
    b = Relu(a)
    c = Conv <pads = [1, 1, 1, 1], group = 10> (b, d)
    e = Relu(c)
    f = Conv(e, p)
    h = Add(f, e)
    m = GlobalAveragePool(h)
    r = Flatten(m)
    y = Gemm(r, k)
}"""
WEIGHTS = {"w": weights(10, 3, 3, 3), "d": weights(10, 1, 3, 3), "p": weights(10, 10, 1, 1), "k": weights(10, 5)}
SAMPLES = [{"x": RNG.normal(0, 1, (1, 3, 12, 12)).astype(np.float32)} for _ in range(8)]
MACS = 10 * 12 * 12 * (27 + 9 + 10) + 50


def compiled(output: Path, opset: int = 17) -> edgec.Bundle:
    source = proto(NET, opset=opset, ir_version=10, **WEIGHTS)
    return edgec.compile(
        source, target="intel-openvino", calibration=SAMPLES, output=output, prove=False, cache=False, scheme="a8w8"
    )


@pytest.mark.parametrize("opset", [17, 21])
def test_every_layer_is_u8_by_s8_and_none_is_padded(tmp_path: Path, opset: int) -> None:
    graph = ir.load(compiled(tmp_path / "out", opset).model).graph
    layers = [node for node in graph if node.op_type in ("Conv", "Gemm")]
    assert len(layers) == 4
    for node in layers:
        x, w = (value.producer() for value in node.inputs[:2])
        assert (x.op_type, w.op_type) == ("DequantizeLinear", "DequantizeLinear")
        assert x.inputs[2].const_value.dtype == ir.DataType.UINT8
        assert w.inputs[0].const_value.dtype == ir.DataType.INT8
        assert w.inputs[0].shape[0 if node.op_type == "Conv" else 1] in (5, 10)


def test_its_manifest_names_the_providers(tmp_path: Path) -> None:
    target = compiled(tmp_path / "out").manifest["target"]
    assert target["runtime"] == "onnxruntime-openvino"
    assert target["providers"] == ["OpenVINOExecutionProvider", "CPUExecutionProvider"]


def test_times_of_this_process_are_not_its() -> None:
    """The CPU provider's kernels may be this machine's, whose instruction set it shares: OpenVINO has its own."""
    assert not _executable(find_target("intel-openvino"))


def test_ranges_taken_at_run_time_are_refused(tmp_path: Path) -> None:
    source = proto(NET, opset=17, ir_version=10, **WEIGHTS)
    with pytest.raises(OptionError) as caught:
        edgec.compile(source, target="intel-openvino", scheme="d8w8", output=tmp_path / "out", prove=False, cache=False)
    assert str(caught.value) == (
        "--scheme d8w8: is slower than float on target intel-openvino, which computes in float what takes ranges at "
        "run time. Give --calibration, or choose w8 (weights only)."
    )


@pytest.mark.targets
def test_all_macs_are_seen_in_integers(tmp_path: Path) -> None:
    place = runtime("openvino-cpu")
    reason = place.available()
    if reason is not None:
        pytest.skip(reason)
    bundle = compiled(tmp_path / "out")
    feeds, golden = bundle.golden()
    try:
        session = place.open(bundle.model)
        placement, found = session.placement(feeds[0]), session.run(feeds[0])
    finally:
        place.close()
    assert not placement.off_provider(("OpenVINOExecutionProvider",))
    assert (placement.partitions, placement.macs, placement.integer_mac_share) == (1, MACS, 1.0)
    noise = np.square(found["y"] - golden[0]["y"]).mean()
    assert noise <= 0.01 * np.square(golden[0]["y"]).mean()
