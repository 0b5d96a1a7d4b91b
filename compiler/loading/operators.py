"""Check that every node is an operator we know, used as ONNX says; replace functions by their bodies."""

from __future__ import annotations

import difflib

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import InlinePass

from ...errors import ModelError
from .detached import graphs, is_detached
from .names import unique_names
from .structure import label
from .to_ir import to_ir

__all__ = ["KNOWN_DOMAINS", "check_operators", "check_schema", "inline_functions"]

# The operators of ONNX, and those ONNX Runtime brings along.
KNOWN_DOMAINS = ("", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc")
_AGAIN = "Export the model again"


def inline_functions(model: onnx.ModelProto, origin: str) -> onnx.ModelProto:
    """Replace every call of a model-local function by its body.

    Done by `onnx_ir`: ONNX's own inliner forgets the default value of an attribute (onnx 1.23: a
    `LeakyRelu` gets alpha 0.01 in place of the function's), and stops when a type is not known.

    Raises:
        ModelError: Functions call each other in a circle, or are written for another operator set.
    """
    if not model.functions:
        return model
    inlined = to_ir(model, origin)
    try:
        InlinePass()(inlined)
    except (ValueError, RuntimeError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise ModelError(
            origin, f"has functions that cannot be inlined: {reason}", remedy="Export the model without functions"
        ) from error
    inlined.functions.clear()
    unique_names(inlined)
    return ir.to_proto(inlined)


def check_operators(model: onnx.ModelProto, origin: str) -> None:
    """Refuse operators that no runtime of ours knows; call the default domain by one name.

    Raises:
        ModelError: A custom operator, one that the declared operator set does not have, or an operator
            set that is not declared.
    """
    imports: dict[str, int] = {}
    for opset in model.opset_import:
        if opset.domain == "ai.onnx":
            opset.domain = ""
        imports[opset.domain] = opset.version
    seen: set[tuple[str, str]] = set()
    for graph in graphs(model):
        for node in graph.node:
            if node.domain == "ai.onnx":
                node.domain = ""
            if (node.domain, node.op_type) not in seen:
                seen.add((node.domain, node.op_type))
                _check_operator(node, imports, origin)


def check_schema(model: onnx.ModelProto, origin: str) -> None:
    """Run ONNX's checker on a model whose weights are detached.

    Raises:
        ModelError: A node has wrong inputs or attributes, or the model breaks another rule of ONNX.
    """
    lean = onnx.ModelProto()
    lean.CopyFrom(model)
    for graph in graphs(lean):
        attributes = (a.t for n in graph.node for a in n.attribute if a.type == onnx.AttributeProto.TENSOR)
        for tensor in (*graph.initializer, *attributes):
            # The checker looks for external files. A tensor without elements needs none.
            if is_detached(tensor):
                tensor.ClearField("data_location")
                del tensor.external_data[:]
                tensor.dims[:] = [0]
        for value in (*graph.input, *graph.output):
            # It asks for a rank, which ONNX (docs/IR.md) and ONNX Runtime do not.
            if value.type.HasField("tensor_type"):
                value.type.tensor_type.shape.SetInParent()
    try:
        onnx.checker.check_model(lean)
    except (onnx.checker.ValidationError, UnicodeDecodeError) as error:  # names of a corrupt file may not be text
        where, problem = _explain(str(error))
        raise ModelError(f"{origin}{where}", f"is not valid ONNX: {problem}", remedy=_AGAIN) from error


def _check_operator(node: onnx.NodeProto, imports: dict[str, int], origin: str) -> None:
    where = f"{origin}, {label(node)}"
    if node.domain not in KNOWN_DOMAINS:
        raise ModelError(
            where,
            f"is a custom operator of domain {node.domain!r}",
            remedy="Export the model with operators of ai.onnx, ai.onnx.ml or com.microsoft, "
            "or with the operator as a function",
        )
    if node.domain not in imports:
        raise ModelError(
            where,
            f"is an operator of domain {node.domain or 'ai.onnx'!r}, whose version the model does not declare",
            remedy=_AGAIN,
        )
    if node.domain not in ("", "ai.onnx.ml"):
        return
    version = imports[node.domain]
    try:
        schema = onnx.defs.get_schema(node.op_type, version, node.domain)
    except (onnx.defs.SchemaError, TypeError):  # TypeError: not even text, or a version beyond 32 bits
        schema = None
    if schema is None or schema.deprecated:
        names = {s.name for s in onnx.defs.get_all_schemas() if s.domain == node.domain and not s.deprecated}
        near = difflib.get_close_matches(str(node.op_type), names, n=1)
        hint = f", did you mean {near[0]!r}?" if near and near[0] != node.op_type else ""
        raise ModelError(
            where,
            f"{node.domain or 'ai.onnx'} {version} has no operator {node.op_type!r}{hint}",
            remedy=_AGAIN,
        )


def _explain(message: str) -> tuple[str, str]:
    """Where and what, from the checker's text: problem, ==> Context: Bad node spec for node. Name: n OpType: O."""
    problem, _, context = message.partition("==> Context:")
    where = ""
    if "Name:" in context:
        name, _, op_type = context.rpartition("Name:")[2].partition("OpType:")
        where = f", node {name.strip()!r} ({op_type.strip()})"
    return where, " ".join(problem.split())
