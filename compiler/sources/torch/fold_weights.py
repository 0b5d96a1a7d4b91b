"""f(parameters) -> one initializer of the parameter's name: what a module does to its weights alone is done here.

torch.nn.Linear multiplies by Wᵀ: the transposed matrix is called as W is. Where a parameter is read in two forms, the
second has a number behind its name. A transposition is made when its bytes are asked for, so that weights larger than
memory stay where they are.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx import helper
from onnx.reference import ReferenceEvaluator

__all__ = ["WEIGHT", "fold_weights"]

# In `meta` of an initializer: the weight or buffer of the module that it is, or is made of.
WEIGHT = "edgec.weight"

_OPS = frozenset({
    "Cast", "Concat", "Expand", "Flatten", "Gather", "Identity", "Mul", "Reshape", "Slice", "Split", "Squeeze",
    "Transpose", "Unsqueeze",
})  # fmt: skip


def fold_weights(model: ir.Model) -> None:
    """Replace what is computed of weights alone.

    Args:
        model: Edited in place; constants are initializers, weights are marked.
    """
    graph = model.graph
    constants = {name: value for name, value in graph.initializers.items() if value.const_value is not None}
    tensors = {value: each for value in constants.values() if (each := value.const_value) is not None}
    stems: dict[ir.Value, str] = {value: value.meta[WEIGHT] for value in constants.values() if WEIGHT in value.meta}
    folded = []
    for node in graph:
        stem = next((stems[value] for value in node.inputs if value in stems), None)
        known = all(value is None or value in tensors for value in node.inputs)
        if stem is None or not known or node.op_type not in _OPS or node.domain:
            continue
        for output, tensor in zip(node.outputs, _results(node, tensors, graph.opset_imports[""]), strict=True):
            stems[output], tensors[output] = stem, tensor
        folded.append(node)
    made = _in_place_of(graph, folded, tensors, stems)
    for node in reversed(folded):
        graph.remove(node, safe=True)
    for name, value in constants.items():
        if WEIGHT in value.meta and not value.uses() and not value.is_graph_output():
            del graph.initializers[name]
    for old, new in made:
        _name(graph, new, stems[old])


def _in_place_of(
    graph: ir.Graph, folded: list[ir.Node], tensors: dict[ir.Value, ir.TensorProtocol], stems: dict[ir.Value, str]
) -> list[tuple[ir.Value, ir.Value]]:
    """Initializers of passing names, for what is read behind folded nodes."""
    gone, made = set(folded), []
    for node in folded:
        for old in node.outputs:
            readers = [use for use in old.uses() if use.node not in gone]
            if not readers and not old.is_graph_output():
                continue
            tensor = tensors[old]
            new = ir.Value(
                name=f"{old.name} folded",
                shape=ir.Shape(tensor.shape.numpy()),
                type=ir.TensorType(tensor.dtype),
                const_value=tensor,
            )
            new.meta[WEIGHT] = stems[old]
            graph.initializers.add(new)
            for use in readers:
                use.node.replace_input_with(use.idx, new)
            if old.is_graph_output():
                old.replace_all_uses_with(new, replace_graph_outputs=True)
            made.append((old, new))
    return made


def _name(graph: ir.Graph, value: ir.Value, stem: str) -> None:
    name, number = stem, 0
    while name in graph.initializers:
        number += 1
        name = f"{stem}_{number}"
    value.name = name


def _results(node: ir.Node, tensors: dict[ir.Value, ir.TensorProtocol], opset: int) -> list[ir.TensorProtocol]:
    first = node.inputs[0]
    if node.op_type == "Transpose" and first is not None:
        return [_transposed(tensors[first], node)]
    feeds = {f"x{at}": tensors[value].numpy() for at, value in enumerate(node.inputs) if value is not None}
    single = ir.serde.serialize_node(node)
    del single.input[:], single.output[:]
    single.input.extend(f"x{at}" if value is not None else "" for at, value in enumerate(node.inputs))
    names = [f"y{at}" for at in range(len(node.outputs))]
    single.output.extend(names)
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in feeds.items()
    ]
    outputs = [helper.make_tensor_value_info(name, 1, None) for name in names]
    alone = helper.make_model(
        helper.make_graph([single], "weights", inputs, outputs), opset_imports=[helper.make_opsetid("", opset)]
    )
    return [ir.Tensor(np.ascontiguousarray(array)) for array in ReferenceEvaluator(alone).run(None, feeds)]


def _transposed(tensor: ir.TensorProtocol, node: ir.Node) -> ir.TensorProtocol:
    rank = len(tensor.shape)
    order = node.attributes.get_ints("perm", None) or tuple(reversed(range(rank)))
    return ir.LazyTensor(
        lambda: ir.Tensor(np.ascontiguousarray(tensor.numpy().transpose(order)), dtype=tensor.dtype),
        dtype=tensor.dtype,
        shape=ir.Shape([tensor.shape.numpy()[axis] for axis in order]),
    )
