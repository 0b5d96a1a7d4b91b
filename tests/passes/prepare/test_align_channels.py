from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model, weights
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.align_channels import AlignChannels

ALIGN = AlignChannels(inputs=4, depthwise=8)


def shapes(after: ir.Model) -> dict[str, tuple[int, ...]]:
    return {
        name: value.const_value.numpy().shape
        for name, value in after.graph.initializers.items()
        if name.endswith("_aligned")
    }


def test_input_channels_are_padded() -> None:
    after = rewrites(
        ALIGN,
        model("g (float[N,3,6,6] x) => (float[N,5,4,4] y) { y = Conv(x, w, b) }", w=weights(5, 3, 3, 3), b=weights(5)),
        """
        x_aligned = Pad(x, x_align_pads)
        y = Conv(x_aligned, w_aligned, b)
        """,
    )
    assert shapes(after) == {"w_aligned": (5, 4, 3, 3)}
    assert not after.graph.initializers["w_aligned"].const_value.numpy()[:, 3:].any()


@pytest.mark.parametrize(
    ("image", "attributes", "shape"),
    [
        ("N,4,6,6", "", (5, 4, 3, 3)),
        ("N,3,6,6", "", (5, 3, 1, 1)),
        ("N,6,6,6", "<group=2>", (4, 3, 3, 3)),
        ("N,6,6,6", "<group=6>", (6, 1, 3, 3)),
    ],
    ids=["aligned", "pointwise", "grouped", "depthwise alone"],
)
def test_input_channels_stay(image: str, attributes: str, shape: tuple[int, ...]) -> None:
    source = model(f"g (float[{image}] x) => (float[N,O,H,W] y) {{ y = Conv{attributes}(x, w) }}", w=weights(*shape))
    leaves_alone(ALIGN, source)


def test_behind_channels_last_they_stay() -> None:
    text = "g (float[N,6,6,3] x) => (float[N,5,4,4] y) { t = Transpose<perm=[0,3,1,2]>(x) \n y = Conv(t, w) }"
    leaves_alone(ALIGN, model(text, w=weights(5, 3, 3, 3)))


def block(before: str = "r = Relu(a)", behind: str = "q = Relu(d)", outputs: str = "") -> ir.Model:
    """Pointwise 4 to 6, depthwise 6, pointwise 6 to 5, with what `before` and `behind` put between."""
    return model(
        f"""g (float[N,4,6,6] x) => (float[N,5,6,6] y{outputs}) {{
            a = Conv(x, w, b)
            {before}
            d = Conv<group=6, pads=[1,1,1,1]>(r, v, c)
            {behind}
            y = Conv(q, u)
        }}""",
        w=weights(6, 4, 1, 1),
        b=weights(6),
        v=weights(6, 1, 3, 3),
        c=weights(6, seed=1),
        u=weights(5, 6, 1, 1),
        half=np.array(0.5, np.float32),
        low=np.array(-1, np.float32),
        high=np.array([6], np.float32),
    )


@pytest.mark.parametrize(
    ("clamp", "printed"),
    [("Relu(d)", "Relu(d)"), ("Clip(d, low, high)", "Clip(d, low, high)"), ("Clip(d)", "Clip(d)")],
)
def test_depthwise_channels_are_widened_by_their_neighbours(clamp: str, printed: str) -> None:
    after = rewrites(
        ALIGN,
        block(behind=f"q = {clamp}"),
        f"""
        a = Conv(x, w_aligned, b_aligned)
        r = Relu(a)
        d = Conv<group=8, pads=(1,1,1,1)>(r, v_aligned, c_aligned)
        q = {printed}
        y = Conv(q, u_aligned)
        """,
    )
    assert shapes(after) == {
        "w_aligned": (8, 4, 1, 1),
        "b_aligned": (8,),
        "v_aligned": (8, 1, 3, 3),
        "c_aligned": (8,),
        "u_aligned": (5, 8, 1, 1),
    }
    assert {str(value.shape) for node in after.graph for value in node.outputs} == {"[N,8,6,6]", "[N,5,6,6]"}


@pytest.mark.parametrize(
    ("before", "behind", "outputs"),
    [
        ("r = Relu(a)", "q = Clip(d, half, high)", ""),
        ("r = Sigmoid(a)", "q = Relu(d)", ""),
        ("r = Relu(a)", "q = Relu(d) \n z = Tanh(q)", ", float[N,6,6,6] z"),
        ("r = Relu(a)", "q = Relu(d)", ", float[N,6,6,6] d"),
        ("r = Relu(a)", "q = Relu(d)", ", float[N,6,6,6] a"),
        ("r = Relu(a)", "q = Relu(d)", ", float[N,6,6,6] r"),
    ],
    ids=["clamp above 0", "no clamp", "read twice", "public", "public before", "public clamp"],
)
def test_depthwise_channels_stay(before: str, behind: str, outputs: str) -> None:
    leaves_alone(ALIGN, block(before, behind, outputs))


def test_a_weight_that_may_be_replaced_stays() -> None:
    text = """g (float[N,4,6,6] x, float[6,4,1,1] w) => (float[N,5,6,6] y) {
        a = Conv(x, w)
        d = Conv<group=6, pads=[1,1,1,1]>(a, v)
        y = Conv(d, u)
    }"""
    leaves_alone(ALIGN, model(text, w=weights(6, 4, 1, 1), v=weights(6, 1, 3, 3), u=weights(5, 6, 1, 1)))


def test_weights_shared_with_others_are_copied() -> None:
    after = rewrites(
        ALIGN,
        model(
            """g (float[N,4,6,6] x) => (float[N,5,6,6] y, float[N,6,6,6] z) {
                a = Conv(x, w)
                d = Conv<group=6, pads=[1,1,1,1]>(a, v)
                y = Conv(d, u)
                z = Conv(x, w)
            }""",
            w=weights(6, 4, 1, 1),
            v=weights(6, 1, 3, 3),
            u=weights(5, 6, 1, 1),
        ),
        """
        a = Conv(x, w_aligned)
        d = Conv<group=8, pads=(1,1,1,1)>(a, v_aligned)
        y = Conv(d, u_aligned)
        z = Conv(x, w)
        """,
    )
    assert after.graph.initializers["w"].const_value.numpy().shape == (6, 4, 1, 1)
