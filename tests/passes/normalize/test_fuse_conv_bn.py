from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model, weights
from support.rewrites import leaves_alone, rewrites

from edgec.passes.normalize.fuse_conv_bn import FuseConvBn


def statistics(channels: int) -> dict[str, np.ndarray]:
    return {
        "s": weights(channels, seed=1) + 1,
        "o": weights(channels, seed=2),
        "m": weights(channels, seed=3),
        "v": np.abs(weights(channels, seed=4)) + 0.1,
    }


def conv_bn(bn: str = "BatchNormalization(a, s, o, m, v)", **constants: np.ndarray) -> ir.Model:
    return model(
        f"g (float[N,4,6,6] x) => (float[N,4,4,4] y) {{ a = Conv(x, w, b) \n y = {bn} }}",
        **{"w": weights(4, 4, 3, 3), "b": weights(4), **statistics(4), **constants},
    )


def test_conv() -> None:
    rewrites(FuseConvBn(), conv_bn(), "y = Conv(x, w_fused, w_fused_bias)")


def test_a_public_result_keeps_the_shape_that_was_declared() -> None:
    """Inference may know less of the convolution than the caller was promised of the result."""
    source = model(
        """g (float[N,4,H,W] x, int64[4] size) => (float[N,4,8,8] y) {
            r = Reshape(x, size)
            a = Conv(r, w)
            y = BatchNormalization(a, s, o, m, v)
        }""",
        w=weights(4, 4, 1, 1),
        **statistics(4),
    )
    promised = str(source.graph.outputs[0].shape)
    assert FuseConvBn()(source).modified
    assert str(source.graph.outputs[0].shape) == promised == "[N,4,8,8]"


def test_conv_without_bias_and_a_reader_behind() -> None:
    rewrites(
        FuseConvBn(),
        model(
            """g (float[N,4,6,6] x) => (float[N,6,4,4] y) {
                a = Conv<group=2>(x, w)
                b = BatchNormalization<epsilon=0.1>(a, s, o, m, v)
                y = Relu(b)
            }""",
            w=weights(6, 2, 3, 3),
            **statistics(6),
        ),
        """
        b = Conv<group=2>(x, w_fused, w_fused_bias)
        y = Relu(b)
        """,
    )


def test_grouped_conv_transpose() -> None:
    rewrites(
        FuseConvBn(),
        model(
            """g (float[N,4,4,4] x) => (float[N,6,6,6] y) {
                a = ConvTranspose<group=2>(x, w, b)
                y = BatchNormalization(a, s, o, m, v)
            }""",
            w=weights(4, 3, 3, 3),
            b=weights(6),
            **statistics(6),
        ),
        "y = ConvTranspose<group=2>(x, w_fused, w_fused_bias)",
    )


@pytest.mark.parametrize("trans", [0, 1])
@pytest.mark.parametrize("bias", [(), (1,), (6,), (1, 6)])
def test_gemm(trans: int, bias: tuple[int, ...]) -> None:
    rewrites(
        FuseConvBn(),
        model(
            f"g (float[N,4] x) => (float[N,6] y) {{ a = Gemm<transB={trans}>(x, w, b) \n"
            " y = BatchNormalization(a, s, o, m, v) }",
            w=weights(6, 4) if trans else weights(4, 6),
            b=weights(*bias) if bias else np.array(0.5, np.float32),
            **statistics(6),
        ),
        f"y = Gemm<transB={trans}>(x, w_fused, w_fused_bias)",
    )


def test_two_in_a_row() -> None:
    rewrites(
        FuseConvBn(),
        model(
            """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
                a = Conv(x, w)
                b = BatchNormalization(a, s, o, m, v)
                y = BatchNormalization(b, s, o, m, v)
            }""",
            w=weights(4, 4, 3, 3),
            **statistics(4),
        ),
        "y = Conv(x, w_fused_fused, w_fused_fused_bias)",
    )


def test_a_tied_weight_keeps_its_value_for_the_other_reader() -> None:
    after = rewrites(
        FuseConvBn(),
        model(
            """g (float[N,4,6,6] x) => (float[N,4,4,4] y, float[N,4,4,4] z) {
                a = Conv(x, w)
                y = BatchNormalization(a, s, o, m, v)
                z = Conv(x, w)
            }""",
            w=weights(4, 4, 3, 3),
            **statistics(4),
        ),
        """
        y = Conv(x, w_fused, w_fused_bias)
        z = Conv(x, w)
        """,
    )
    assert np.array_equal(after.graph.initializers["w"].const_value.numpy(), weights(4, 4, 3, 3))


