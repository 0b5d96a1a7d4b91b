"""Names of modules in names of nodes: what `blocks.0.attn.qkv` does is `/blocks.0/attn/qkv/MatMul`.

A number stands behind the name of what is counted, as in a state dict. Weights are called as in the state dict; a value
is called after the node that makes it, a constant after the first that reads it. The same module gives the same names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

import onnx_ir as ir

from .fold_weights import WEIGHT

__all__ = ["name_after_modules", "node_path"]

_SCOPES = "pkg.torch.onnx.name_scopes"


def name_after_modules(model: ir.Model, inputs: Sequence[str], outputs: Sequence[str], wrapper: str = "") -> None:
    """Name nodes, values and constants, and drop what the exporter noted on them.

    Args:
        model: Edited in place.
        inputs: What its inputs are called.
        outputs: What its outputs are called.
        wrapper: A module that is left out of names, and of the names of weights.
    """
    graph = model.graph
    weights = {value for value in graph.initializers.values() if WEIGHT in value.meta}
    taken: set[str] = set()
    for name, end in (*zip(inputs, graph.inputs, strict=True), *zip(outputs, graph.outputs, strict=True)):
        end.name = name
        taken.add(name)
    for value in sorted(weights, key=lambda each: str(each.name)):
        value.name = _free(str(value.name).removeprefix(f"{wrapper}."), taken)
    public = {*graph.inputs, *graph.outputs}
    paths = {node: node_path(node, wrapper) for node in _nodes(graph)}
    for node, path in paths.items():
        node.name = _free(f"{path}/{node.op_type}", taken)
        for at, output in enumerate(node.outputs):
            if output not in public and output.name:
                output.name = _free(f"{node.name}_output_{at}", taken)
    for node in paths:
        for at, read in enumerate(node.inputs):
            if read is not None and read.is_initializer() and read not in weights and read not in public:
                weights.add(read)
                read.name = _free(f"{node.name}_constant_{at}", taken)
        node.metadata_props.clear()
        node.doc_string = None
        for output in node.outputs:
            output.metadata_props.clear()
    for value in graph.initializers.values():
        value.metadata_props.clear()
        if value.const_value is not None:
            value.const_value.name = value.name
    model.metadata_props.clear()
    graph.metadata_props.clear()
    graph.doc_string = None
    graph.name = "main"


def node_path(node: ir.Node, wrapper: str = "") -> str:
    """The module that a node came from, as a path: `/blocks.0/attn`; "" for the outermost."""
    scopes = _scopes(node)
    module = (scopes[-2] if len(scopes) > 1 else "").removeprefix(wrapper).strip(".")
    if module.startswith("_empty_nn"):  # torch's word for no module
        return ""
    path = ""
    for word in filter(None, module.split(".")):
        path += f".{word}" if word.isdigit() and path else f"/{word}"
    return path


def _scopes(node: ir.Node) -> list[str]:
    """What torch noted; of a node that folding made, that of the node before it, in the module that it serves."""
    for value in (None, *node.inputs):
        origin = node if value is None else value.producer()
        if origin is not None and _SCOPES in origin.metadata_props:
            found: list[str] = ast.literal_eval(origin.metadata_props[_SCOPES])
            return found
    return []


def _free(name: str, taken: set[str]) -> str:
    """The name, or the next free one like it."""
    found, number = name, 0
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found


def _nodes(graph: ir.Graph) -> Iterator[ir.Node]:
    yield from ir.traversal.RecursiveGraphIterator(graph)
