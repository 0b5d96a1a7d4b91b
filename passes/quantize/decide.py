"""Decide which nodes run in integers and which values carry Q/DQ, from the target's rules.

Three roles (`OpRule.role`):

1. `compute` nodes (Conv, Gemm, MatMul) carry the MACs; each one the rules allow runs in integers.
2. `follow` nodes (Add, Concat, pooling, ...) run in integers where every activation they read is
   an integer already and somebody reads their result as one: no Q/DQ is spent on their account alone.
3. `carry` nodes (Reshape, MaxPool, ...) move elements; same condition, and the params are their input's.

2 and 3 are the greatest set that supports itself: start from all candidates and remove until nothing changes.

A Relu or Clip that is the only reader of a compute or follow node belongs to it: the Q stands behind the
clamp, so that saturation can do the clamp's work (`AbsorbClamps`).

Scope: the main graph. Nodes in If/Loop/Scan bodies stay float, with a reason.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from ...errors import ModelError
from ..base import Pass
from ..edit import constant_array, is_constant, is_op, is_overridable, skip, sole_consumer, subgraph_nodes, why_skipped
from ..scope import out_of_scope
from ..spec import Derived, Fixed, OpRule, PerAxis, PerTensor, QuantSpec
from .clamps import clamp_behind
from .decision import Decision, decision_of, set_decision
from .params import bias_params
from .sources import assign_sources

__all__ = ["DecideQuantization"]

_MOVERS = ("MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Gather", "Expand")
# Operators whose products a reader would look for among the integer kernels.
_MULTIPLIES = frozenset(("Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum", "LSTM", "GRU", "RNN", "Attention"))
_BIAS_INPUT = {"Conv": 2, "ConvTranspose": 2, "Gemm": 2}


@dataclass(frozen=True, kw_only=True)
class DecideQuantization(Pass):
    """Write decisions on nodes and sources on values; no edit.

    Attributes:
        rules: The target's; first match wins.
        exclude_nodes: Regular expressions over node names that stay float.
        exclude_ops: Operator types that stay float.
        only_ops: When not empty, the only `compute` operator types that run in integers.
    """

    rules: tuple[OpRule, ...]
    exclude_nodes: tuple[str, ...] = ()
    exclude_ops: tuple[str, ...] = ()
    only_ops: tuple[str, ...] = ()

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if any(decision_of(node) for node in model.graph):
            return ir.passes.PassResult(model, modified=False)
        candidates = {node: decision for node in model.graph if (decision := self._candidate(node)) is not None}
        for node in subgraph_nodes(model):
            if self._rule(node) is not None:
                skip(node, "is in the body of an If, Loop or Scan, which stays float")
        chosen = _supported(candidates)
        if not chosen:
            raise _nothing_to_do(model)
        for node, decision in chosen.items():
            set_decision(node, decision)
        assign_sources(chosen)
        return ir.passes.PassResult(model, modified=bool(chosen))

    def _rule(self, node: ir.Node) -> OpRule | None:
        if node.domain not in ("", "ai.onnx"):
            return None
        return next((rule for rule in self.rules if _matches(rule, node)), None)

    def _candidate(self, node: ir.Node) -> Decision | None:
        """The decision for one node taken by itself, or None with the reason remembered."""
        rule = self._rule(node)
        if rule is None:
            if node.op_type in _MULTIPLIES:
                skip(node, "has no integer kernel on this target")
            return None
        # `only_ops` names kernels with MACs; what follows them follows.
        only = self.only_ops if rule.role == "compute" else ()
        excluded = out_of_scope(node, exclude_nodes=self.exclude_nodes, exclude_ops=self.exclude_ops, only_ops=only)
        several = "has several outputs" if len(node.outputs) > 1 else None
        decision = excluded or several or _not_float(node) or _unsupported(node) or _operands(node, rule)
        if isinstance(decision, str):
            skip(node, decision)
            return None
        # A fixed range is not fitted to the clamp, so saturation cannot do its work.
        clamp = None if rule.role == "carry" or isinstance(rule.outputs, Fixed) else clamp_behind(node)
        output = clamp.outputs[0] if clamp is not None else node.outputs[0]
        return replace(decision, clamp=clamp, output=output)


def _nothing_to_do(model: ir.Model) -> ModelError:
    """No operator runs in integers: say why, most frequent reason first."""
    nodes = ir.traversal.RecursiveGraphIterator(model.graph)
    reasons = Counter(f"{node.op_type} {why}" for node in nodes if (why := why_skipped(node)) is not None)
    told = "; ".join(reason for reason, _ in reasons.most_common(3))
    return ModelError(
        f"graph {model.graph.name!r}",
        "has no operator that runs in integers on this target" + (f" ({told})" if told else ""),
        remedy="Pack it as it is with --scheme float, or see `edgec targets NAME` for what the target quantizes",
    )


def _matches(rule: OpRule, node: ir.Node) -> bool:
    return node.op_type in rule.ops and (rule.only != "depthwise" or _is_depthwise(node))


def _is_depthwise(node: ir.Node) -> bool:
    weight = node.inputs[1] if len(node.inputs) > 1 else None
    group = node.attributes.get_int("group", 1)
    return group > 1 and weight is not None and weight.shape is not None and tuple(weight.shape[:2]) == (group, 1)


def _not_float(node: ir.Node) -> str | None:
    """Only float32 values are quantized: fp16 and double models keep their type."""
    value = node.inputs[0] if node.inputs else None
    if value is not None and value.dtype is not None and value.dtype != ir.DataType.FLOAT:
        return f"computes in {value.dtype.name}, not FLOAT"
    return None


def _unsupported(node: ir.Node) -> str | None:
    """Forms of an operator for which ONNX Runtime has no integer kernel (1.31.1, `qdq_selectors.cc`)."""
    if node.op_type == "Gemm":
        if node.attributes.get_float("alpha", 1.0) != 1.0:
            return "alpha is not 1"
        if len(node.inputs) > 2 and node.attributes.get_float("beta", 1.0) != 1.0:
            return "beta is not 1"
        if node.attributes.get_int("transA", 0):
            return "transA is set"
        if is_op(sole_consumer(node.outputs[0]), "Transpose"):
            return "is read by a Transpose, which ONNX Runtime takes into a float Gemm (GemmTransposeFusion)"
    if node.op_type == "MatMul" and is_op(sole_consumer(node.outputs[0]), "Add") and _rank_unknown(node.inputs[0]):
        return "has an input of unknown rank, and may be taken into a float Gemm with the Add behind it"
    if node.op_type == "Resize" and node.attributes.get_string("mode", "nearest") != "nearest":
        return "only nearest Resize has an integer kernel"
    if node.op_type == "Pad" and not _pads_with_zero(node):
        return "pads with something other than the constant 0"
    if node.op_type == "Pad" and len(node.inputs) > 3 and node.inputs[3] is not None:
        return "pads axes that are computed at run time"
    if _is_dilated_pool(node):
        return "dilated AveragePool has no integer kernel"
    if any(_comes_from_dilated_pool(value) for value in node.inputs):
        return "reads a dilated AveragePool, which ONNX Runtime would replace by an invalid integer one"
    return None


def _rank_unknown(value: ir.Value | None) -> bool:
    return value is not None and value.shape is None


def _comes_from_dilated_pool(value: ir.Value | None) -> bool:
    """Also through movers: ONNX Runtime carries a Q back over them (QDQPropagationTransformer)."""
    producer = None if value is None else value.producer()
    while producer is not None and is_op(producer, *_MOVERS):
        value = producer.inputs[0]
        producer = None if value is None else value.producer()
    return _is_dilated_pool(producer)


def _is_dilated_pool(node: ir.Node | None) -> bool:
    dilations = node.attributes.get_ints("dilations", ()) if node is not None and is_op(node, "AveragePool") else ()
    return any(size != 1 for size in dilations)


def _pads_with_zero(node: ir.Node) -> bool:
    """Only then is padding the same on integers: 0 is the zero point."""
    value = node.inputs[2] if len(node.inputs) > 2 else None
    fill = 0.0 if value is None else constant_array(value)
    return node.attributes.get_string("mode", "constant") == "constant" and fill is not None and not np.any(fill)


def _operands(node: ir.Node, rule: OpRule) -> Decision | str:
    """Which inputs are activations, weight and bias; or why the node stays float."""
    bias_at = _BIAS_INPUT.get(node.op_type)
    if rule.role == "carry" or (bias_at is None and node.op_type != "MatMul"):
        return _elementwise_operands(node, rule)
    activation, weight = node.inputs[0], node.inputs[1]
    if weight is None or activation is None:
        return "lacks an operand"
    if is_overridable(weight):
        return f"its weight {weight.name!r} is a graph input, which the caller may replace"
    if is_constant(activation):
        return "its first operand is constant"
    if not is_constant(weight):
        if node.op_type == "MatMul" and rule.weights is None:
            return Decision(rule=rule, activations=(0, 1))
        return f"its weight {weight.name!r} is computed at run time"
    if rule.weights is None:
        return "its weight is constant, which this rule does not cover"
    if _is_unaligned(weight, rule.aligned_inputs):
        return f"reads a number of channels that is no multiple of {rule.aligned_inputs}, which is faster in float"
    spec = _with_axis(node, weight, rule.weights)
    if isinstance(spec, str):
        return spec
    bias = _bias_index(node, rule, bias_at)
    if isinstance(bias, str):
        return bias
    derived = None if bias is None else (bias, Derived(from_=(0, 1), fn=bias_params))
    return Decision(rule=rule, activations=(0,), weight=(1, spec), bias=derived)


def _elementwise_operands(node: ir.Node, rule: OpRule) -> Decision | str:
    """Operands of follow and carry nodes; constants are quantized like activations of known range."""
    if rule.role == "carry":
        if is_constant(node.inputs[0]):
            return "its input is constant"
        return Decision(rule=rule, activations=(0,))
    floats = [
        k for k, value in enumerate(node.inputs) if value is not None and value.dtype in (None, ir.DataType.FLOAT)
    ]
    if any(is_overridable(node.inputs[k]) for k in floats):  # type: ignore[arg-type]
        return "an operand is a graph input with a default, which the caller may replace"
    constants = [k for k in floats if is_constant(node.inputs[k])]
    activations = tuple(k for k in floats if k not in constants)
    if not activations:
        return "all its operands are constant"
    if not constants:
        return Decision(rule=rule, activations=activations)
    if rule.weights is None or len(constants) > 1:
        return "a constant operand has no integer form here"
    return Decision(rule=rule, activations=activations, weight=(constants[0], rule.weights))


def _is_unaligned(weight: ir.Value, multiple: int) -> bool:
    """Whether a convolution over more than one pixel reads a number of channels its kernel is slow at."""
    dims = () if weight.shape is None else tuple(weight.shape)
    if len(dims) < 3 or not all(isinstance(dim, int) for dim in dims):
        return False
    # One channel per group is depthwise, which has a kernel of its own.
    return dims[1] != 1 and dims[1] % multiple != 0 and any(size != 1 for size in dims[2:])


def _with_axis(node: ir.Node, weight: ir.Value, spec: QuantSpec) -> QuantSpec | str:
    """Resolve `PerAxis` to the output-channel axis of this operand: Conv 0, ConvTranspose 1, MatMul last."""
    if not isinstance(spec.granularity, PerAxis):
        return spec
    rank = 0 if weight.shape is None else len(weight.shape)
    match node.op_type:
        case "Conv":
            axis = 0
        case "ConvTranspose":
            if node.attributes.get_int("group", 1) != 1:
                return replace(spec, granularity=PerTensor())
            axis = 1
        case "Gemm":
            axis = 0 if node.attributes.get_int("transB", 0) else 1
        case _:
            if rank != 2:
                # ONNX Runtime's per-column kernels take a matrix; batched constants share one scale.
                return replace(spec, granularity=PerTensor())
            axis = 1
    return replace(spec, granularity=PerAxis(axis=axis))


def _bias_index(node: ir.Node, rule: OpRule, bias_at: int | None) -> int | str | None:
    if bias_at is None or not rule.bias or len(node.inputs) <= bias_at:
        return None
    bias = node.inputs[bias_at]
    if bias is None:
        return None
    if not is_constant(bias):
        return f"its bias {bias.name!r} is not constant"
    if node.op_type == "Gemm":
        array = constant_array(bias)
        shape = () if array is None else array.shape
        if len(shape) != 1 and not (len(shape) == 2 and shape[0] == 1):
            return f"its bias has shape {shape}, not one value per column"
    return bias_at


def _supported(candidates: dict[ir.Node, Decision]) -> dict[ir.Node, Decision]:
    """All compute candidates, and the greatest self-supporting set of follow and carry candidates."""
    chosen = dict(candidates)
    while True:
        written = {decision.output for decision in chosen.values() if decision.output is not None}
        read = {node.inputs[k] for node, decision in chosen.items() for k in decision.activations}
        wanted = {
            node.inputs[k]
            for node, decision in chosen.items()
            if decision.rule.role == "compute"
            for k in decision.activations
        }
        dropped = []
        for node, decision in chosen.items():
            if decision.rule.role == "compute":
                continue
            operands = [node.inputs[k] for k in decision.activations]
            available = decision.rule.quantize_before or all(value in written or value in wanted for value in operands)
            if not available:
                dropped.append((node, "an operand is float"))
            elif decision.output not in read:
                dropped.append((node, "nobody reads its result as an integer"))
        if not dropped:
            return {node: _settle(decision, read) for node, decision in chosen.items()}
        for node, reason in dropped:
            skip(node, reason)
            del chosen[node]


def _settle(decision: Decision, read: set[ir.Value | None]) -> Decision:
    """A kernel that can write float does so unless an integer reader asks."""
    if decision.rule.output == "optional" and decision.output not in read:
        return replace(decision, output=None, clamp=None)
    return decision
