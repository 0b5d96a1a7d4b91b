"""Kernels of a QNN graph written by hand: order, MACs, and which of them are of integers."""

from __future__ import annotations

import json
from typing import Any

from edgec.runtimes.base import Kernel
from edgec.runtimes.placement import placement_of
from edgec.runtimes.qnn_graph import boundary_bytes, qnn_kernels
from edgec.runtimes.runner import Evidence

QNN = "QNNExecutionProvider"
# The decimal digits of hexadecimal codes, as the backend writes them: 0x0408 is 1032.
U8, S8, S32, F32, U16 = 1032, 776, 818, 562, 1046
WRITE, READ, NATIVE, STATIC = 0, 1, 3, 4


def tensor(data_type: int, dims: list[int], kind: int = NATIVE) -> dict[str, Any]:
    return {"data_type": data_type, "dims": dims, "type": kind}


def node(kind: str, inputs: list[str], outputs: list[str]) -> dict[str, Any]:
    return {"type": kind, "input_names": inputs, "output_names": outputs}


# Listed by name, as the backend does: the last of them runs first.
GRAPH = {
    "nodes": {
        "a_soft": node("Softmax", ["logits_f"], ["y"]),
        "b_up": node("Dequantize", ["logits"], ["logits_f"]),
        "c_dense": node("FullyConnected", ["flat", "fw", "fb"], ["logits"]),
        "d_scores": node("MatMul", ["c_f", "k_f"], ["s_f"]),
        "m_up": node("TransposeConv2d", ["d", "tw"], ["t"]),
        "n_depth": node("DepthWiseConv2d", ["c", "dw", "db"], ["d"]),
        "o_flat": node("Reshape", ["c"], ["flat"]),
        "z_conv": node("Conv2d", ["x", "w", "b"], ["c"]),
    },
    "tensors": {
        "x": tensor(U8, [1, 8, 8, 3], WRITE),
        "w": tensor(S8, [3, 3, 3, 16], STATIC),
        "b": tensor(S32, [16], STATIC),
        "c": tensor(U8, [1, 4, 4, 16]),
        "dw": tensor(S8, [3, 3, 1, 16], STATIC),
        "db": tensor(S32, [16], STATIC),
        "d": tensor(U8, [1, 4, 4, 16]),
        "tw": tensor(S8, [2, 2, 16, 5], STATIC),
        "t": tensor(U8, [1, 8, 8, 5]),
        "flat": tensor(U8, [1, 256]),
        "fw": tensor(S8, [10, 256], STATIC),
        "fb": tensor(S32, [10], STATIC),
        "logits": tensor(U16, [1, 10]),
        "logits_f": tensor(F32, [1, 10]),
        "y": tensor(F32, [1, 10], READ),
        "c_f": tensor(F32, [1, 2, 6, 4]),
        "k_f": tensor(F32, [1, 2, 4, 7]),
        "s_f": tensor(F32, [1, 2, 6, 7]),
    },
}
DUMP = json.dumps({"graph": GRAPH})


def by_name(kernels: tuple[Kernel, ...]) -> dict[str, Kernel]:
    return {kernel.name: kernel for kernel in kernels}


def test_macs_are_products_of_the_backends_shapes() -> None:
    found = by_name(qnn_kernels(DUMP, QNN))
    assert {name: kernel.macs for name, kernel in found.items() if kernel.macs} == {
        "z_conv": 4 * 4 * 16 * 3 * 3 * 3,
        "n_depth": 4 * 4 * 16 * 3 * 3,
        "m_up": 4 * 4 * 16 * 2 * 2 * 5,
        "c_dense": 10 * 256,
        "d_scores": 2 * 6 * 7 * 4,
    }
    assert {kernel.provider for kernel in found.values()} == {QNN}
    assert found["z_conv"].inputs == (("uint8", (1, 8, 8, 3)), ("int8", (3, 3, 3, 16)), ("int32", (16,)))


def test_what_multiplies_floats_is_not_integer() -> None:
    found = by_name(qnn_kernels(DUMP, QNN))
    assert {name for name, kernel in found.items() if kernel.integer} == {"z_conv", "n_depth", "m_up", "c_dense"}
    for which in ("x", "w", "c"):  # one operand of floats suffices
        changed = json.loads(DUMP)
        changed["graph"]["tensors"][which]["data_type"] = F32
        assert not by_name(qnn_kernels(json.dumps(changed), QNN))["z_conv"].integer


def test_a_kernel_stands_behind_what_it_reads() -> None:
    order = [kernel.name for kernel in qnn_kernels(DUMP, QNN)]
    assert sorted(order) == sorted(GRAPH["nodes"])
    for before, behind in (("z_conv", "o_flat"), ("o_flat", "c_dense"), ("c_dense", "b_up"), ("b_up", "a_soft")):
        assert order.index(before) < order.index(behind)


def test_a_recurrent_node_is_not_counted_as_none() -> None:
    graph = {"nodes": {"l": node("Lstm", ["x"], ["y"])}, "tensors": {"x": tensor(F32, [1]), "y": tensor(F32, [1])}}
    (kernel,) = qnn_kernels(json.dumps({"graph": graph}), QNN)
    assert (kernel.macs, kernel.integer) == (None, False)


def test_bytes_that_cross_are_those_of_its_inputs_and_outputs() -> None:
    assert boundary_bytes(DUMP) == 8 * 8 * 3 + 10 * 4


def event(name: str, op: str, provider: str) -> dict[str, Any]:
    shapes = [{"uint8": [1, 8, 8, 3]}]
    args = {"op_name": op, "provider": provider, "input_type_shape": shapes, "output_type_shape": shapes}
    return {"cat": "Node", "name": f"{name}_kernel_time", "args": args}


def seen(backend: dict[str, str]) -> Evidence:
    events = [
        event("x_QuantizeLinear", "QuantizeLinear", "CPUExecutionProvider"),
        event(f"{QNN}_1_0", f"{QNN}_1", QNN),
    ]
    return Evidence(
        events=events, assigned={"conv": QNN}, graph=None, placed=None, features=[], backend=backend
    )  # fmt: skip


def test_a_partition_is_what_its_graph_says() -> None:
    found = placement_of(seen({f"{QNN}_1_0": DUMP, "another": DUMP}))
    assert [kernel.name for kernel in found.kernels][:2] == ["x_QuantizeLinear", found.kernels[1].name]
    assert len(found.kernels) == 1 + len(GRAPH["nodes"])
    assert found.partitions == 2
    assert found.crossing_bytes == boundary_bytes(DUMP)
    assert found.mac_share_on(QNN) == 1.0
    assert found.integer_mac_share == 1 - (2 * 6 * 7 * 4) / found.macs
    assert found.evidence == (
        "profile of one run, ONNX Runtime's graph assignment record and the types of the graph that the backend writes"
    )


def test_a_partition_without_a_graph_is_unknown_and_not_empty() -> None:
    kernel = placement_of(seen({})).kernels[1]
    assert (kernel.macs, kernel.integer) == (None, False)
