"""The CUDA provider's rules: every case its own partitioner decided, shapes that stay on the CPU, reasons in full."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cuda_cases import CASES, Case
from support.graphs import model, weights

from edgec.targets.nvidia.cuda_support import CUDA, CUDA_PROVIDER
from edgec.targets.nvidia.kernels import Kernel, read_kernels
from edgec.targets.support import check


def places(graph: ir.Model) -> dict[str, str]:
    found = check(graph, CUDA).units
    return {str(each.unit.node.outputs[0].name): "cuda" if each.provider == CUDA_PROVIDER else "cpu" for each in found}


def why(graph: ir.Model) -> tuple[str, str]:
    verdict = check(graph, CUDA).units[-1].verdicts[CUDA_PROVIDER]
    return verdict.why, verdict.mend


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_its_partitioner_decided(case: Case) -> None:
    assert next(iter(places(ir.from_proto(case.model)).values())) == case.provider


def test_cases_cover_both_answers() -> None:
    found = [case.provider for case in CASES]
    assert len(found) > 200
    assert found.count("cpu") > 40


@pytest.mark.parametrize(
    ("opset", "text", "reason", "mend"),
    [
        (
            13,
            "g (bfloat16[1,1,4,4] x, float[4] s) => (bfloat16 y) { y = Resize(x, , s) }",
            "input 0 of Resize is BFLOAT16; its CUDA kernels take DOUBLE, FLOAT, FLOAT16, INT32, UINT8",
            "Cast around it to float16",
        ),
        (
            23,
            "g (int32[4] x, float s) => (float y) { y = DequantizeLinear(x, s) }",
            "input 0 of DequantizeLinear is INT32; its CUDA kernels take FLOAT8E4M3FN, FLOAT8E5M2, INT4, INT8, UINT4, "
            "UINT8",
            "",
        ),
        (
            14,
            "g (float[3,1,4] x, float[1,32,4] w, float[1,32,8] r) => (float y)"
            " { y = LSTM<hidden_size = 8, clip = 3.0>(x, w, r) }",
            "LSTM with clip is not what cuDNN computes",
            "",
        ),
        (
            11,
            "g (float[1,4,6,6] x, float[4,4,3,3] w) => (float y) { y = ConvTranspose<pads = [0,0,1,1]>(x, w) }",
            "ConvTranspose with pads [0, 0, 1, 1], not the same on both sides, is not what cuDNN computes",
            "",
        ),
        (11, "g (float[4,4] x) => (float y) { y = Det(x) }", "Det has no CUDA kernel", ""),
        (
            17,
            "g (float[4] x) => (float y) { y = com.microsoft.Nothing(x) }",
            "com.microsoft.Nothing has no CUDA kernel",
            "",
        ),
    ],
)
def test_it_says_why_not(opset: int, text: str, reason: str, mend: str) -> None:
    assert why(model(text, opset=opset, domains='"com.microsoft": 1', infer=False)) == (reason, mend)


def test_a_version_it_has_no_kernel_of_is_named() -> None:
    """Its MaxPool is of version 12: from operator set 22 on, the CPU pools."""
    graph = model("g (float[1,4,4,4] x) => (float y) { y = MaxPool<kernel_shape = [2,2]>(x) }", opset=22, infer=False)
    assert why(graph) == (
        "MaxPool has CUDA kernels of versions 1 to 7, 8 to 9, 10, 11, 12, not of 22",
        "Export the model at operator set 21",
    )


def test_shapes_stay_on_the_cpu_and_what_they_are_for_does_not() -> None:
    graph = model(
        "g (float[N,4,4] x) => (float[N,M] y) { s = Shape(x) \n n = Gather(s, first) \n u = Unsqueeze(n, axis) \n"
        " t = Concat<axis = 0>(u, rest) \n r = Reshape(x, t) \n y = Relu(r) }",
        first=np.array(0),
        axis=np.array([0]),
        rest=np.array([-1]),
    )
    assert places(graph) == {"s": "cuda", "n": "cpu", "u": "cpu", "t": "cpu", "r": "cuda", "y": "cuda"}
    gather = check(graph, CUDA).units[1].verdicts[CUDA_PROVIDER]
    assert (gather.why, gather.mend) == (
        "computes a shape from what is on the CPU: ONNX Runtime leaves it there",
        "Fix the shapes: --shape",
    )


def test_a_large_constant_or_half_precision_draws_it_to_the_gpu() -> None:
    large = model("g (float[N] x) => (int64[M] y) { s = Shape(x) \n y = Add(s, c) }", c=np.zeros(101, np.int64))
    small = model("g (float[N] x) => (int64[M] y) { s = Shape(x) \n y = Add(s, c) }", c=np.zeros(100, np.int64))
    half = model("g (float[N] x) => (float16[M] y) { s = Shape(x) \n c = Cast<to = 10>(s) \n y = Neg(c) }")
    assert (places(large)["y"], places(small)["y"]) == ("cuda", "cpu")
    assert places(half) == {"s": "cuda", "c": "cpu", "y": "cuda"}


def test_nodes_in_bodies_are_asked_about() -> None:
    graph = model(
        "g (bool c, float[4,4] x) => (float y) { y = If(c) <then_branch = t () => (float u) { u = Det(x) },"
        " else_branch = e () => (float v) { v = ReduceMax<keepdims = 0>(x) }> }"
    )
    assert places(graph) == {"y": "cuda", "u": "cpu", "v": "cuda"}


def test_products_of_integers_are_its_integer_kernels_alone() -> None:
    """Q/DQ around a Conv leave it float: the provider has no QLinearConv."""
    graph = model(
        "g (float[1,3,4,4] x) => (float[1,2,2,2] y) { q = QuantizeLinear(x, s, z) \n d = DequantizeLinear(q, s, z) \n"
        " y = Conv(d, w) }",
        w=weights(2, 3, 3, 3),
        s=np.float32(0.1),
        z=np.int8(0),
    )
    assert [each.integer for each in check(graph, CUDA).units] == [False] * 3
    product = model("g (int8[2,4] x) => (int32[2,3] y) { y = MatMulInteger(x, w) }", w=np.ones((4, 3), np.int8))
    assert [each.integer for each in check(product, CUDA).units] == [True]


@given(first=st.integers(1, 30), length=st.none() | st.integers(0, 10), version=st.integers(1, 40))
def test_a_kernel_is_for_a_span_or_for_its_first_version_alone(first: int, length: int | None, version: int) -> None:
    kernel = Kernel(first=first, last=None if length is None else first + length, types={})
    span = range(first, first + 1 if length is None else first + length + 1)
    assert kernel.is_for(version) == (version in span)


def test_the_list_reads_back() -> None:
    found = read_kernels("Foo 3 i0,o1=f32|seq\ncom.microsoft.Foo 1+ i2=u8\nFoo 4-9\n")
    assert {key: [(k.first, k.last) for k in each] for key, each in found.items()} == {
        ("", "Foo"): [(3, 3), (4, 9)],
        ("com.microsoft", "Foo"): [(1, None)],
    }
    assert found["", "Foo"][0].types == {
        ("i", 0): frozenset((ir.DataType.FLOAT, "seq")),
        ("o", 1): frozenset((ir.DataType.FLOAT, "seq")),
    }
