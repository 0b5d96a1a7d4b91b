"""Constant nodes become initializers, so that a weight looks the same however it was exported."""

from __future__ import annotations

import onnx

from .detached import graphs

__all__ = ["lift_constants"]


def lift_constants(model: onnx.ModelProto) -> None:
    """Turn Constant nodes into initializers of the same name, in the main graph and in bodies.

    Left alone: a constant that is a graph output, as it needs a node, and a sparse one. Done here rather than
    by `onnx_ir`'s pass because that one takes 0.2 ms per node.
    """
    for graph in graphs(model):
        outputs = {value.name for value in graph.output}
        for index in reversed(range(len(graph.node))):
            node = graph.node[index]
            if node.op_type != "Constant" or node.domain or node.output[0] in outputs:
                continue
            tensor = _tensor(node)
            if tensor is not None:
                tensor.name = node.output[0]
                graph.initializer.append(tensor)
                del graph.node[index]


def _tensor(node: onnx.NodeProto) -> onnx.TensorProto | None:
    """The tensor a Constant node makes, in the six forms an attribute may give it; None for a sparse one."""
    if len(node.attribute) != 1:
        return None
    kind, attribute = onnx.TensorProto, node.attribute[0]
    match attribute.name:
        case "value":
            tensor = onnx.TensorProto()
            tensor.CopyFrom(attribute.t)
            return tensor
        case "value_int":
            return onnx.TensorProto(data_type=kind.INT64, int64_data=[attribute.i])
        case "value_ints":
            return onnx.TensorProto(data_type=kind.INT64, dims=[len(attribute.ints)], int64_data=attribute.ints)
        case "value_float":
            return onnx.TensorProto(data_type=kind.FLOAT, float_data=[attribute.f])
        case "value_floats":
            return onnx.TensorProto(data_type=kind.FLOAT, dims=[len(attribute.floats)], float_data=attribute.floats)
        case "value_string":
            return onnx.TensorProto(data_type=kind.STRING, string_data=[attribute.s])
        case "value_strings":
            return onnx.TensorProto(data_type=kind.STRING, dims=[len(attribute.strings)], string_data=attribute.strings)
    return None
