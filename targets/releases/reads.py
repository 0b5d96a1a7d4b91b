"""What in a model keeps a release of ONNX Runtime from opening it: nothing is executed.

1. An IR version or an operator set that is newer than it.
2. An operator of com.microsoft, or an input or attribute of one, that came later.
3. A node for whose version or types its CPU provider has no kernel (KernelRegistry::TryFindKernel, kernel_registry.cc).

Before it looks for kernels ONNX Runtime casts float16 to float32 where only that has one (insert_cast_transformer.cc),
and writes out what is defined by other operators (Function bodies).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
import onnx_ir as ir

from ..kernels import Kernel, Slot, misfit, operand_type, since_version
from .facts import RELEASES, Release
from .history import contrib_of, kernels_of

__all__ = ["Obstacle", "first_reading", "obstacles"]

_CONTRIB = "com.microsoft"
_OWN = ("", "ai.onnx.ml", _CONTRIB)
_CAST: Mapping[ir.DataType | str | None, ir.DataType] = {ir.DataType.FLOAT16: ir.DataType.FLOAT}
# 1.16 takes the definition of set 13 in models of set 18 and newer, where ReduceMax has no axes any more.
_WRONG, _WRONG_MINOR, _WRONG_SINCE = ("Softmax", "LogSoftmax"), 16, 18
# Made an initializer as the model is opened.
_LIFTED = "Constant"


@dataclass(frozen=True, kw_only=True, slots=True)
class Obstacle:
    """One thing in a model that a release does not read.

    Attributes:
        what: It, as a clause: `operator set 21, and ONNX Runtime 1.17 opens 20 at most`.
        nodes: Names of the nodes; () where it is the file.
    """

    what: str
    nodes: tuple[str, ...] = ()


def obstacles(model: ir.Model, release: Release) -> tuple[Obstacle, ...]:
    """What keeps a release from opening a model with its CPU provider; () where nothing does.

    Args:
        model: With inferred types; what has none is taken to fit.
        release: Of ONNX Runtime.
    """
    of_file = tuple(_of_file(model, release))
    if of_file:
        return of_file
    found: dict[str, list[str]] = {}
    for node in model.graph.all_nodes():
        why = _of_node(node, model.opset_imports, release)
        if why:
            found.setdefault(why, []).append(str(node.name))
    return tuple(Obstacle(what=what, nodes=tuple(names)) for what, names in found.items())


def first_reading(model: ir.Model) -> Release | None:
    """The oldest release from which on every one known opens a model; None where the newest does not."""
    first = None
    for each in reversed(RELEASES):
        if obstacles(model, each):
            break
        first = each
    return first


def _of_file(model: ir.Model, release: Release) -> Iterator[Obstacle]:
    if model.ir_version is not None and model.ir_version > release.ir_version:
        yield Obstacle(
            what=f"IR version {model.ir_version}, and ONNX Runtime {release} opens {release.ir_version} at most"
        )
    imports = _opsets(model.opset_imports)
    for domain, newest, name in (("", release.opset, ""), ("ai.onnx.ml", release.ml_opset, " of ai.onnx.ml")):
        if imports.get(domain, 0) > newest:
            yield Obstacle(
                what=f"operator set {imports[domain]}{name}, and ONNX Runtime {release} opens {newest} at most"
            )


def _opsets(imports: Mapping[str, int]) -> dict[str, int]:
    return {"" if domain == "ai.onnx" else domain: version for domain, version in imports.items()}


def _of_node(node: ir.Node, imports: Mapping[str, int], release: Release) -> str:
    """Why a release does not open a node; "" where it does."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    if domain not in _OWN or (domain == "" and node.op_type == _LIFTED):
        return ""
    called = f"{domain}.{node.op_type}" if domain else node.op_type
    if domain == _CONTRIB:
        why = _of_contrib(node, release)
        if why:
            return f"{called} {why}"
    opset = _opsets(imports).get(domain, 1)
    version = since_version(domain, node.op_type, opset) or 1
    fit = [kernel for kernel in kernels_of(release.minor, domain, node.op_type) if kernel.is_for(version)]
    if any(misfit(node, kernel) is None for kernel in fit):
        return ""
    if any(misfit(node, kernel, _CAST) is None for kernel in fit):
        wrong = release.minor == _WRONG_MINOR and node.op_type in _WRONG and opset >= _WRONG_SINCE
        return f"{called} of float16, which ONNX Runtime {release} writes out as another set's" if wrong else ""
    defined = _of_definition(node, imports, release)
    if defined is not None:
        return defined
    versioned = called if domain == _CONTRIB else f"{called} of set {version}"
    if not fit:
        return f"{versioned}, for which ONNX Runtime {release} has no CPU kernel"
    return f"{versioned} {_types(node, fit)}, for which ONNX Runtime {release} has no CPU kernel"


