"""Lower a model to an older operator set, exactly: by the operators' own definitions, the outputs compared.

An operator of the newer set is one of four:

1. the same definition: nothing to do;
2. a later definition that reads the same but for the types it takes (its text, attributes and operands are equal):
   the older one is meant, too;
3. new, or of another meaning, and a composition of older operators by its definition (`Swish`, `RMSNormalization`,
   `GroupNormalization`): written out;
4. a later definition of which only what the older one has is used: the older one is taken, and the comparison tells.

Anything else is refused by name. ONNX's own converter has no way down for most of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx
import onnx.inliner
import onnx.shape_inference

from ...errors import ModelError
from .detached import Weights, graphs
from .numerics import Incomparable, compare
from .opset import opset_of
from .structure import label, name_nodes

__all__ = ["lower_opset"]

# The newest operator set that the ONNX Runtime of this process opens (1.31): what is newer cannot be compared.
_COMPARED = 26
# A definition may be composed of others that are too new; none is nested deeper.
_ROUNDS = 4


def lower_opset(
    model: onnx.ModelProto, weights: Weights, newest: int, origin: str
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Convert a model whose operator set is above `newest`, and prove that it still computes the same.

    Args:
        model: Functions inlined, weights detached; never changed.
        weights: Its weights.
        newest: The newest operator set the target's runtime reads.
        origin: Names the model in errors.

    Returns:
        The model, and a note when it was converted.

    Raises:
        ModelError: An operator has no older form, or the outputs change.
    """
    version = opset_of(model)
    if version is None or version <= newest:
        return model, ()
    where = f"uses operator set {version}, the newest this target runs is {newest}"
    remedy = f"Export the model with opset_version={newest} or lower"
    try:
        lowered, written = _written_out(model, version, newest)
    except RuntimeError as error:  # the inliner is C++: an assertion about a type it does not know
        reason = str(error).strip().splitlines()[0].rpartition(": ")[2]
        raise ModelError(origin, f"{where}: its operators cannot be written out: {reason}", remedy=remedy) from error
    trusted = True
    for node in _nodes(lowered):
        problem = _fit(node, version, newest)
        if problem is not None:
            raise ModelError(origin, f"{where}: {label(node)} {problem}", remedy=remedy)
        trusted = trusted and _means_the_same(node, version, newest)
    for opset in lowered.opset_import:
        if opset.domain in ("", "ai.onnx"):
            opset.version = newest
    told = f"operator set {version} → {newest}" + (f", {', '.join(written)} written out" if written else "")
    if trusted and not written:
        return lowered, (f"{told}, by definitions that are the same",)
    _check(model, lowered, weights, version, newest, origin, remedy)
    return lowered, (f"{told}, outputs compared",)


def _check(
    model: onnx.ModelProto,
    lowered: onnx.ModelProto,
    weights: Weights,
    version: int,
    newest: int,
    origin: str,
    remedy: str,
) -> None:
    """Compare the outputs of both forms."""
    said = f"lowered from operator set {version} to {newest}"
    try:
        if version > _COMPARED:
            raise Incomparable(f"ONNX Runtime opens operator set {_COMPARED} at most")
        difference = compare(model, lowered, weights)
    except Incomparable as error:
        help_ = f"Fix its shapes with --shape, or export it with opset_version={newest} or lower"
        raise ModelError(
            origin,
            f"was {said}, but that cannot be checked: {error}",
            remedy=help_ if error.shapes_help else remedy,
        ) from error
    if difference is not None:
        raise ModelError(origin, f"changes its outputs when {said}: {difference}", remedy=remedy)


