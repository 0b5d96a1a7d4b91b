"""Insert QuantizeLinear/DequantizeLinear where it was decided, with the params that were computed.

1. A value that carries Q/DQ gets one Q and one DQ behind its producer. Integer readers read the DQ.
2. Where an integer kernel writes the value as integers, everybody reads the DQ, graph outputs included: the
   public name moves to the DQ. A float reader beside the Q would leave the kernel float.
3. A constant operand becomes an integer initializer and a DQ; two readers that want the same thing share it.
4. A bias becomes int32 at s_x * s_w and a DQ.
5. A value that is bytes times a number gets no Q: its DQ reads the bytes (`whole_bytes.py`).
6. A reader of another width than the value is stored in gets a second pair behind the DQ: DQ -> Q is one conversion.

Names carry ONNX Runtime's suffixes (`_scale`, `_zero_point`, `_quantized`, `_QuantizeLinear`, `_DequantizeLinear`).
Exact up to rounding: half a step per value.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, add_lazy_initializer, constant_array, fresh_name, insert_after, rewire, value_names
from ..spec import PerAxis, PerBlock, QuantParams, QuantSpec
from .decision import Decision, decided_nodes, decided_values, params_of, read_params, rounded_of, set_params
from .params import quantize
from .weight_params import bias_params_of, weight_params
from .whole_bytes import bytes_behind

__all__ = ["InsertQdq"]

# The integers of larger weights are made when they are written, one weight in memory: a model may be larger than it.
_LAZY_ABOVE = 16 << 20


@dataclass(frozen=True, kw_only=True)
class InsertQdq(Pass):
    """Apply the decisions: Q/DQ pairs on activations, integer initializers with DQ on weights and biases."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        todo = [value for value, _ in decided_values(model.graph) if "edgec.inserted" not in value.meta]
        if not todo:
            return ir.passes.PassResult(model, modified=False)
        work = _Insertion(model.graph)
        nodes = list(decided_nodes(model.graph))
        for node, decision in nodes:
            work.constants_of(node, decision)
        work.activations(todo, nodes)
        return ir.passes.PassResult(model, modified=True)


