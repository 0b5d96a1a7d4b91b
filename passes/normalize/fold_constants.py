"""f(constants) -> constant, computed by ONNX's reference implementation.

1. Every input is constant for good, the operator is deterministic and has no body.
2. `Shape` of a value whose dimensions are all known.

Results over `limit` bytes stay computed: a folded Expand could grow a file without bound.
Quantized constants (`DequantizeLinear`) and what is marked `FOLDED_AT_LOAD` stay as they are: small on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import FOLDED_AT_LOAD, add_initializer, constant_array, fresh_name, is_constant, opset_of, value_names

__all__ = ["FoldConstants"]

_QUANTIZED = ("DequantizeLinear", "QuantizeLinear", "DynamicQuantizeLinear")
_RANDOM = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli")


@dataclass(frozen=True, kw_only=True)
class FoldConstants(Pass):
    """Replace nodes of constant inputs by initializers, in the main graph.

    Attributes:
        limit: Largest result in bytes.
        several: Also nodes of several results, as Split.
    """

    limit: int = 1 << 26
    several: bool = False

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph)
        folded = [node for node in model.graph if self._try_fold(model, node, taken)]
        return ir.passes.PassResult(model, modified=bool(folded))

    def _try_fold(self, model: ir.Model, node: ir.Node, taken: set[str]) -> bool:
        if node.domain not in ("", "ai.onnx") or node.op_type in (*_QUANTIZED, *_RANDOM, "Constant"):
            return False
        if FOLDED_AT_LOAD in node.metadata_props:
            return False
        if any(output.is_graph_output() for output in node.outputs) or (len(node.outputs) != 1 and not self.several):
            return False
        if any(a.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for a in node.attributes.values()):
            return False
        shape = _static_shape(node)
        arrays = [] if shape is None else [shape]
        if shape is None:
            if not node.inputs or not all(value is None or is_constant(value) for value in node.inputs):
                return False
            if (result := _evaluate(node, opset_of(model), self.limit)) is None:
                return False
            arrays = result
        for old, array in zip(node.outputs, arrays, strict=True):
            value = add_initializer(model.graph, fresh_name(f"{old.name}_folded", taken), array)
            old.replace_all_uses_with(value)
        model.graph.remove(node, safe=True)
        return True


def _static_shape(node: ir.Node) -> np.ndarray | None:
    if node.op_type != "Shape" or node.inputs[0] is None or node.inputs[0].shape is None:
        return None
    dims = list(node.inputs[0].shape)
    start, end = node.attributes.get_int("start", 0), node.attributes.get_int("end", len(dims))
    dims = dims[start:end]
    if not all(isinstance(dim, int) for dim in dims):
        return None
    return np.asarray(dims, np.int64)


def _evaluate(node: ir.Node, opset: int, limit: int) -> list[np.ndarray] | None:
    """The node's results, or None where the reference cannot say or they are too large."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    arrays = {f"x{k}": constant_array(value) for k, value in enumerate(node.inputs) if value is not None}
    if sum(array.nbytes for array in arrays.values() if array is not None) > limit:
        return None
    names = [f"x{k}" if value is not None else "" for k, value in enumerate(node.inputs)]
    single = ir.serde.serialize_node(node)
    del single.input[:], single.output[:]
    single.input.extend(names)
    results = [f"y{k}" for k in range(len(node.outputs))]
    single.output.extend(results)
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for name, a in arrays.items()
        if a is not None
    ]
    outputs = [helper.make_tensor_value_info(name, 1, None) for name in results]
    graph = helper.make_graph([single], "fold", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        made = [np.asarray(each) for each in ReferenceEvaluator(model).run(None, arrays)]
    except (NotImplementedError, RuntimeError, TypeError, ValueError, IndexError):
        # The reference implements less than ONNX Runtime; what it cannot compute stays in the graph.
        return None
    return None if any(each.nbytes > limit or each.dtype == object for each in made) else made
