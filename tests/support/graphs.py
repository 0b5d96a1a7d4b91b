"""Models from ONNX text, with constants given as numpy arrays.

`onnx_ir.from_onnx_text(..., initializers=...)` leaves those values without dtype and shape, and initializers
written in the text are illegible beyond a few numbers. Here the text holds the graph, numpy the constants.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir
from onnx import numpy_helper

__all__ = ["feeds_of", "graph_text", "model", "weights"]

OPSET = 17


def model(
    text: str, /, *, opset: int = OPSET, infer: bool = True, domains: str = "", **constants: np.ndarray
) -> ir.Model:
    """The model of `name (inputs) => (outputs) { nodes }`; a constant that is an input too is overridable.

    Args:
        text: The graph in ONNX text.
        opset: Default operator set.
        infer: Infer shapes, as loading does; False leaves every inner value without type and shape.
        domains: Further opset imports: `"com.microsoft": 1`.
        **constants: Initializers by name, registered in this order; `.` in a name is written `__`.

    Returns:
        The model, its nodes named after their first output.
    """
    imports = f'"": {opset}' + (f", {domains}" if domains else "")
    proto = onnx.parser.parse_model(f"<ir_version: 8, opset_import: [{imports}]>\n{text}")
    for name, array in constants.items():
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name.replace("__", ".")))
    if infer:
        proto = onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
    made = ir.serde.deserialize_model(proto)
    for node in ir.traversal.RecursiveGraphIterator(made.graph):
        node.name = node.name or next(output.name for output in node.outputs if output.name)
    return made


def weights(*shape: int, seed: int = 0, scale: float = 0.5) -> np.ndarray:
    """Normal float32 numbers, the same for the same arguments."""
    return (np.random.default_rng((seed, *shape)).standard_normal(shape) * scale).astype(np.float32)


def feeds_of(model: ir.Model, *, seed: int = 0, sizes: Mapping[str, int] | None = None) -> dict[str, np.ndarray]:
    """Random feeds for every input without a default; a free dimension has size 2, or that of `sizes`."""
    rng = np.random.default_rng(seed)
    feeds = {}
    for value in model.graph.inputs:
        if value.is_initializer():
            continue
        assert value.shape is not None, value.name
        assert value.dtype is not None, value.name
        known = sizes or {}
        shape = [dim if isinstance(dim, int) else known.get(str(dim.value), 2) for dim in value.shape]
        dtype = value.dtype.numpy()
        if dtype == np.bool_:
            feeds[str(value.name)] = rng.integers(0, 2, shape).astype(dtype)
        elif np.issubdtype(dtype, np.integer):
            feeds[str(value.name)] = rng.integers(0, 3, shape).astype(dtype)
        else:
            feeds[str(value.name)] = rng.standard_normal(shape).astype(dtype)
    return feeds


def graph_text(model: ir.Model) -> str:
    """The nodes of the main graph in ONNX text, one a line; constants by name only."""
    lines = []
    for node in model.graph:
        outputs = ", ".join(str(value.name or '""') for value in node.outputs)
        inputs = ", ".join('""' if value is None else str(value.name) for value in node.inputs)
        attributes = ", ".join(f"{a.name}={_plain(a)}" for a in sorted(node.attributes.values(), key=lambda a: a.name))
        lines.append(f"{outputs} = {node.op_type}{f'<{attributes}>' if attributes else ''}({inputs})")
    return "\n".join(lines)


def _plain(attribute: ir.Attr) -> str:
    if attribute.type == ir.AttributeType.GRAPH:
        return "{" + "; ".join(f"{n.outputs[0].name} = {n.op_type}" for n in attribute.as_graph()) + "}"
    if attribute.type == ir.AttributeType.STRING:
        return attribute.as_string()
    return str(attribute.value).replace(" ", "")
