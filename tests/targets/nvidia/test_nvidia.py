"""The NVIDIA targets, end to end: symmetric INT8 for TensorRT, fp16 for CUDA, both checked and not executed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import weights
from support.protos import proto

import edgec
from edgec.compiler.prove import prove
from edgec.errors import ModelError, OptionError
from edgec.passes.edit import constant_array
from edgec.targets.nvidia.tensorrt_support import TENSORRT
from edgec.targets.support import check

RNG = np.random.default_rng(3)
NET = """g (float[1, 3, 12, 12] x) => (float[1, 5] y) {
    a = Conv <pads = [1, 1, 1, 1]> (x, w, b)
    c = Relu(a)
    d = Conv <pads = [1, 1, 1, 1], group = 8> (c, dw)
    e = Conv(d, p, b)
    f = Add(e, c)
    h = Relu(f)
    i = Conv(h, p)
    m = GlobalAveragePool(i)
    r = Flatten(m)
    y = Gemm(r, k, o)
}"""
WEIGHTS = {
    "w": weights(8, 3, 3, 3),
    "dw": weights(8, 1, 3, 3),
    "p": weights(8, 8, 1, 1),
    "b": weights(8),
    "k": weights(8, 5),
    "o": weights(5),
}
SAMPLES = [{"x": RNG.normal(0, 1, (1, 3, 12, 12)).astype(np.float32)} for _ in range(8)]


def compiled(output: Path, target: str, **options: object) -> edgec.Bundle:
    source = proto(NET, opset=17, ir_version=8, **WEIGHTS)
    options = {"calibration": SAMPLES, "prove": False, **options}
    return edgec.compile(source, target=target, output=output, cache=False, **options)


def test_tensorrt_gets_symmetric_integers_and_float_biases(tmp_path: Path) -> None:
    model = ir.load(compiled(tmp_path / "out", "jetson-orin").model)
    assert model.graph.opset_imports[""] <= 20
    assert model.ir_version <= 10
    layers = [node for node in model.graph if node.op_type in ("Conv", "Gemm")]
    assert len(layers) == 5
    for node in layers:
        codes = [value.producer().inputs for value in node.inputs[:2]]
        assert [(of[2].dtype, bool(constant_array(of[2]).any())) for of in codes] == [(ir.DataType.INT8, False)] * 2
        assert codes[1][1].shape[0] == codes[1][0].shape[0 if node.op_type == "Conv" else 1]  # one scale per output
        assert codes[0][1].shape.rank() == 0
        assert all(value.producer() is None and value.dtype == ir.DataType.FLOAT for value in node.inputs[2:])
    checked = check(model, TENSORRT)
    assert (checked.supported, checked.partitions) == (checked.nodes, 1)
    assert [each.unit.node.op_type for each in checked.units if each.integer].count("Conv") == 4


def test_the_residual_is_rounded_and_the_convolution_is_not(tmp_path: Path) -> None:
    model = ir.load(compiled(tmp_path / "out", "jetson-orin").model)
    (add,) = (node for node in model.graph if node.op_type == "Add")
    assert sorted(value.producer().op_type for value in add.inputs) == ["Conv", "DequantizeLinear"]


@pytest.mark.parametrize("options", [{}, {"calibration": None}])
def test_cuda_computes_in_fp16_whatever_samples_there_are(tmp_path: Path, options: dict[str, object]) -> None:
    bundle = compiled(tmp_path / "out", "nvidia-cuda", **options)
    model = ir.load(bundle.model)
    assert bundle.manifest["scheme"] == "fp16"
    assert [value.dtype for value in (*model.graph.inputs, *model.graph.outputs)] == [ir.DataType.FLOAT] * 2
    inner = [node for node in model.graph if node.op_type != "Cast"]
    assert {value.dtype for node in inner for value in node.inputs if value.is_initializer()} == {ir.DataType.FLOAT16}
    assert len([node for node in model.graph if node.op_type == "Cast"]) == 2
    feeds, golden = bundle.golden()
    assert np.abs(golden[0]["y"]).max() > 0
    assert list(feeds[0]) == ["x"]


def test_what_has_nothing_to_halve_ships_as_it_is_and_says_so(tmp_path: Path) -> None:
    source = proto("g (int64[2] x) => (int64[2] y) { y = Abs(x) }")
    bundle = edgec.compile(source, target="nvidia-cuda", output=tmp_path / "out", cache=False, prove=False)
    assert "nothing computes in fp16: it stays in float32" in bundle.manifest["notes"]
    with pytest.raises(ModelError) as caught:
        edgec.compile(source, target="nvidia-cuda", scheme="fp16", output=tmp_path / "asked", cache=False, prove=False)
    assert str(caught.value) == (
        "g: has nothing that scheme fp16 stores in integers. Pack it as it is with --scheme float, or choose another "
        "scheme."
    )


@pytest.mark.parametrize("target", ["jetson-orin", "nvidia-cuda"])
def test_the_verdict_says_checked_and_not_executed(tmp_path: Path, target: str) -> None:
    bundle = compiled(tmp_path / "out", target, prove=True)
    verdict = prove(bundle, evaluation=SAMPLES)
    assert verdict.exit_code == 0
    proof = json.loads((bundle.path / "proof" / "proof.json").read_text())
    assert proof["checked"]["supported"] == proof["checked"]["nodes"]
    assert {row["provider"] for row in proof["checked"]["table"]} == {bundle.manifest["target"]["providers"][0]}


@pytest.mark.parametrize(
    ("target", "scheme", "message"),
    [
        (
            "nvidia-cuda",
            "a8w8",
            "--scheme a8w8: would be computed in float32 on target nvidia-cuda, which is there for fp16. Choose one of "
            "fp16, float.",
        ),
        (
            "jetson-orin",
            "w8",
            "--scheme w8: would be computed in float32 on target jetson-orin, which is there for INT8 or fp16. Give "
            "--calibration, or choose one of a8w8, fp16, float.",
        ),
    ],
)
def test_what_the_gpu_would_compute_in_float32_is_refused(
    tmp_path: Path, target: str, scheme: str, message: str
) -> None:
    with pytest.raises(OptionError) as caught:
        compiled(tmp_path / "out", target, scheme=scheme)
    assert str(caught.value) == message
