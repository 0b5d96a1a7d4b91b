"""Which nodes multiply u8 with s8, and their accumulators, against loops written here."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model

from edgec.passes.check.integer_products import IntegerProduct, integer_products

S = np.float32(0.5)
Z = np.uint8(7)


def held_of(pairs: list[tuple[int, int]]) -> int:
    """Products in order, two at a time, each two held in 16 bits."""
    products = [a * b for a, b in pairs]
    return sum(max(-32768, min(32767, sum(products[at : at + 2]))) for at in range(0, len(products), 2))


def convolved(
    x: np.ndarray, w: np.ndarray, *, group: int, stride: int, dilation: int, pad: int, zero: int
) -> np.ndarray:
    """2-D convolution, one output after another: positions of the window in order, the group's channels at each."""
    (n, _, height, width), (outputs, inputs, kh, kw) = x.shape, w.shape
    rows = (height + 2 * pad - dilation * (kh - 1) - 1) // stride + 1
    columns = (width + 2 * pad - dilation * (kw - 1) - 1) // stride + 1
    found = np.zeros((n, outputs, rows, columns), np.int64)
    for image, out, row, column in itertools.product(range(n), range(outputs), range(rows), range(columns)):
        first = out // (outputs // group) * inputs
        pairs = []
        for i, j, channel in itertools.product(range(kh), range(kw), range(inputs)):
            y, z = row * stride + i * dilation - pad, column * stride + j * dilation - pad
            inside = 0 <= y < height and 0 <= z < width
            pairs.append((int(x[image, first + channel, y, z]) if inside else zero, int(w[out, channel, i, j])))
        found[image, out, row, column] = held_of(pairs) - zero * sum(weight for _, weight in pairs)
    return found


def conv_net(w: np.ndarray, attributes: str, *, reader: str = "QuantizeLinear(f, s, z)") -> ir.Model:
    return model(
        f"""net (uint8[N, C, H, W] x) => (float[N, M, P, Q] y) {{
            dx = DequantizeLinear(x, s, z)
            dw = DequantizeLinear <axis = 0> (w, ws, wz)
            f = Conv <{attributes}> (dx, dw)
            q = {reader}
            y = DequantizeLinear(q, s, z)
        }}""",
        s=S, z=Z, w=w, ws=np.full(len(w), 0.1, np.float32), wz=np.zeros(len(w), np.int8), infer=False,
    )  # fmt: skip


def only(net: ir.Model) -> IntegerProduct:
    (found,) = integer_products(net.graph)
    return found


def extremes(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).choice([-128, -100, 5, 127], shape).astype(np.int8)


def bright(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).choice([0, 90, 254, 255], shape).astype(np.uint8)