def test_the_equation() -> None:
    """W * g / std, (b - mean) * g / std + beta, to half an ulp of float32."""
    after = conv_bn()
    FuseConvBn()(after)
    s, o, m, v = (array.astype(np.float64) for array in statistics(4).values())
    factor = s / np.sqrt(v + np.float32(1e-5))
    fused = {name: value.const_value.numpy() for name, value in after.graph.initializers.items() if "fused" in name}
    expected = weights(4, 4, 3, 3) * factor[:, None, None, None]
    assert np.array_equal(fused["w_fused"], expected.astype(np.float32))
    assert np.array_equal(fused["w_fused_bias"], ((weights(4) - m) * factor + o).astype(np.float32))


def test_half_precision_is_computed_wide() -> None:
    """In float16 itself, var + epsilon below 6e-5 would lose most of its bits."""
    half = np.float16
    constants = {name: array.astype(half) for name, array in statistics(4).items()}
    constants["v"] = np.full(4, 1e-4, half)
    source = model(
        "g (float16[N,4,6,6] x) => (float16[N,4,4,4] y) { a = Conv(x, w) \n y = BatchNormalization(a, s, o, m, v) }",
        w=weights(4, 4, 3, 3).astype(half),
        **constants,
    )
    FuseConvBn()(source)
    fused = source.graph.initializers["w_fused"].const_value.numpy()
    factor = constants["s"].astype(np.float64) / np.sqrt(constants["v"].astype(np.float64) + np.float32(1e-5))
    assert fused.dtype == half
    assert np.array_equal(fused, (weights(4, 4, 3, 3).astype(half) * factor[:, None, None, None]).astype(half))


UNKNOWN = "its statistics, the weight or the bias are not constant"


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        (
            "g (float[N,4,6,6] x, float[4] s) => (float[N,4,4,4] y) { a = Conv(x, w) \n"
            " y = BatchNormalization(a, s, o, m, v) }",
            {"y": UNKNOWN},
        ),
        (
            "g (float[N,4,6,6] x, float[4,4,3,3] w) => (float[N,4,4,4] y) { a = Conv(x, w) \n"
            " y = BatchNormalization(a, s, o, m, v) }",
            {"y": UNKNOWN},
        ),
        (
            "g (float[N,4,6,6] x, float[4] b) => (float[N,4,4,4] y) { a = Conv(x, w, b) \n"
            " y = BatchNormalization(a, s, o, m, v) }",
            {"y": UNKNOWN},
        ),
        (
            "g (float[N,4,6,6] x) => (float[N,4,4,4] y, float[4] p, float[4] q) { a = Conv(x, w) \n"
            " y, p, q = BatchNormalization<training_mode=1>(a, s, o, m, v) }",
            {"y": "its running statistics are read"},
        ),
        (
            "g (float[N,4,6,6] x) => (float[N,4,4,4] y) { a = Conv(x, w) \n"
            " y, p, q = BatchNormalization<training_mode=1>(a, s, o, m, v) }",
            {"y": "is in training mode"},
        ),
        (
            "g (float[N,4,6,6] x) => (float[N,4,4,4] y, float[N,4,4,4] a) { a = Conv(x, w) \n"
            " y = BatchNormalization(a, s, o, m, v) }",
            {},
        ),
        (
            "g (float[N,4,6,6] x) => (float[N,4,4,4] y) { a = Conv(x, w) \n n = BatchNormalization(a, s, o, m, v) \n"
            " y = Add(a, n) }",
            {},
        ),
    ],
    ids=["scale", "weight", "bias", "statistics read", "training", "public", "read twice"],
)
def test_it_stays(text: str, reasons: dict[str, str]) -> None:
    constants = {"w": weights(4, 4, 3, 3), "b": weights(4), **statistics(4)}
    used = {name: array for name, array in constants.items() if name != "b" or "w, b)" in text}
    leaves_alone(FuseConvBn(), model(text, **used), **reasons)


@pytest.mark.parametrize(
    ("attributes", "bias", "reason"),
    [
        ("<alpha=0.5>", (4,), "the Gemm before it scales its product"),
        ("<beta=0.5>", (4,), "the Gemm before it scales its product"),
        ("", (4, 1), "the Gemm before it adds more than one value per column"),
        ("", (4, 4), "the Gemm before it adds more than one value per column"),
    ],
)
def test_a_gemm_stays(attributes: str, bias: tuple[int, ...], reason: str) -> None:
    leaves_alone(
        FuseConvBn(),
        model(
            f"g (float[4,4] x) => (float[4,4] y) {{ a = Gemm{attributes}(x, w, b) \n"
            " y = BatchNormalization(a, s, o, m, v) }",
            w=weights(4, 4),
            b=weights(*bias),
            **statistics(4),
        ),
        y=reason,
    )
