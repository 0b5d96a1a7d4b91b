"""A place whose provider takes nodes by a rule; what it computes, this process's ONNX Runtime computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edgec.errors import HostError
from edgec.runtimes import runtime
from edgec.runtimes.base import Feeds, Kernel, Latency, Placement, RuntimeFacts, Session, SessionSettings, TensorInfo

__all__ = ["PICKY", "Picky", "Seen"]

PICKY = "PickyExecutionProvider"
_CPU = "CPUExecutionProvider"
_TYPES = {number: name.lower() for name, number in onnx.TensorProto.DataType.items()}
_PRODUCTS = ("Conv", "Gemm", "MatMul")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A node as a provider sees it.

    Attributes:
        op: Its operator.
        opset: The default one.
        inputs: Types of its operands; of codes where a DequantizeLinear stands in front, "" where one is left out.
        scales: Their scales, None where there are none.
        zeros: Their zero points.
        constants: Whether they are constant.
        shapes: As declared; None where they are not.
        output: Its first result's type, of codes where a QuantizeLinear stands behind.
        output_steps: Scale and zero point of that.
        attributes: By name.
        before: The operator that writes its first operand, through Q and DQ; "" for an input of the model.
    """

    op: str
    opset: int
    inputs: tuple[str, ...]
    scales: tuple[np.ndarray | None, ...]
    zeros: tuple[np.ndarray | None, ...]
    constants: tuple[bool, ...]
    shapes: tuple[tuple[int | str, ...] | None, ...]
    output: str
    output_steps: tuple[float, int] | None
    attributes: Mapping[str, Any]
    before: str


@dataclass(frozen=True, kw_only=True)
class Picky:
    """The runtime.

    Attributes:
        takes: The rule.
        kills: Nodes whose placement ends the process.
        opened: Number of nodes of each model that was opened.
    """

    takes: Callable[[Seen], bool]
    kills: Callable[[Seen], bool] = lambda seen: False
    opened: list[int] = field(default_factory=list)
    name: str = "picky"
    providers: tuple[str, ...] = (PICKY, _CPU)

    def available(self) -> str | None:
        return None

    def facts(self) -> RuntimeFacts:
        return RuntimeFacts.here()

    def close(self) -> None:
        return None

    def open(self, model: Any, settings: SessionSettings = SessionSettings()) -> Session:
        inner = runtime("onnxruntime-cpu").open(model, settings)
        proto = onnx.load(model) if isinstance(model, Path) else onnx.load_model_from_string(model)
        self.opened.append(len(proto.graph.node))
        return _Session(self, inner, proto)


class _Session:
    def __init__(self, place: Picky, inner: Session, proto: onnx.ModelProto) -> None:
        self._place, self._inner, self._proto = place, inner, proto

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        return self._inner.inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        return self._inner.outputs

    @property
    def load_seconds(self) -> float:
        return self._inner.load_seconds

    @property
    def threads(self) -> int:
        return self._inner.threads

    def run(self, feeds: Feeds) -> dict[str, np.ndarray]:
        return self._inner.run(feeds)

    def run_seconds(self, feeds: Feeds) -> float:
        return self._inner.run_seconds(feeds)

    def latency(self, feeds: Feeds, runs: int) -> Latency:
        return self._inner.latency(feeds, runs)

    def close(self) -> None:
        self._inner.close()

    def placement(self, feeds: Feeds) -> Placement:
        self._inner.run(feeds)
        kernels = []
        for index, (node, seen) in enumerate(_seen(self._proto)):
            if self._place.kills(seen):
                raise HostError("runtime 'picky'", "died (profile): killed by SIGSEGV", remedy="")
            taken = self._place.takes(seen)
            # As ONNX Runtime does: what a provider took has another name, what moved to another layout a suffix.
            name = f"{PICKY}_{seen.op}_{index}" if taken else f"{node.name}_token_{index}" if index % 2 else node.name
            kernels.append(
                Kernel(
                    name=name,
                    op_type=f"Q{seen.op}" if seen.inputs[0] in ("int8", "uint8") else seen.op,
                    provider=PICKY if taken else _CPU,
                    inputs=tuple((each, (1, 1)) for each in seen.inputs if each),
                    outputs=((seen.output, (1, 1)),),
                    macs=1000 if seen.op in _PRODUCTS else 0,
                    integer=seen.inputs[0] in ("int8", "uint8"),
                )
            )
        return Placement(kernels=tuple(kernels), evidence="told so", partitions=1, crossing_bytes=0)


def _seen(proto: onnx.ModelProto) -> list[tuple[onnx.NodeProto, Seen]]:
    """All nodes but Q and DQ."""
    graph = onnx.shape_inference.infer_shapes(proto).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    described = {value.name: value for value in (*graph.input, *graph.value_info, *graph.output)}
    made = {name: node for node in graph.node for name in node.output}
    readers = {name: node for node in graph.node for name in node.input}
    opset = next(each.version for each in proto.opset_import if not each.domain)
    nodes = [node for node in graph.node if node.op_type not in ("QuantizeLinear", "DequantizeLinear")]

    def dtype(name: str) -> str:
        if name in constants:
            return str(constants[name].dtype).replace("float32", "float")
        return _TYPES[described[name].type.tensor_type.elem_type] if name in described else "float"

    def shape(name: str) -> tuple[int | str, ...] | None:
        if name in constants:
            return constants[name].shape
        dims = described[name].type.tensor_type.shape.dim if name in described else ()
        return tuple(dim.dim_value or dim.dim_param for dim in dims)

    found = []
    for node in nodes:
        sources = [made.get(name) for name in node.input]
        quantized = [each if each is not None and each.op_type == "DequantizeLinear" else None for each in sources]
        codes = [name if each is None else each.input[0] for name, each in zip(node.input, quantized, strict=True)]
        behind = readers.get(node.output[0])
        steps = behind if behind is not None and behind.op_type == "QuantizeLinear" else None
        seen = Seen(
            op=node.op_type,
            opset=opset,
            inputs=tuple(dtype(name) if name else "" for name in codes),
            scales=tuple(None if each is None else constants[each.input[1]] for each in quantized),
            zeros=tuple(
                None if each is None or len(each.input) < 3 else constants[each.input[2]] for each in quantized
            ),
            constants=tuple(name in constants for name in codes),
            shapes=tuple(shape(name) for name in codes),
            output="float" if steps is None else str(constants[steps.input[2]].dtype),
            output_steps=None if steps is None else (float(constants[steps.input[1]]), int(constants[steps.input[2]])),
            attributes={each.name: onnx.helper.get_attribute_value(each) for each in node.attribute},
            before=_before(node, made),
        )
        found.append((node, seen))
    return found


def _before(node: onnx.NodeProto, made: Mapping[str, onnx.NodeProto]) -> str:
    source = made.get(node.input[0])
    while source is not None and source.op_type in ("QuantizeLinear", "DequantizeLinear"):
        source = made.get(source.input[0])
    return "" if source is None else source.op_type