def _of_contrib(node: ir.Node, release: Release) -> str:
    """Why a release does not know an operator of com.microsoft as it stands; "" where it does."""
    known = contrib_of(release.minor, node.op_type)
    if known is None:
        return f"is no operator of ONNX Runtime {release}"
    given = len(node.inputs)
    while given and node.inputs[given - 1] is None:
        given -= 1
    if known.most is not None and given > known.most:
        return f"has {given} inputs, and ONNX Runtime {release} takes {known.most} at most"
    if given < known.fewest:
        return f"has {given} inputs, and ONNX Runtime {release} takes {known.fewest} at least"
    unknown = [name for name in node.attributes if name not in known.attributes]
    if unknown:
        return f"sets {', '.join(unknown)}, which ONNX Runtime {release} does not know"
    return ""


def _types(node: ir.Node, fit: Sequence[Kernel]) -> str:
    """The operand that the nearest kernel does not take."""
    slots: list[Slot] = [slot for kernel in fit if (slot := misfit(node, kernel, _CAST)) is not None]
    kind, index = max(slots)
    value = (node.inputs if kind == "i" else node.outputs)[index]
    assert value is not None
    return f"with {operand_type(value)} as {'input' if kind == 'i' else 'output'} {index}"


def _of_definition(node: ir.Node, imports: Mapping[str, int], release: Release) -> str | None:
    """Why a release does not open what an operator is defined by, "" where it does; None where nothing defines it."""
    body = _definition(node, _opsets(imports).get("", 1))
    if body is None:
        return None
    graph = onnx.GraphProto(node=body.node, name=node.op_type)
    for name, value in zip(body.input, node.inputs, strict=False):
        if value is not None and value.dtype is not None:
            graph.input.append(onnx.helper.make_tensor_value_info(name, value.dtype.value, None))
        else:
            graph.input.add(name=name)
    written = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid(domain, version) for domain, version in imports.items()]
    )
    try:
        written = onnx.shape_inference.infer_shapes(written)
    except onnx.shape_inference.InferenceError:
        return ""
    inner = ir.from_proto(written)
    found = (_of_node(each, imports, release) for each in inner.graph.all_nodes())
    why = next((each for each in found if each), "")
    return f"{node.op_type} is {why}" if why else ""


def _definition(node: ir.Node, opset: int) -> onnx.FunctionProto | None:
    """What an operator of ONNX is defined by; None where it is by nothing."""
    if node.domain == _CONTRIB or not onnx.defs.has(node.op_type, opset, node.domain):
        return None
    schema: Any = onnx.defs.get_schema(node.op_type, opset, node.domain)  # its stub lacks these
    versions = [version for version in schema.function_opset_versions if version <= opset]
    if versions:
        return _still_meant(_function(schema.get_function_with_opset_version(max(versions))), max(versions), opset)
    if not schema.has_context_dependent_function:
        return None
    if any(isinstance(value.type, ir.SequenceType | ir.OptionalType) for value in node.inputs if value is not None):
        return onnx.FunctionProto()
    types = [
        onnx.TypeProto(tensor_type={"elem_type": 0 if value is None or value.dtype is None else value.dtype.value})
        for value in node.inputs
    ]
    spelled = ir.to_proto(node).SerializeToString()
    return _function(schema.get_context_dependent_function(spelled, [each.SerializeToString() for each in types]))


def _still_meant(body: onnx.FunctionProto, written: int, opset: int) -> onnx.FunctionProto | None:
    """A definition, unless one of its operators is another one since (OpSchema::ValidateReferencedOpsInFunction)."""
    names = {node.op_type for node in body.node}
    changed = [each for each in names if since_version("", each, written) != since_version("", each, opset)]
    return None if changed else body


def _function(body: bytes) -> onnx.FunctionProto:
    found = onnx.FunctionProto()
    found.ParseFromString(body)
    return found