def _written_out(model: onnx.ModelProto, version: int, newest: int) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """A copy with every operator that has no older form, but a definition in older ones, replaced by it."""
    lowered = onnx.ModelProto()
    lowered.CopyFrom(model)
    written: set[str] = set()
    for _ in range(_ROUNDS):
        nodes = [node for node in _nodes(lowered) if _is_composed(node, version, newest)]
        if not nodes:
            break
        for node in nodes:
            _spell_defaults(node, version)
        found = {node.op_type for node in nodes}
        lowered = onnx.inliner.inline_selected_functions(
            _typed(lowered), [("", op_type) for op_type in sorted(found)], inline_schema_functions=True
        )
        written |= found
    if written:
        for graph in graphs(lowered):
            del graph.value_info[:]
        lowered.graph.value_info.extend(model.graph.value_info)
        name_nodes(lowered)
    return lowered, tuple(sorted(written))


def _spell_defaults(node: onnx.NodeProto, version: int) -> None:
    """Set every attribute that has a default: the inliner (onnx 1.23) leaves a constant without value for it."""
    schema = _schema(node.op_type, version)
    assert schema is not None
    given = {attribute.name for attribute in node.attribute}
    node.attribute.extend(
        attribute.default_value
        for name, attribute in schema.attributes.items()
        if attribute.default_value.name and name not in given
    )


def _typed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the types of its values declared: some definitions depend on them."""
    typed = onnx.shape_inference.infer_shapes(model)
    for graph in graphs(typed):
        known = {value.name for value in (*graph.input, *graph.value_info)}
        graph.value_info.extend(
            onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
            for tensor in graph.initializer
            if tensor.name not in known
        )
    return typed


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Nodes of the default domain, those in bodies included."""
    for graph in graphs(model):
        yield from (node for node in graph.node if node.domain in ("", "ai.onnx"))


def _schema(op_type: str, version: int) -> onnx.defs.OpSchema | None:
    try:
        return onnx.defs.get_schema(op_type, version, "")
    except onnx.defs.SchemaError:
        return None


def _is_composed(node: onnx.NodeProto, version: int, newest: int) -> bool:
    """Whether a node's operator is new, or of another meaning, and defined by others."""
    new, old = _schema(node.op_type, version), _schema(node.op_type, newest)
    if new is None or (old is not None and _text(new) == _text(old)):
        return False
    return bool(new.has_function or new.has_context_dependent_function)  # type: ignore[attr-defined]  # not in its stub


def _means_the_same(node: onnx.NodeProto, version: int, newest: int) -> bool:
    """Whether both definitions read the same: text, attributes with their defaults, operands; types aside."""
    new, old = _schema(node.op_type, version), _schema(node.op_type, newest)
    if new is None or old is None:
        return False
    return new.since_version == old.since_version or _wording(new) == _wording(old)


def _wording(schema: onnx.defs.OpSchema) -> tuple[object, ...]:
    attributes = sorted((a.name, str(a.type), str(a.default_value), a.required) for a in schema.attributes.values())
    operands = [[(str(each.name), str(each.option)) for each in side] for side in (schema.inputs, schema.outputs)]
    return (_text(schema), attributes, operands)


def _text(schema: onnx.defs.OpSchema) -> list[str]:
    """The words of a definition, however they are broken into lines."""
    return (schema.doc or "").split()


def _fit(node: onnx.NodeProto, version: int, newest: int) -> str | None:
    """Drop what a node only repeats of the newer defaults; why the older definition does not take it, or None."""
    new, old = _schema(node.op_type, version), _schema(node.op_type, newest)
    if new is None:
        return f"is no operator of set {version}"
    if old is None:
        return f"came with {new.since_version}"
    for attribute in tuple(node.attribute):
        if attribute.name in old.attributes:
            continue
        default = new.attributes[attribute.name].default_value if attribute.name in new.attributes else None
        if default is None or not _equal(attribute, default):
            return f"sets {attribute.name!r}, which came with {new.since_version}"
        node.attribute.remove(attribute)
    if len(node.input) > old.max_input or len(node.output) > old.max_output:
        return f"has operands that came with {new.since_version}"
    return None


def _equal(attribute: onnx.AttributeProto, default: onnx.AttributeProto) -> bool:
    if not default.name:
        return False
    return bool(onnx.helper.get_attribute_value(attribute) == onnx.helper.get_attribute_value(default))
