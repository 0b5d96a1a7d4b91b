"""Cut nodes out of a bundle's model, each with the Q and DQ around it and what it read in one real run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from ....errors import ModelError
from ....passes.edit import constant_array, is_constant, is_op, is_overridable
from ....runtimes import runtime
from ....runtimes.base import Feeds, SessionSettings
from ...diagnosing.taps import tapped
from ...loading.infer_shapes import infer_shapes
from ...materialize import in_memory
from ..places import IN_PROCESS
from .form import Form, Operand, Result, Steps
from .kinds import weight_bytes

__all__ = ["Cuts"]

_LARGEST = 16 << 20


class Cuts:
    """Nodes of one model, by name.

    Args:
        file: The model.
        feeds: What it is run with.
        options: Its session options.
    """

    def __init__(self, file: Path, feeds: Feeds, options: Mapping[str, str]) -> None:
        self._file = file.absolute()
        self._model = ir.load(self._file)
        self._feeds = feeds
        self._options = options
        self._dims = _declared(self._file, self._model)
        self.nodes: dict[str, ir.Node] = {node.name: node for node in self._model.graph if node.name}

    def free_inputs(self) -> tuple[str, ...]:
        """Inputs with dimensions that are not known before the model runs."""
        inputs = [value for value in self._model.graph.inputs if not is_overridable(value)]
        return tuple(str(v.name) for v in inputs if v.shape is None or any(not isinstance(dim, int) for dim in v.shape))

    def why_not(self, name: str) -> str:
        """Why this node cannot be tried alone; "" when it can."""
        node = self.nodes[name]
        if any(each.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for each in node.attributes.values()):
            return "it has a body, and is not tried alone"
        if weight_bytes(node) > _LARGEST:
            return "its weights are too large to try it alone"
        return ""

    def forms(self, names: Iterable[str]) -> dict[str, Form]:
        """The nodes of these names as they are, from one run of the model in this process.

        Raises:
            ModelError: The model does not run here.
        """
        wanted = {name: self.nodes[name] for name in names}
        seen = self._run([value for node in wanted.values() for value in (*_read(node), *_written(node))])
        return {name: self._form(node, seen) for name, node in wanted.items()}

    def _run(self, values: Sequence[ir.Value]) -> dict[str, np.ndarray]:
        inputs = {value.name for value in self._model.graph.inputs}
        seen = {str(value.name): self._feeds[str(value.name)] for value in values if value.name in inputs}
        names = [name for name in dict.fromkeys(str(value.name) for value in values) if name not in seen]
        if not names:
            return seen
        clone, found = tapped(self._model, names)
        settings = SessionSettings(threads=1, optimize=False, config=self._options)
        session = runtime(IN_PROCESS).open(in_memory(clone), settings)
        try:
            answers = session.run(self._feeds)
        finally:
            session.close()
        return {**seen, **{name: answers[found[name]] for name in names}}

    def _form(self, node: ir.Node, seen: Mapping[str, np.ndarray]) -> Form:
        opsets = self._model.graph.opset_imports
        return Form(
            op=node.op_type,
            domain=node.domain,
            attributes=dict(node.attributes),
            inputs=tuple(None if value is None else self._operand(value, seen) for value in node.inputs),
            outputs=tuple(_result(value, seen.get(str(value.name))) for value in node.outputs),
            opsets={name: version for name, version in opsets.items() if name in ("", node.domain)},
            ir_version=self._model.ir_version or 10,
        )

    def _operand(self, value: ir.Value, seen: Mapping[str, np.ndarray]) -> Operand:
        steps = _steps_in_front(value)
        source = _codes(value)
        array = constant_array(source)
        found = seen[str(source.name)] if array is None else array
        dtype = source.dtype or _dtype(found)
        dims = tuple(found.shape)
        if array is None and self._dims is not None:
            declared = self._dims.get(str(source.name), ())
            unknown = tuple(f"{source.name}_{index}" for index in range(found.ndim))
            dims = declared if len(declared) == found.ndim else unknown
        return Operand(array=found, dtype=dtype, dims=dims, constant=array is not None, steps=steps)


def _dtype(array: np.ndarray) -> ir.DataType:
    return ir.DataType.STRING if array.dtype.kind in "OUS" else ir.DataType.from_numpy(array.dtype)


def _read(node: ir.Node) -> list[ir.Value]:
    """What a node reads that only a run shows."""
    sources = [_codes(value) for value in node.inputs if value is not None]
    return [value for value in sources if not is_constant(value)]


def _codes(value: ir.Value) -> ir.Value:
    """The codes behind a DequantizeLinear of constant steps, else the value."""
    node = value.producer()
    source = None if node is None or _steps_in_front(value) is None else node.inputs[0]
    return value if source is None else source


def _steps_in_front(value: ir.Value) -> Steps | None:
    node = value.producer()
    if node is None or not is_op(node, "DequantizeLinear") or node.inputs[0] is None:
        return None
    return _steps(node, node.inputs[0].dtype)


def _steps(node: ir.Node, codes: ir.DataType | None) -> Steps | None:
    """The steps of a Q or a DQ; None where they are not constant, or not written out."""
    scale = constant_array(node.inputs[1])
    at = node.inputs[2] if len(node.inputs) > 2 else None
    zero = constant_array(at)
    dtype = codes or (None if at is None else at.dtype) or ir.DataType.UINT8
    if scale is None or (at is not None and zero is None):
        return None
    return Steps(scale=scale, zero=zero, dtype=dtype if at is None else at.dtype or dtype, attributes=node.attributes)


def _written(node: ir.Node) -> list[ir.Value]:
    """What somebody reads of a node's results."""
    return [value for value in node.outputs if value.uses() or value.is_graph_output()]


def _result(value: ir.Value, seen: np.ndarray | None) -> Result:
    if seen is None:
        return Result(dtype=ir.DataType.UNDEFINED, steps=None, absent=True)
    dtype = _dtype(seen)
    readers = [node for node, _ in value.uses()]
    quantized = bool(readers) and all(is_op(node, "QuantizeLinear") for node in readers)
    steps = None if value.is_graph_output() or not quantized else _steps(readers[0], readers[0].outputs[0].dtype)
    return Result(dtype=dtype, steps=steps)


def _declared(file: Path, model: ir.Model) -> dict[str, tuple[int | str, ...]] | None:
    """Dimensions of every value where some are not known before the model runs; None where all are."""
    shapes = [value.shape for value in model.graph.inputs if not is_overridable(value)]
    if all(shape is not None and all(isinstance(dim, int) for dim in shape) for shape in shapes):
        return None
    try:
        proto, _ = infer_shapes(onnx.load(file, load_external_data=False), str(file))
    except ModelError:
        return {}
    return {value.name: _dims(value) for value in (*proto.graph.input, *proto.graph.value_info)}


def _dims(value: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    dims = value.type.tensor_type.shape.dim
    return tuple(
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param or f"{value.name}_{index}"
        for index, dim in enumerate(dims)
    )
