"""oneDNN's lines become kernels: primitives, types and MACs; what is not printed is nobody's integer."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.runtimes.base import Kernel
from edgec.runtimes.onednn import PARTITION, onednn_kernels, opened

OPENVINO, CPU = "OpenVINOExecutionProvider", "CPUExecutionProvider"
HEAD = "onednn_verbose,v1,primitive,exec,cpu,"
CONVOLUTION = (
    HEAD + "convolution,brgconv_1x1:avx512_core_vnni,forward_inference,"
    "src:u8::blocked:acdb::f0 wei:s8:a:blocked:AcdB64a4b::f0 bia:f32::blocked:a::f0 dst:u8::blocked:acdb::f0,"
    "attr-scratchpad:user attr-post-ops:eltwise_relu,alg:convolution_direct,{problem},0.01"
)
PRODUCT = (
    HEAD + "{kind},brgemm:avx512_core,forward_inference,src:{x}:a:blocked:ab::f0 wei:{w}:ap:blocked:AB::f0 "
    "bia:undef::undef::: dst:f32::blocked:ab::f0,attr-scratchpad:user,,{problem},0.01"
)
REORDER = HEAD + "reorder,jit:uni,undef,src:s8::blocked:abcd::f0 dst:s8::blocked:AcdB64a4b::f8:zpm1,,,64x4x10x4,13.4"
SOFTMAX = (
    HEAD + "softmax,jit:avx512_core,forward_inference,src:f32::blocked:ab::f0 dst:f32::blocked:ab::f0,"
    "attr-scratchpad:user,alg:softmax_accurate axis:1,1x12,0.005"
)
DEPTHWISE = "g64mb1_ic64oc64_ih25oh25kh3sh1dh0ph1_iw5ow5kw3sw1dw0pw1"


def kernel(op_type: str, provider: str, macs: int | None) -> Kernel:
    return Kernel(name=op_type, op_type=op_type, provider=provider, inputs=(), outputs=(), macs=macs, integer=False)


def macs(line: str) -> int | None:
    (found,) = onednn_kernels(line, OPENVINO)
    return found.macs


def test_lines_of_a_run() -> None:
    text = "\n".join(["onednn_verbose,v1,info,cpu,runtime:TBB,nthr:2", "else", REORDER, CONVOLUTION, SOFTMAX, ""])
    found = onednn_kernels(text.format(problem=DEPTHWISE), OPENVINO)
    assert found == (
        Kernel(
            name="0:jit:uni",
            op_type="reorder",
            provider=OPENVINO,
            inputs=(("int8", ()),),
            outputs=(("int8", ()),),
            macs=0,
            integer=False,
        ),
        Kernel(
            name="1:brgconv_1x1:avx512_core_vnni",
            op_type="convolution",
            provider=OPENVINO,
            inputs=(("uint8", ()), ("int8", ())),
            outputs=(("uint8", ()),),
            macs=64 * 25 * 5 * 3 * 3,
            integer=True,
        ),
        Kernel(
            name="2:jit:avx512_core",
            op_type="softmax",
            provider=OPENVINO,
            inputs=(("float", ()),),
            outputs=(("float", ()),),
            macs=0,
            integer=False,
        ),
    )


def test_older_and_newer_heads() -> None:
    for head in ("onednn_verbose,primitive,exec,cpu,", "onednn_verbose,v1,1700000000000.25,primitive,exec,cpu,"):
        assert macs(CONVOLUTION.format(problem=DEPTHWISE).replace(HEAD, head)) == 64 * 25 * 5 * 9
    assert onednn_kernels(CONVOLUTION.replace("exec", "create:cache_miss").format(problem=DEPTHWISE), OPENVINO) == ()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (CONVOLUTION.format(problem="mb2_ic8oc12_iw100ow48kw5sw2dw0pw0"), 2 * 8 * 12 * 48 * 5),
        (CONVOLUTION.format(problem="mb1_ic4oc6_id5od3kd3_ih5oh3kh3_iw5ow3kw3"), 4 * 6 * 27 * 27),
        (
            CONVOLUTION.replace("convolution,", "deconvolution,", 1).format(
                problem="g2mb1_ic4oc8_ih7oh14kh4sh2dh0ph1_iw7ow14kw4sw2dw0pw1"
            ),
            4 * 8 // 2 * 49 * 16,
        ),
        (PRODUCT.format(kind="inner_product", x="u8", w="s8", problem="mb12ic64oc10"), 12 * 64 * 10),
        (PRODUCT.format(kind="inner_product", x="u8", w="s8", problem="mb1ic64ih3iw2oc10"), 64 * 6 * 10),
        (PRODUCT.format(kind="matmul", x="f32", w="f32", problem="12x64:64x10"), 12 * 64 * 10),
        (PRODUCT.format(kind="matmul", x="f32", w="f32", problem="2x1x7x3:1x5x3x4"), 2 * 5 * 7 * 3 * 4),
        (PRODUCT.format(kind="matmul", x="f32", w="f32", problem="*x64:64x10"), None),
        (PRODUCT.format(kind="inner_product", x="u8", w="s8", problem=""), None),
        (PRODUCT.format(kind="rnn", x="f32", w="f32", problem="l1t1mb1sic8slc8dhc8dic8"), None),
        (HEAD + "matmul", None),
    ],
)
def test_macs_by_hand(line: str, expected: int | None) -> None:
    assert macs(line) == expected


@given(
    batch=st.integers(1, 3),
    groups=st.integers(1, 4),
    inputs=st.integers(1, 4),
    outputs=st.integers(1, 4),
    over=st.integers(1, 5),
    kernel=st.integers(1, 3),
)
def test_a_convolution_counted_product_by_product(
    batch: int, groups: int, inputs: int, outputs: int, over: int, kernel: int
) -> None:
    ranges = (batch, groups, outputs, over, over, inputs, kernel, kernel)
    counted = sum(1 for _ in product(*map(range, ranges)))
    group = f"g{groups}" if groups > 1 else ""
    problem = f"{group}mb{batch}_ic{groups * inputs}oc{groups * outputs}_" + "_".join(
        f"i{axis}9o{axis}{over}k{axis}{kernel}s{axis}2d{axis}0p{axis}0" for axis in "hw"
    )
    assert macs(CONVOLUTION.format(problem=problem)) == counted


@pytest.mark.parametrize(
    ("x", "w", "integer"),
    [("u8", "s8", True), ("s8", "s8", True), ("u8", "u8", True), ("f32", "s8", False), ("f32", "u4", False),
     ("bf16", "bf16", False), ("s8", "f32", False)],
)  # fmt: skip
def test_both_factors_must_be_integers(x: str, w: str, integer: bool) -> None:
    (found,) = onednn_kernels(PRODUCT.format(kind="matmul", x=x, w=w, problem="12x64:64x10"), OPENVINO)
    assert found.integer is integer


def test_a_partition_keeps_what_is_not_printed() -> None:
    shown = PRODUCT.format(kind="matmul", x="u8", w="s8", problem="12x64:64x10")
    seen = (
        kernel("Conv", CPU, 100),
        kernel(PARTITION + "_1", OPENVINO, None),
        kernel(PARTITION + "_2", OPENVINO, None),
    )
    found = opened(seen, shown, 7680 + 100 + 55)
    assert [(each.op_type, each.macs, each.integer) for each in found] == [
        ("Conv", 100, False),
        ("matmul", 7680, True),
        (PARTITION + "_1", 55, False),
        (PARTITION + "_2", 0, False),
    ]


@pytest.mark.parametrize(
    ("printed", "total"),
    [(PRODUCT.format(kind="matmul", x="u8", w="s8", problem="12x64:64x10"), None), (HEAD + "matmul", 9999)],
    ids=["MACs of the model not known", "a line that does not tell its MACs"],
)
def test_what_cannot_be_counted_is_unknown(printed: str, total: int | None) -> None:
    (*_, rest) = opened((kernel(PARTITION + "_1", OPENVINO, None),), printed, total)
    assert rest.macs is None


def test_more_printed_than_counted_leaves_nothing() -> None:
    shown = PRODUCT.format(kind="matmul", x="u8", w="s8", problem="12x64:64x10")
    (*_, rest) = opened((kernel(PARTITION + "_1", OPENVINO, None),), shown, 7000)
    assert rest.macs == 0


def test_without_a_partition_nothing_is_added() -> None:
    seen = (kernel("Conv", CPU, 100),)
    assert opened(seen, SOFTMAX, 100) == seen
