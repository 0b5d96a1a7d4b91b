"""Raise a model to a newer operator set, exactly: the outputs before and after are compared."""

from __future__ import annotations

import onnx
import onnx.version_converter

from ...errors import ModelError
from .detached import Weights, graphs
from .numerics import Incomparable, compare
from .structure import name_nodes

__all__ = ["check_opset", "opset_of", "raise_opset", "set_ir_version"]

# From this version of the file format on, an initializer that is also a graph input can be overridden by the
# caller. Before it every initializer had to be listed as an input, and ONNX Runtime holds it constant
# (onnx docs/IR.md; onnxruntime Graph::CanOverrideInitializer).
_OVERRIDABLE_SINCE = 4


def opset_of(model: onnx.ModelProto) -> int | None:
    """The version of the default operator set, None when it is not declared."""
    return next((opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")), None)


def check_opset(model: onnx.ModelProto, newest: int, origin: str) -> None:
    """Refuse a model that declares no operator set, or one newer than the runtime's and all that onnx knows.

    Raises:
        ModelError: It does.
    """
    version = opset_of(model)
    if version is None and not model.opset_import:
        raise ModelError(origin, "declares no operator set", remedy="Export the model again")
    if version is not None and version > max(newest, onnx.defs.onnx_opset_version()):
        raise ModelError(
            origin,
            f"uses operator set {version}, the newest this target runs is {newest}",
            remedy=f"Export the model with opset_version={newest} or lower",
        )


def set_ir_version(model: onnx.ModelProto, newest: int) -> tuple[str, ...]:
    """Give the file a format version that fits its operator sets and that the runtime reads; notes of what changed."""
    notes = []
    old = model.ir_version
    if old < _OVERRIDABLE_SINCE:
        constants = {tensor.name for tensor in model.graph.initializer}
        inputs = [value for value in model.graph.input if value.name not in constants]
        dropped = len(model.graph.input) - len(inputs)
        if dropped:
            notes.append(f"{dropped} weights listed as inputs, as IR version {old} asks: held constant")
        del model.graph.input[:]
        model.graph.input.extend(inputs)
    needed = onnx.helper.find_min_ir_version_for(model.opset_import, ignore_unknown=True)
    model.ir_version = min(newest, max(old, needed, _OVERRIDABLE_SINCE))
    if model.ir_version != old:
        notes.append(f"IR version {old} → {model.ir_version}")
    return tuple(notes)


def raise_opset(
    model: onnx.ModelProto, weights: Weights, floor: int, origin: str
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Convert a model whose operator set is below `floor`, and prove that it still computes the same.

    Returns:
        The model, and a note when it was converted.

    Raises:
        ModelError: The conversion fails, or changes the outputs, or neither can be run to compare them.
    """
    version = opset_of(model)
    if version is None or version >= floor:
        return model, ()
    remedy = f"Export the model with opset_version={floor} or higher"
    try:
        raised = onnx.version_converter.convert_version(model, floor)
    except Exception as error:  # the C++ converter throws what it likes, RuntimeError most of the time
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            origin, f"cannot be raised from operator set {version} to {floor}: {reason}", remedy=remedy
        ) from error
    _mend(raised, model, version)
    try:
        difference = compare(model, raised, weights)
    except Incomparable as error:
        raise ModelError(
            origin,
            f"was raised from operator set {version} to {floor}, but that cannot be checked: {error}",
            remedy=f"Fix its shapes with --shape, or export it with opset_version={floor} or higher"
            if error.shapes_help
            else remedy,
        ) from error
    if difference is not None:
        raise ModelError(
            origin,
            f"changes its outputs when raised from operator set {version} to {floor}: {difference}",
            remedy=remedy,
        )
    return raised, (f"operator set {version} → {floor}, outputs compared",)


def _mend(raised: onnx.ModelProto, model: onnx.ModelProto, version: int) -> None:
    """Undo what the converter (onnx 1.23) gets wrong or loses."""
    # It declares shapes of its own for inner values, some of them wrong (rank 0, undefined types).
    for graph in graphs(raised):
        del graph.value_info[:]
    for field in ("input", "output", "value_info", "doc_string", "name", "quantization_annotation", "metadata_props"):
        raised.graph.ClearField(field)
    raised.graph.MergeFrom(_interface(model.graph))
    name_nodes(raised)
    raised.ir_version = max(raised.ir_version, model.ir_version)
    if version <= 10:
        # Upsample, and Resize up to 10, computed asymmetric and floor; Resize since 11 does not by default.
        for graph in graphs(raised):
            for node in graph.node:
                if node.op_type == "Resize" and node.domain == "":
                    _set_default(node, "coordinate_transformation_mode", "asymmetric")
                    _set_default(node, "nearest_mode", "floor")


def _interface(graph: onnx.GraphProto) -> onnx.GraphProto:
    """What of a graph does not depend on its operators."""
    return onnx.GraphProto(
        name=graph.name,
        doc_string=graph.doc_string,
        input=graph.input,
        output=graph.output,
        value_info=graph.value_info,
        quantization_annotation=graph.quantization_annotation,
        metadata_props=graph.metadata_props,
    )


def _set_default(node: onnx.NodeProto, name: str, value: str) -> None:
    if all(attribute.name != name for attribute in node.attribute):
        node.attribute.append(onnx.helper.make_attribute(name, value))
