from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model, weights
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.constant_second import ConstantSecond

SECOND = ConstantSecond(rows=3)


@pytest.mark.parametrize(
    ("shape", "order"), [("N,2,4,5", "0,1,3,2"), ("N,4,5", "0,2,1"), ("4,N", "1,0")], ids=["images", "rows", "matrix"]
)
def test_constant_first(shape: str, order: str) -> None:
    columns = shape.rsplit(",", 1)[1]
    lead = shape.rsplit(",", 2)[0] + "," if shape.count(",") > 1 else ""
    after = rewrites(
        SECOND,
        model(f"g (float[{shape}] x) => (float[{lead}3,{columns}] y) {{ y = MatMul(a, x) }}", a=weights(3, 4)),
        f"""
        x_turned = Transpose<perm=({order})>(x)
        y_turned = MatMul(x_turned, a_turned)
        y = Transpose<perm=({order})>(y_turned)
        """,
    )
    assert next(node.name for node in after.graph if node.op_type == "MatMul") == "y"
    shapes = {value.name: value.shape for node in after.graph for value in node.outputs}
    assert shapes["y_turned"][-1] == 3
    turned = after.graph.initializers["a_turned"].const_value.numpy()
    np.testing.assert_array_equal(turned, weights(3, 4).T)


def test_one_value_twice() -> None:
    text = "g (float[N,4,4] x) => (float[N,4,4] y) { z = MatMul(a, x) \n y = MatMul(z, x) }"
    rewrites(
        SECOND,
        model(text, a=weights(4, 4)),
        """
        x_turned = Transpose<perm=(0,2,1)>(x)
        z_turned = MatMul(x_turned, a_turned)
        z = Transpose<perm=(0,2,1)>(z_turned)
        y = MatMul(z, x)
        """,
    )


@pytest.mark.parametrize(
    ("operands", "constant"),
    [("x, a", (4, 4)), ("x, x", (4, 4)), ("a, x", (2, 4, 4)), ("a, x", (4,))],
    ids=["second", "none", "several matrices", "a row"],
)
def test_it_stays(operands: str, constant: tuple[int, ...]) -> None:
    source = (
        f"g (float[2,4,4] x) => (float y) {{ r = Neg(x) \n z = MatMul({operands}) \n y = ReduceMax<keepdims=0>(z) }}"
    )
    leaves_alone(SECOND, model(source, a=weights(*constant)))


def test_few_rows_stay() -> None:
    source = model("g (float[N,4,5] x) => (float[N,2,5] y) { y = MatMul(a, x) }", a=weights(2, 4))
    leaves_alone(SECOND, source, y="has 2 rows of constants; transposing pays from 3 on")


def test_two_constants_stay() -> None:
    leaves_alone(
        SECOND,
        model(
            "g (float[4,5] x) => (float[4,5] y) { z = MatMul(a, b) \n y = Add(x, z) }", a=weights(4, 4), b=weights(4, 5)
        ),
    )


def test_a_shape_nobody_knows_stays() -> None:
    source: ir.Model = model(
        "g (float[N,4,5] x) => (float[N,3,5] y) { r = Neg(x) \n y = MatMul(a, r) }", infer=False, a=weights(3, 4)
    )
    leaves_alone(SECOND, source)
