"""Small real models for the compiler's tests: a recurrent net made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


@pytest.fixture
def recurrent(tmp_path: Path) -> Path:
    """y = Relu(Gemm(x) + state), state' = y: a model that carries state from step to step."""
    rng = np.random.default_rng(0)
    weight = numpy_helper.from_array(rng.normal(size=(8, 8)).astype(np.float32) / 4, "w")
    bias = numpy_helper.from_array(rng.normal(size=8).astype(np.float32), "b")
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["g"], name="gemm"),
        helper.make_node("Add", ["g", "state"], ["s"], name="add"),
        helper.make_node("Relu", ["s"], ["y"], name="relu"),
        helper.make_node("Identity", ["y"], ["state_out"], name="out"),
    ]
    tensor = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8])  # noqa: E731
    graph = helper.make_graph(
        nodes, "recurrent", [tensor("x"), tensor("state")], [tensor("y"), tensor("state_out")], [weight, bias]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "recurrent.onnx"
    onnx.save(model, path)
    return path
