"""Placement of evidence written by hand: two providers, weights the profile leaves out, nodes nobody knows."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgec.runtimes.base import Kernel
from edgec.runtimes.crossing import crossing_bytes, partitions
from edgec.runtimes.operands import all_operands, constants_of
from edgec.runtimes.placement import placement_of
from edgec.runtimes.runner import Evidence

CPU, FAST = "CPUExecutionProvider", "FastExecutionProvider"
# As it ran: Q on the CPU, a convolution on the other provider, whose result two CPU nodes read.
PLACED = """<ir_version: 8, opset_import: ["": 17, "com.microsoft": 1]>
g (float[1, 2, 4, 4] x) => (float[1, 3, 4, 4] y, uint8[1, 3, 4, 4] z) {
    [quantize] q = QuantizeLinear(x, s, zero)
    [Fast_0] c = QLinearConv(q, s, zero, w, ws, wz, s, zero)
    [dequantize] y = DequantizeLinear(c, s, zero)
    [move] z = Identity(c)
}"""


def placed() -> onnx.ModelProto:
    proto = onnx.parser.parse_model(PLACED)
    arrays = {
        "s": np.float32(0.1), "zero": np.uint8(0), "w": np.ones((3, 2, 1, 1), np.int8), "ws": np.ones(3, np.float32),
        "wz": np.zeros(3, np.int8),
    }  # fmt: skip
    for name, array in arrays.items():
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    return proto


def event(name: str, op: str, provider: str | None, inputs: list[Any], outputs: list[Any], index: int = 0) -> Any:
    args: dict[str, Any] = {
        "op_name": op, "node_index": str(index), "input_type_shape": inputs, "output_type_shape": outputs
    }  # fmt: skip
    if provider is not None:
        args["provider"] = provider
    return {"cat": "Node", "name": f"{name}_kernel_time", "args": args}


SMALL = [{"float": []}, {"uint8": []}]
X, Q, C = {"float": [1, 2, 4, 4]}, {"uint8": [1, 2, 4, 4]}, {"uint8": [1, 3, 4, 4]}
Y = {"float": [1, 3, 4, 4]}
EVENTS = [
    event("quantize", "QuantizeLinear", CPU, [X, *SMALL], [Q], 0),
    # The weights, their scales and zero points are packed by the kernel: the profile does not list them.
    event("Fast_0", "QLinearConv", FAST, [Q, *SMALL, *SMALL], [C], 1),
    event("dequantize", "DequantizeLinear", CPU, [C, *SMALL], [Y], 2),
    event("move", "Identity", CPU, [C], [C], 3),
]


def seen(events: list[Any], assigned: dict[str, str] | None = None, *, graph: bool = True) -> Evidence:
    return Evidence(
        events=events,
        assigned=assigned or {},
        graph=None,
        placed=placed().SerializeToString() if graph else None,
        features=["AVX2"],
    )


def test_two_providers() -> None:
    found = placement_of(seen(EVENTS))
    assert [(kernel.name, kernel.provider) for kernel in found.kernels] == [
        ("quantize", CPU),
        ("Fast_0", FAST),
        ("dequantize", CPU),
        ("move", CPU),
    ]
    assert found.partitions == 3
    # q goes there once; c comes back once, though two nodes read it.
    assert found.crossing_bytes == 2 * 4 * 4 + 3 * 4 * 4
    assert found.evidence == "profile of one run"
    assert found.mac_share_on(FAST) == 1.0
    assert found.mac_share_on(CPU) == 0.0
    assert [kernel.name for kernel in found.off_provider([FAST])] == ["quantize", "dequantize", "move"]
    assert found.off_provider([FAST, CPU]) == ()


def test_weights_left_out_of_the_profile_are_counted() -> None:
    conv = next(kernel for kernel in placement_of(seen(EVENTS)).kernels if kernel.op_type == "QLinearConv")
    assert conv.inputs == (
        ("uint8", (1, 2, 4, 4)),
        ("float", ()),
        ("uint8", ()),
        ("int8", (3, 2, 1, 1)),
        ("float", (3,)),
        ("int8", (3,)),
        ("float", ()),
        ("uint8", ()),
    )
    assert conv.macs == 3 * 4 * 4 * 2
    assert conv.integer


def test_a_node_that_is_not_in_the_graph() -> None:
    """Its operands stay as listed, and what crosses is not known; its provider still is, where the profile has it."""
    stranger = event("stranger", "QLinearConv", FAST, [Q, *SMALL], [C], 4)
    found = placement_of(seen([*EVENTS, stranger]))
    assert found.kernels[-1].inputs == (("uint8", (1, 2, 4, 4)), ("float", ()), ("uint8", ()))
    assert found.kernels[-1].provider == FAST
    assert found.crossing_bytes is None
    assert found.partitions == 4


def test_a_provider_that_nothing_shows_is_unknown() -> None:
    events = [event("quantize", "QuantizeLinear", None, [X, *SMALL], [Q], 0), *EVENTS[1:]]
    found = placement_of(seen(events))
    assert found.kernels[0].provider == "unknown"
    assert [kernel.name for kernel in found.off_provider([FAST, CPU])] == ["quantize"]
    assert found.mac_share_on("unknown") == 0.0
    recorded = placement_of(seen(events, {"quantize": CPU}))
    assert recorded.kernels[0].provider == CPU
    assert recorded.evidence == "profile of one run and ONNX Runtime's graph assignment record"


def test_without_macs_there_is_no_share() -> None:
    found = placement_of(seen([EVENTS[0], *EVENTS[2:]]))
    assert found.mac_share_on(FAST) is None
    assert found.integer_mac_share is None


def test_one_provider_crosses_nothing() -> None:
    found = placement_of(seen([event("a", "Relu", CPU, [X], [X])], graph=False))
    assert (found.partitions, found.crossing_bytes) == (1, 0)


def test_no_evidence_is_no_placement() -> None:
    found = placement_of(seen([], graph=False))
    assert (found.kernels, found.partitions, found.crossing_bytes) == ((), 0, 0)
    assert found.mac_share_on(CPU) is None


# --- crossing -----------------------------------------------------------------------------------------------------


def kernel(name: str, provider: str, dtype: str = "float", shape: tuple[int, ...] = (2, 3)) -> Kernel:
    return Kernel(
        name=name, op_type="Relu", provider=provider, inputs=(), outputs=((dtype, shape),), macs=0, integer=False
    )


CHAIN = onnx.parser.parse_graph(
    "g (float[2, 3] x) => (float[2, 3] c) { [a] a = Relu(x) [b] b = Relu(a) [c] c = Add(a, b) }"
)


@pytest.mark.parametrize(
    ("providers", "runs", "crossing"),
    [
        ((CPU, CPU, CPU), 1, 0),
        ((FAST, CPU, CPU), 2, 24),
        ((CPU, FAST, CPU), 3, 24 + 24),
        ((CPU, CPU, FAST), 2, 24 + 24),
        ((FAST, CPU, "Third"), 3, 24 + 24 + 24),
        ((FAST, CPU, FAST), 3, 24 + 24),
    ],
)
def test_each_tensor_crosses_once_for_each_provider_that_reads_it(
    providers: tuple[str, ...], runs: int, crossing: int
) -> None:
    kernels = [kernel(name, provider) for name, provider in zip("abc", providers, strict=True)]
    assert partitions(kernels) == runs
    assert crossing_bytes(kernels, CHAIN) == crossing


@pytest.mark.parametrize(("dtype", "size"), [("uint8", 1), ("bool", 1), ("float16", 2), ("int64", 8)])
def test_bytes_go_by_type(dtype: str, size: int) -> None:
    kernels = [kernel("a", FAST, dtype), kernel("b", CPU), kernel("c", CPU)]
    assert crossing_bytes(kernels, CHAIN) == 6 * size


def test_what_cannot_be_told_is_none() -> None:
    assert crossing_bytes([kernel("a", FAST, "string"), kernel("b", CPU), kernel("c", CPU)], CHAIN) is None
    assert crossing_bytes([kernel("a", FAST), kernel("a", CPU)], CHAIN) is None
    assert crossing_bytes([kernel("other", FAST), kernel("a", CPU)], CHAIN) is None
    assert crossing_bytes([copy("MemcpyToHost", "float", (2,)), copy("MemcpyFromHost", "string", (2,))], CHAIN) is None


def test_what_runs_in_one_place_crosses_nothing() -> None:
    assert crossing_bytes([kernel("other", FAST), kernel("another", FAST)], CHAIN) == 0


def copy(op_type: str, dtype: str, shape: tuple[int, ...]) -> Kernel:
    return Kernel(name="", op_type=op_type, provider=FAST, inputs=((dtype, shape),), outputs=(), macs=0, integer=False)


def test_nodes_that_copy_between_memories_are_the_crossings() -> None:
    """They are not in the graph that is saved."""
    copies = [copy("MemcpyToHost", "float", (2, 3)), copy("MemcpyFromHost", "uint8", (5,))]
    assert crossing_bytes([kernel("x", FAST), copies[0], kernel("y", CPU), copies[1]], CHAIN) == 24 + 5


# --- operands -----------------------------------------------------------------------------------------------------


def test_constants_are_put_back_in_their_places() -> None:
    constants = constants_of(placed().graph)["Fast_0"]
    whole = [Q, *SMALL, {"int8": [3, 2, 1, 1]}, {"float": [3]}, {"int8": [3]}, *SMALL]
    assert all_operands({"input_type_shape": [Q, *SMALL, *SMALL]}, constants) == whole
    assert all_operands({"input_type_shape": whole}, constants) == whole
    assert all_operands({"input_type_shape": [Q]}, constants) == whole


def test_a_graph_that_does_not_know_the_node_adds_nothing() -> None:
    assert all_operands({"input_type_shape": [Q]}, None) == [Q]
    assert all_operands({}, None) == []
