"""What the products of a model file multiply with, dequantized, and which of it is 0."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

__all__ = ["products", "still_zero"]

PRODUCTS = ("Conv", "Gemm", "MatMul", "FusedConv", "FusedGemm")


def products(path: Path) -> list[np.ndarray]:
    """What the products of a model multiply with, in its order, dequantized as ONNX Runtime computes it.

    Weights in blocks of `MatMulNBits` and of integer products are read by multiplying the identity.
    """
    proto = onnx.load(path)
    made = {name: node for node in proto.graph.node for name in node.output}
    constant = {each.name for each in proto.graph.initializer}

    def is_constant(name: str) -> bool:
        if name in constant or not name:
            return True
        node = made.get(name)
        return node is not None and all(is_constant(each) for each in node.input)

    wanted: list[str] = []
    found: dict[str, np.ndarray] = {}
    for node in proto.graph.node:
        name = node.output[0]
        if node.op_type == "MatMulNBits":
            found[name] = _by_identity(proto, node)
            wanted.append(name)
        elif node.op_type in PRODUCTS and len(node.input) > 1 and is_constant(node.input[1]):
            wanted.append(node.input[1])
        elif node.op_type == "MatMulInteger":
            arrays = {each.name: numpy_helper.to_array(each) for each in proto.graph.initializer}
            zero = arrays[node.input[3]] if len(node.input) > 3 and node.input[3] else 0
            found[name] = arrays[node.input[1]].astype(np.int32) - np.asarray(zero, np.int32)
            wanted.append(name)
    weights = dict.fromkeys(each for each in wanted if each not in found)
    computed = [each for each in weights if each not in constant]
    arrays = {each.name: numpy_helper.to_array(each) for each in proto.graph.initializer if each.name in weights}
    if computed:
        del proto.graph.output[:]
        proto.graph.output.extend(helper.make_empty_tensor_value_info(each) for each in computed)
        session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
        feeds = {
            each.name: np.zeros([dim if isinstance(dim, int) else 1 for dim in each.shape], np.float32)
            for each in session.get_inputs()
        }
        arrays |= dict(zip(computed, session.run(computed, feeds), strict=True))
    return [np.asarray(found.get(each, arrays.get(each)), np.float32) for each in wanted]


def _by_identity(proto: onnx.ModelProto, node: onnx.NodeProto) -> np.ndarray:
    columns = next(each.i for each in node.attribute if each.name == "K")
    alone = onnx.NodeProto()
    alone.CopyFrom(node)
    alone.input[0], alone.output[0] = "x", "y"
    attributes = [each for each in alone.attribute if each.name != "accuracy_level"]  # in float, not in int8
    del alone.attribute[:]
    alone.attribute.extend(attributes)
    kept = [each for each in proto.graph.initializer if each.name in alone.input]
    graph = helper.make_graph(
        [alone],
        "identity",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, columns])],
        [helper.make_empty_tensor_value_info("y")],
        kept,
    )
    single = helper.make_model(graph, opset_imports=list(proto.opset_import), ir_version=proto.ir_version)
    session = onnxruntime.InferenceSession(single.SerializeToString(), providers=["CPUExecutionProvider"])
    (made,) = session.run(None, {"x": np.eye(columns, dtype=np.float32)})
    return np.asarray(made)


def still_zero(bundle: Path, pruned: list[np.ndarray]) -> list[tuple[int, int]]:
    """Of each product: zeros of the pruned model, and how many of them are 0 in the bundle; padding is cut off."""
    found = products(bundle)
    assert len(found) == len(pruned)
    counts = []
    for now, before in zip(found, pruned, strict=True):
        if now.ndim == 2 and now.shape != before.shape:
            now = now.T
        cut = now[tuple(slice(size) for size in before.shape)]
        assert cut.shape == before.shape
        counts.append((int((before == 0).sum()), int((cut[before == 0] == 0).sum())))
    return counts
