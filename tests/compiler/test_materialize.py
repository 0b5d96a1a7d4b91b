"""Weights reach the runtime as they are: the graph travels without them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgec.compiler.load import load_model
from edgec.compiler.materialize import in_memory, materialize, weight_bytes
from edgec.runtimes.base import SessionSettings
from edgec.runtimes.ort import OrtCpu


def gemm(*, unused: bool = False) -> ir.Model:
    rng = np.random.default_rng(0)
    inits = {"w": rng.normal(size=(32, 16)), "b": rng.normal(size=16)} | ({"old": np.ones((32, 32))} if unused else {})
    proto = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[N, 32] x) => (float[N, 16] y) { y = Gemm(x, w, b) }'
    )
    for name, array in inits.items():
        proto.graph.initializer.append(onnx.numpy_helper.from_array(array.astype(np.float32), name))
    return load_model(proto).model


@pytest.mark.parametrize("unused", [False, True])
def test_the_same_answers_without_serializing_the_weights(unused: bool) -> None:
    model = gemm(unused=unused)
    x = np.random.default_rng(1).normal(size=(3, 32)).astype(np.float32)
    with materialize(model) as source:
        expected = OrtCpu().open(source).run({"x": x})["y"]
    before = model.graph.initializers["w"].const_value
    light = in_memory(model)
    assert set(light.weights) == {"w"}
    assert len(light.graph) < weight_bytes(model)
    assert model.graph.initializers["w"].const_value is before
    session = OrtCpu().open(light, SessionSettings(threads=1))
    np.testing.assert_array_equal(session.run({"x": x})["y"], expected)
    assert session.placement({"x": x}).macs == 3 * 32 * 16
    session.close()


def test_a_large_model_goes_through_a_folder_that_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgec.compiler.materialize.EXTERNAL_ABOVE", 1024)
    with materialize(gemm()) as source:
        assert isinstance(source, Path)
        assert sorted(file.name for file in source.parent.iterdir()) == ["model.onnx", "model.onnx.data"]
        assert OrtCpu().open(source).inputs[0].name == "x"
    assert not source.parent.exists()