@pytest.mark.parametrize(
    ("channels", "outputs", "kernel", "options"),
    [
        (4, 3, (3, 3), {"pad": 1}),
        (3, 2, (3, 3), {"pad": 1, "stride": 2}),
        (5, 2, (1, 1), {}),
        (6, 4, (2, 3), {"group": 2}),
        (9, 6, (3, 3), {"group": 3, "pad": 2, "dilation": 2}),
        (4, 8, (3, 3), {"group": 4, "pad": 1}),
    ],
)
def test_convolutions(channels: int, outputs: int, kernel: tuple[int, int], options: dict[str, int]) -> None:
    asked: dict[str, Any] = {"group": 1, "stride": 1, "dilation": 1, "pad": 0, **options}
    w, x = extremes(1, outputs, channels // asked["group"], *kernel), bright(2, 2, channels, 5, 6)
    attributes = (
        f"group = {asked['group']}, strides = [{asked['stride']}, {asked['stride']}], "
        f"dilations = [{asked['dilation']}, {asked['dilation']}], pads = {[asked['pad']] * 4}"
    )
    found = only(conv_net(w, attributes)).sums(x, int(Z))
    np.testing.assert_array_equal(found.held, convolved(x, w, **asked, zero=int(Z)))
    assert found.saturated > 0
    assert not np.array_equal(found.exact, found.held)


def test_one_and_three_spatial_dimensions() -> None:
    """A line and a volume of height and depth 1 are the image of that width."""
    w, x = extremes(3, 2, 3, 1, 4), bright(4, 1, 3, 1, 9)
    flat = only(conv_net(w, "pads = [0, 1, 0, 1]")).sums(x, int(Z))
    line = only(conv_net(w[:, :, 0], "pads = [1, 1]")).sums(x[:, :, 0], int(Z))
    volume = only(conv_net(w[:, :, None], "pads = [0, 0, 1, 0, 0, 1]")).sums(x[:, :, None], int(Z))
    np.testing.assert_array_equal(line.held, flat.held[:, :, 0])
    np.testing.assert_array_equal(volume.held, flat.held[:, :, None])


def test_padding_to_the_same_size() -> None:
    w, x = extremes(5, 2, 4, 2, 2), bright(6, 1, 4, 5, 5)
    same = only(conv_net(w, 'auto_pad = "SAME_UPPER"')).sums(x, int(Z))
    given = only(conv_net(w, "pads = [0, 0, 1, 1]")).sums(x, int(Z))
    np.testing.assert_array_equal(same.held, given.held)


def test_a_scale_by_channel_meets_its_channel() -> None:
    found = only(conv_net(extremes(1, 3, 4, 1, 1), "group = 1"))
    assert found.by_channel(np.arange(3)).shape == (1, 3, 1, 1)
    np.testing.assert_array_equal(found.scale, np.full(3, 0.1, np.float32))


def gemm_net(w: np.ndarray, attributes: str = "") -> ir.Model:
    return model(
        f"""net (uint8[N, K] x) => (float[N, M] y) {{
            dx = DequantizeLinear(x, s, z)
            dw = DequantizeLinear(w, s, wz)
            y = Gemm {attributes} (dx, dw)
        }}""",
        s=S, z=Z, w=w, wz=np.int8(0), infer=False,
    )  # fmt: skip


def test_matrices() -> None:
    w, x = extremes(7, 5, 3), bright(8, 4, 5)
    expected = [
        [
            held_of(list(zip(row.tolist(), column.tolist(), strict=True))) - int(Z) * int(column.sum())
            for column in w.T.astype(int)
        ]
        for row in x
    ]
    plain, turned = only(gemm_net(w)), only(gemm_net(np.ascontiguousarray(w.T), "<transB = 1>"))
    for found in (plain, turned):
        np.testing.assert_array_equal(found.sums(x, int(Z)).held, expected)
        assert found.can_saturate


def matmul_net(w: np.ndarray, x: str) -> ir.Model:
    return model(
        f"""net (uint8[{x}] x) => (float[R] y) {{
            dx = DequantizeLinear(x, s, z)
            dw = DequantizeLinear(w, s, wz)
            y = MatMul(dx, dw)
        }}""",
        s=S, z=Z, w=w, wz=np.int8(0), infer=False,
    )  # fmt: skip


def test_stacks_of_matrices() -> None:
    """Each matrix of a stack is multiplied as it would be alone; one weight may serve many."""
    many, x = extremes(9, 2, 5, 3), bright(10, 3, 2, 4, 5)
    found = only(matmul_net(many, "A, B, C, K")).sums(x, int(Z))
    one = only(matmul_net(many[1], "A, B, C, K"))
    np.testing.assert_array_equal(found.held[:, 1], one.sums(x[:, 1], int(Z)).held)
    np.testing.assert_array_equal(one.sums(x[0, 1, 2], int(Z)).held, found.held[0, 1, 2])
    assert found.held.shape == (3, 2, 4, 3)
    assert only(matmul_net(many, "K")).sums(x[0, 1, 2], int(Z)).held.shape == (2, 3)


def test_dynamic_products_read_their_codes_directly() -> None:
    w = extremes(11, 6, 2)
    net = model(
        """net (float[N, 6] x) => (int32[N, 2] y) {
            q, s, z = DynamicQuantizeLinear(x)
            y = MatMulInteger(q, w, z)
        }""",
        w=w,
    )  # fmt: skip
    found = only(net)
    assert (found.codes.name, found.zero is not None and found.zero.name) == ("q", "z")
    x = bright(12, 3, 6)
    assert found.sums(x, 0).saturated > 0


@pytest.mark.parametrize("why", ["depthwise", "one channel", "float result", "uint8 weights", "a zero point"])
def test_what_runs_in_other_kernels(why: str) -> None:
    w = extremes(13, 4, 4, 3, 3)
    match why:
        case "depthwise":
            net = conv_net(w[:, :1], "group = 4")
        case "one channel":
            net = conv_net(w[:1, :1], "group = 1")
        case "float result":
            net = conv_net(w, "group = 1", reader="Identity(f)")
        case "uint8 weights":
            net = gemm_net(bright(0, 4, 4))
        case _:
            net = gemm_net(w[:, :, 0, 0])
            net.graph.initializers["wz"].const_value = ir.tensor(np.int8(1), name="wz")
    assert not list(integer_products(net.graph))
