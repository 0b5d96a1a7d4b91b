"""Infer types and shapes, on a model whose weights are detached."""

from __future__ import annotations

import re
from collections.abc import Iterator

import onnx
import onnx.shape_inference

from ...errors import ModelError
from .detached import graphs, is_detached
from .fix_shapes import shape_text
from .opset import opset_of

__all__ = ["infer_shapes"]

# What ONNX calls dimensions it cannot tell.
_INVENTED = "unk__"
_FAILURE = re.compile(r"\(op_type:(?P<op>[^,)]+)(?:, node name: (?P<name>[^)]*))?\): (?P<problem>.*)", re.DOTALL)
_WITH_SCHEMA = ("", "ai.onnx.ml")


def infer_shapes(model: onnx.ModelProto, origin: str) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Infer the type and shape of every value; what ONNX cannot tell stays unknown.

    Declared shapes that contradict the graph are dropped. `onnx_ir`'s pass is not used: it swallows failure.
    ONNX itself swallows it as soon as one operator has no schema (those of com.microsoft): then declared
    shapes are compared with inferred ones here, and nodes that do not fit stay unknown, for the runtime to refuse.

    Returns:
        The model with its values described, and a note per declared shape that was dropped.

    Raises:
        ModelError: The graph contradicts itself.
    """
    foreign = _made_by_foreign(model)
    if not foreign:
        try:
            return _infer(model), ()
        except onnx.shape_inference.InferenceError:
            pass  # by a declared shape, or by the graph itself: seen without the declared ones
    try:
        truth = _infer(_without_shapes(model, keep=foreign))
    except onnx.shape_inference.InferenceError as error:
        raise _contradiction(str(error), origin) from error
    trusted, notes = _without_contradictions(model, {value.name: value for value in _declared(truth)})
    try:
        return _infer(trusted), notes
    except onnx.shape_inference.InferenceError:
        return truth, ("declared shapes contradict the graph: all dropped",)


def _made_by_foreign(model: onnx.ModelProto) -> set[str]:
    """What nodes make whose operator ONNX has no schema of."""
    return {
        name
        for graph in graphs(model)
        for node in graph.node
        if node.domain not in _WITH_SCHEMA
        for name in node.output
    }


def _without_shapes(model: onnx.ModelProto, *, keep: set[str]) -> onnx.ModelProto:
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    for value in _declared(bare):
        if value.name not in keep:
            value.type.tensor_type.ClearField("shape")
    return bare


def _without_contradictions(
    model: onnx.ModelProto, inferred: dict[str, onnx.ValueInfoProto]
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Drop the declared shapes that differ from inferred ones; a note for each output, one for all inner values."""
    trusted = onnx.ModelProto()
    trusted.CopyFrom(model)
    outputs = {value.name for value in model.graph.output}
    notes, inner = [], 0
    for value in _declared(trusted):
        if value.name not in inferred or not _contradicts(value, inferred[value.name]):
            continue
        if value.name in outputs:
            was, really = shape_text(value), shape_text(inferred[value.name])
            notes.append(
                f"declared shape {was} of output {value.name!r} contradicts the graph, which gives {really}: dropped"
            )
        else:
            inner += 1
        value.type.tensor_type.ClearField("shape")
    if inner:
        notes.append(f"declared shapes of {inner} inner values contradict the graph: dropped")
    return trusted, tuple(notes)


def _infer(model: onnx.ModelProto) -> onnx.ModelProto:
    """Strict inference with propagation of shape values; unknown dimensions get no invented names."""
    if opset_of(model) == 13:
        # The rules of 14 are those of 13, but its Reshape sees a shape computed in the graph (onnx 1.23).
        try:
            return _infer_as(model, 14)
        except onnx.shape_inference.InferenceError:
            return _infer_as(model, 13)
    return _infer_as(model, None)


def _infer_as(model: onnx.ModelProto, version: int | None) -> onnx.ModelProto:
    lean = onnx.ModelProto()
    lean.CopyFrom(model)
    for opset in lean.opset_import:
        if version is not None and opset.domain == "":
            opset.version = version
    # To inference a detached initializer is an input: it has a type and a shape, and no data to ask for.
    del lean.graph.initializer[:]
    listed = {value.name for value in lean.graph.input}
    for tensor in model.graph.initializer:
        if not is_detached(tensor):
            lean.graph.initializer.append(tensor)
        elif tensor.name not in listed:
            lean.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    inferred = _strictly(lean)
    for field in ("input", "initializer"):
        inferred.graph.ClearField(field)
    inferred.graph.input.extend(model.graph.input)
    inferred.graph.initializer.extend(model.graph.initializer)
    for opset, declared in zip(inferred.opset_import, model.opset_import, strict=True):
        opset.version = declared.version
    _forget_invented(inferred)
    for value, was in zip(inferred.graph.output, model.graph.output, strict=True):
        for dim, declared_dim in zip(value.type.tensor_type.shape.dim, was.type.tensor_type.shape.dim, strict=False):
            if not dim.WhichOneof("value"):
                dim.CopyFrom(declared_dim)
    return inferred


def _strictly(model: onnx.ModelProto) -> onnx.ModelProto:
    """Inference that raises what does not fit, shape values carried along where ONNX can.

    It takes integers for shape values that are none, and then refuses to add vectors of two lengths although an
    Unsqueeze stands between them (onnx 1.23.2): what does not fit with values may fit without.
    """
    try:
        return onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError:
        return onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=False)


def _forget_invented(model: onnx.ModelProto) -> None:
    """Leave unknown dimensions unknown: a runtime would carry an invented name to the outputs."""
    for value in _declared(model):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param.startswith(_INVENTED):
                dim.Clear()


def _declared(model: onnx.ModelProto) -> Iterator[onnx.ValueInfoProto]:
    """Descriptions of the tensors that nodes make, bodies included."""
    for graph in graphs(model):
        constants = {tensor.name for tensor in graph.initializer}
        for value in (*graph.value_info, *graph.output):
            if value.name not in constants and value.type.HasField("tensor_type"):
                yield value


def _contradicts(declared: onnx.ValueInfoProto, inferred: onnx.ValueInfoProto) -> bool:
    a, b = declared.type.tensor_type, inferred.type.tensor_type
    if not (a.HasField("shape") and b.HasField("shape")):
        return False
    if len(a.shape.dim) != len(b.shape.dim):
        return True
    return any(
        x.HasField("dim_value") and y.HasField("dim_value") and x.dim_value != y.dim_value
        for x, y in zip(a.shape.dim, b.shape.dim, strict=True)
    )


def _contradiction(message: str, origin: str) -> ModelError:
    found = _FAILURE.search(message)
    where, problem = origin, message
    if found is not None:
        where = f"{origin}, node {found['name'] or ''!r} ({found['op']})"
        problem = found["problem"]
    problem = re.sub(r"\[\w+Error\] ", "", problem).strip().splitlines()[0]
    return ModelError(where, f"does not fit its inputs: {problem}", remedy="Export the model again")
