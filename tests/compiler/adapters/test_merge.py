"""W + A B before anything else: what merging changes, what the type of the weights loses, what cannot be merged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper, numpy_helper
from support.lowrank import WIDTH, factors, merged, model, weights, write_peft

import edgec
from edgec.compiler.adapters.merge import merge
from edgec.errors import ModelError

W = weights()
GIVEN = factors({"q_proj": 4, "down_proj": 4}, 0, 0.1)
Q0 = "model.layers.0.self_attn.q_proj"


def test_weights_are_merged_when_they_are_read(tmp_path: Path) -> None:
    read = ir.from_proto(model(W))
    done = merge(read, write_peft(tmp_path, GIVEN, lora_alpha=8), {})
    wanted = merged(W, GIVEN, {4: 8.0})
    for module in W:
        tensor = read.graph.initializers[f"{module}.weight"].const_value
        assert tensor is not None
        np.testing.assert_allclose(tensor.numpy(), wanted[module], rtol=1e-5, atol=1e-6)
    change = max(np.linalg.norm(wanted[m] - W[m]) / np.linalg.norm(W[m]) for m in GIVEN)
    assert done.linears == 4
    np.testing.assert_allclose(done.change, change, rtol=1e-4)
    assert done.lost == 0.0
    assert done.note == (
        f"adapter {tmp_path.name} is merged into 4 weights: it changes them by {100 * change:.2g} % at most, "
        "and their type loses 0 % of that"
    )


def test_half_weights_lose_some_of_it(tmp_path: Path) -> None:
    proto = model(W)
    (q,) = (t for t in proto.graph.initializer if t.name == f"{Q0}.weight")
    half = W[Q0].astype(np.float16)
    proto.graph.initializer.remove(q)
    proto.graph.initializer.append(numpy_helper.from_array(half, q.name))
    given = {Q0: GIVEN[Q0]}
    read = ir.from_proto(proto)
    done = merge(read, write_peft(tmp_path, given, lora_alpha=8), {})
    exact = merged({Q0: half.astype(np.float32)}, given, {4: 8.0})[Q0]
    lost = np.linalg.norm(exact.astype(np.float16) - exact.astype(np.float64))
    np.testing.assert_allclose(done.lost, lost / np.linalg.norm(exact - half), rtol=0.05)
    stored = read.graph.initializers[f"{Q0}.weight"].const_value
    assert stored is not None
    assert stored.dtype == ir.DataType.FLOAT16
    np.testing.assert_allclose(stored.numpy(), exact.astype(np.float16), atol=2e-3)


def test_a_tied_table_keeps_its_rows(tmp_path: Path) -> None:
    """An embedding that shares its matrix with the head is not changed by what the head learned."""
    table = np.random.default_rng(0).standard_normal((40, 16)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["wte.weight", "ids"], ["h"]),
        helper.make_node("Gemm", ["h", "wte.weight"], ["y"], name="/lm_head/Gemm", transB=1),
    ]
    info = [helper.make_tensor_value_info("ids", 7, [3])]
    graph = helper.make_graph(nodes, "g", info, [helper.make_tensor_value_info("y", 1, [3, 40])],
                              [numpy_helper.from_array(table, "wte.weight")])  # fmt: skip
    read = ir.from_proto(onnx.shape_inference.infer_shapes(helper.make_model(graph)))
    a, b = np.ones((2, 16), np.float32), np.ones((40, 2), np.float32)
    merge(read, write_peft(tmp_path, {"lm_head": (a, b)}, lora_alpha=2), {})
    found = {name: value.const_value.numpy() for name, value in read.graph.initializers.items() if value.const_value}
    np.testing.assert_array_equal(found["wte.weight"], table)
    np.testing.assert_allclose(found["wte.weight_merged"], table + b @ a, rtol=1e-5)


def test_what_is_in_blocks_already_cannot_be_merged_into(tmp_path: Path) -> None:
    node = helper.make_node("MatMulNBits", ["x", "q.MatMul.weight_Q4", "s"], ["y"], name="n", domain="com.microsoft",
                            K=6, N=5, bits=4, block_size=32)  # fmt: skip
    tensors = [numpy_helper.from_array(np.zeros((5, 1, 16), np.uint8), "q.MatMul.weight_Q4"),
               numpy_helper.from_array(np.ones(5, np.float32), "s")]  # fmt: skip
    read = ir.from_proto(helper.make_model(helper.make_graph([node], "g", [], [], tensors)))
    write_peft(tmp_path, {"q": (np.ones((2, 6), np.float32), np.ones((5, 2), np.float32))})
    with pytest.raises(ModelError) as caught:
        merge(read, tmp_path, {})
    assert str(caught.value) == (
        f"{tmp_path}, linear 'q': has no weight in floating point to merge into. Its node 'n' reads "
        "'q.MatMul.weight_Q4'. Give the float model, or keep the adapter beside the model with --adapter NAME=FOLDER."
    )


def test_a_merged_bundle_is_compared_with_merged_float(tmp_path: Path) -> None:
    write_peft(tmp_path / "law", GIVEN, lora_alpha=8)
    bundle = edgec.compile(
        model(W), scheme="w8", output=tmp_path / "out", merge_adapter=tmp_path / "law", cache=False, report=False
    )
    x = {"x": np.random.default_rng(1).standard_normal((3, WIDTH)).astype(np.float32)}
    plain = edgec.compile(model(merged(W, GIVEN, {4: 8.0})), scheme="w8", output=tmp_path / "plain", prove=False)
    np.testing.assert_allclose(bundle.run(x)["y"], plain.run(x)["y"], rtol=1e-3, atol=1e-3)
    source = bundle.manifest["source"]
    assert (source["merged"], len(source["merged_digest"])) == ("law", 64)
    assert any(note.startswith("adapter law is merged into 4 weights") for note in bundle.manifest["notes"])
    assert bundle.adapters == ()