@dataclass
class _Insertion:
    """The state of one insertion: names taken, scales and weights made so far."""

    graph: ir.Graph
    taken: set[str] = field(init=False)
    scales: dict[int, tuple[QuantParams, ir.Value, ir.Value]] = field(default_factory=dict)
    weights: dict[tuple[ir.Value, QuantSpec, bytes, int | None], ir.Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.taken = value_names(self.graph) | {node.name for node in self.graph if node.name}

    def activations(self, values: list[ir.Value], nodes: list[tuple[ir.Node, Decision]]) -> None:
        readers: dict[ir.Value, list[tuple[ir.Node, int]]] = {}
        others: dict[ir.Value, list[tuple[ir.Node, int]]] = {}
        recoded: dict[ir.Value, QuantParams] = {}
        forced = set()
        for node, decision in nodes:
            for index in decision.activations:
                value = node.inputs[index]
                assert value is not None
                readers.setdefault(value, []).append((node, index))
                stored = params_of(value)
                if stored is not None and (read := read_params(value, decision)) is not stored:
                    others.setdefault(value, []).append((node, index))
                    recoded[value] = read
            if decision.output is not None:
                forced.add(decision.output)
        for value in values:
            value.meta["edgec.inserted"] = True
            uses = tuple(value.uses()) if value in forced else tuple(readers.get(value, ()))
            if not uses and not (value in forced and value.is_graph_output()):
                continue
            params, name = params_of(value), str(value.name)
            assert params is not None
            dequantized = self._pair(value, params, uses, name, public=value in forced)
            if value in others:
                other = recoded[value]
                self._pair(dequantized, other, tuple(others[value]), f"{name}_{other.spec.dtype}", public=False)

    def _pair(
        self, value: ir.Value, params: QuantParams, uses: tuple[tuple[ir.Node, int], ...], name: str, *, public: bool
    ) -> ir.Value:
        """Value -> Q -> DQ -> uses; `public` moves a graph output's name to the DQ. Returns the DQ's output."""
        kind, shape = value.type, value.shape
        scale, zero = self._scale_of(name, params)
        attributes = _axis(params.spec)
        known = None if public else bytes_behind(value)
        if known is not None and known.are_codes(params):
            written, stored = [], known.stored
        else:
            q = ir.node("QuantizeLinear", [value, scale, zero], attributes, name=self._fresh(f"{name}_QuantizeLinear"))
            written, stored = [q], q.outputs[0]
            stored.name = self._fresh(f"{name}_QuantizeLinear_Output")
            stored.type, stored.shape = ir.TensorType(params.spec.onnx_dtype), shape
            set_params(stored, params)
        dq = ir.node(
            "DequantizeLinear", [stored, scale, zero], attributes, name=self._fresh(f"{name}_DequantizeLinear")
        )
        dq.outputs[0].name = self._fresh(f"{name}_DequantizeLinear_Output")
        dq.outputs[0].type, dq.outputs[0].shape = kind, shape
        insert_after(self.graph, value, (*written, dq))
        rewire(uses, dq.outputs[0])
        if public and value.is_graph_output():
            for index, output in enumerate(self.graph.outputs):
                if output is value:
                    self.graph.outputs[index] = dq.outputs[0]
            value.name = self._fresh(f"{name}_float")
            dq.outputs[0].name = name
        return dq.outputs[0]

    def constants_of(self, node: ir.Node, decision: Decision) -> None:
        """Replace the constant operand and the bias of one node by integers and a DQ."""
        if decision.weight is None:
            return
        index = decision.weight[0]
        weight, rounded = node.inputs[index], rounded_of(node)
        assert weight is not None
        params = weight_params(node, decision)
        stored = self._constant(weight, params, None if rounded is None else rounded.codes)
        if decision.bias is not None:
            bias = node.inputs[decision.bias[0]]
            assert bias is not None
            node.replace_input_with(decision.bias[0], self._constant(bias, bias_params_of(node, decision, params)))
        node.replace_input_with(index, stored)

    def _constant(self, value: ir.Value, params: QuantParams, codes: np.ndarray | None = None) -> ir.Value:
        """The DQ output that stands for a constant; equal requests get the same one."""
        key = (value, params.spec, params.scale.tobytes(), None if codes is None else id(codes))
        if key in self.weights:
            return self.weights[key]
        name = str(value.name)
        stored = self._stored(value, self._fresh(f"{name}_quantized"), params, codes)
        scale = add_initializer(self.graph, self._fresh(f"{name}_scale"), params.scale)
        zero = add_initializer(self.graph, self._fresh(f"{name}_zero_point"), params.zero_point, params.spec.onnx_dtype)
        dq = ir.node(
            "DequantizeLinear",
            [stored, scale, zero],
            _axis(params.spec),
            name=self._fresh(f"{name}_DequantizeLinear"),
        )
        output = dq.outputs[0]
        output.name = self._fresh(f"{name}_DequantizeLinear_Output")
        output.type, output.shape = ir.TensorType(ir.DataType.FLOAT), stored.shape  # one bias for all became one each
        first = next(iter(self.graph))
        self.graph.insert_before(first, dq)
        self.weights[key] = output
        return output

    def _stored(self, value: ir.Value, name: str, params: QuantParams, codes: np.ndarray | None) -> ir.Value:
        """The initializer of the integers: those chosen elsewhere, else the nearest."""
        dtype, tensor = params.spec.onnx_dtype, value.const_value
        if codes is None and tensor is not None and tensor.nbytes > _LAZY_ABOVE:
            return add_lazy_initializer(
                self.graph, name, lambda: quantize(tensor.numpy(), params), dtype, ir.Shape(tensor.shape.numpy())
            )
        if codes is None:
            x = constant_array(value)
            assert x is not None
            codes = quantize(x.reshape(-1) if params.spec.dtype == "int32" else x, params)
        return add_initializer(self.graph, name, codes, dtype)

    def _scale_of(self, name: str, params: QuantParams) -> tuple[ir.Value, ir.Value]:
        """Scale and zero point initializers; values that share params share them."""
        found = self.scales.get(id(params))
        if found is None:
            scale = add_initializer(self.graph, self._fresh(f"{name}_scale"), params.scale)
            zero = add_initializer(
                self.graph, self._fresh(f"{name}_zero_point"), params.zero_point, params.spec.onnx_dtype
            )
            found = self.scales[id(params)] = (params, scale, zero)  # params held: their id stays theirs
        return found[1:]

    def _fresh(self, wanted: str) -> str:
        return fresh_name(wanted, self.taken)


def _axis(spec: QuantSpec) -> dict[str, int]:
    match spec.granularity:
        case PerAxis(axis=axis):
            return {"axis": axis}
        case PerBlock(axis=axis, size=size):
            return {"axis": axis, "block_size": size}
    return {}
