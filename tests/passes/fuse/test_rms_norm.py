"""RMS norms, as users and exporters write them, become one node; with the residual sum where there is one."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model
from support.rewrites import leaves_alone, rewrites

from edgec.passes.fuse.rms_norm import FuseRmsNorm

NUMBERS = {
    "two": np.float32(2),
    "three": np.float32(3),
    "one": np.float32(1),
    "eps": np.float32(2**-10),
    "low": np.float32(-0.5),
    "last": np.array([-1], np.int64),
    "second": np.array([1], np.int64),
    "gamma": np.array([1.0, 0.5, 2.0, -1.0], np.float32),
    "column": np.array([[1.0], [2.0], [3.0]], np.float32),
}
SUM = "x = Add(a, b)"
PRIMITIVES = {
    "Reciprocal": "q = Pow(x, two) \n m = ReduceMean(q, last) \n e = Add(m, eps) \n s = Sqrt(e) \n r = Reciprocal(s) \n"
    " n = Mul(x, r) \n y = Mul(n, gamma)",
    "Div": "q = Mul(x, x) \n m = ReduceMean(q, last) \n e = Add(eps, m) \n s = Sqrt(e) \n n = Div(x, s) \n"
    " y = Mul(gamma, n)",
    "Div of 1": "q = Pow(x, two) \n m = ReduceMean(q, last) \n e = Add(m, eps) \n s = Sqrt(e) \n r = Div(one, s) \n"
    " n = Mul(r, x) \n y = Mul(n, gamma)",
    "Pow": "q = Pow(x, two) \n m = ReduceMean(q, last) \n e = Add(m, eps) \n r = Pow(e, low) \n n = Mul(x, r) \n"
    " y = Mul(n, gamma)",
}
FUSED = 'y, "", "", x = SkipSimplifiedLayerNormalization<epsilon=0.0009765625>(a, b, gamma)'


def graph(body: str, *, opset: int = 20, shape: str = "float[N,3,4]", ends: str = "y") -> ir.Model:
    names = {
        name: value
        for name, value in NUMBERS.items()
        if name in body.replace("(", " ").replace(")", " ").replace(",", " ").split()
    }
    outputs = ", ".join(f"{shape} {end}" for end in ends.split())
    return model(f"g ({shape} a, {shape} b) => ({outputs}) {{ {body} }}", opset=opset, **names)


@pytest.mark.parametrize("form", PRIMITIVES)
def test_every_form_becomes_one_node_with_its_sum(form: str) -> None:
    found = graph(f"{SUM} \n {PRIMITIVES[form]}")

    rewrites(FuseRmsNorm(), found, FUSED)

    assert found.graph.opset_imports["com.microsoft"] == 1


def test_others_read_the_sum_from_the_fourth_output() -> None:
    body = f"{SUM} \n {PRIMITIVES['Div']} \n z = Relu(x)"

    rewrites(FuseRmsNorm(), graph(body, ends="y z"), f"{FUSED}\nz = Relu(x)")


def test_two_norms_of_one_sum_share_nothing_but_it() -> None:
    second = PRIMITIVES["Reciprocal"]
    for name in ("q", "m", "e", "s", "r", "n", "y"):
        second = (
            second.replace(f" {name} ", f" {name}2 ")
            .replace(f"{name} =", f"{name}2 =")
            .replace(f"({name},", f"({name}2,")
            .replace(f"({name})", f"({name}2)")
            .replace(f", {name})", f", {name}2)")
        )
    body = f"{SUM} \n {PRIMITIVES['Reciprocal']} \n {second}"

    rewrites(
        FuseRmsNorm(), graph(body, ends="y y2", opset=23),
        f"{FUSED}\ny2 = RMSNormalization<axis=-1, epsilon=0.0009765625>(x, gamma)",
    )  # fmt: skip


def test_a_norm_of_no_sum_is_an_operator_since_23() -> None:
    body = f"x = Mul(a, b) \n {PRIMITIVES['Pow']}"

    rewrites(
        FuseRmsNorm(), graph(body, opset=23),
        "x = Mul(a, b)\ny = RMSNormalization<axis=-1, epsilon=0.0009765625>(x, gamma)",
    )  # fmt: skip
    leaves_alone(FuseRmsNorm(), graph(body, opset=22))


def test_the_operator_takes_its_sum_in() -> None:
    body = f"{SUM} \n y = RMSNormalization <axis: int = -1, epsilon: float = 0.0009765625> (x, gamma)"

    rewrites(FuseRmsNorm(), graph(body, opset=23), FUSED)


@pytest.mark.parametrize(
    "body",
    [
        f"{SUM} \n {PRIMITIVES['Reciprocal'].replace('Pow(x, two)', 'Pow(x, three)')}",
        f"{SUM} \n {PRIMITIVES['Reciprocal'].replace('last', 'second')}",
        f"{SUM} \n {PRIMITIVES['Div'].replace('Mul(x, x)', 'Mul(x, a)')}",
        f"{SUM} \n {PRIMITIVES['Div'].replace('Div(x, s)', 'Div(a, s)')}",
        f"{SUM} \n {PRIMITIVES['Div'].replace('Div(x, s)', 'Div(s, x)')}",
        f"{SUM} \n {PRIMITIVES['Pow'].replace('low', 'three')}",
        f"{SUM} \n {PRIMITIVES['Div of 1'].replace('one', 'two')}",
        f"{SUM} \n {PRIMITIVES['Div'].replace('gamma', 'column')}",
        f"{SUM} \n {PRIMITIVES['Div'].replace('Mul(gamma, n)', 'Mul(n, s)')}",
        f"{SUM} \n {PRIMITIVES['Div']}".replace("Add(a, b)", "Add(a, gamma)"),  # broadcast
    ],
)
def test_what_is_no_norm_of_a_sum_stays(body: str) -> None:
    leaves_alone(FuseRmsNorm(), graph(body))


def test_what_is_shown_outside_stays() -> None:
    leaves_alone(FuseRmsNorm(), graph(f"{SUM} \n {PRIMITIVES['Div']}", ends="y x"))
    leaves_alone(FuseRmsNorm(), graph(f"{SUM} \n {PRIMITIVES['Div']}", ends="y n"))
    leaves_alone(FuseRmsNorm(), graph(f"{SUM} \n {PRIMITIVES['Div']}", shape="float[2,N,3,4]"))
