from __future__ import annotations

import numpy as np
import pytest
from support.graphs import model
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.fuse_gelu import FuseGelu

NUMBERS = {
    "root": np.float32(np.sqrt(2)),
    "inverse": np.float32(np.sqrt(0.5)),
    "one": np.float32(1),
    "half": np.float32(0.5),
    "two": np.float32(2),
}
SHAPE = "g (float[N,4] x) => (float[N,4] y)"
FORMS = {
    "product first": "d = Div(x, root) \n e = Erf(d) \n a = Add(e, one) \n m = Mul(x, a) \n y = Mul(m, half)",
    "half first": "d = Mul(inverse, x) \n e = Erf(d) \n a = Add(one, e) \n m = Mul(half, a) \n y = Mul(m, x)",
    "halved x": "d = Div(x, root) \n e = Erf(d) \n a = Add(e, one) \n h = Mul(x, half) \n y = Mul(h, a)",
}


def graph(body: str, *, opset: int = 21):  # type: ignore[no-untyped-def]
    names = {name: value for name, value in NUMBERS.items() if name in body.replace(",", " ").replace(")", " ").split()}
    names |= {name: value for name, value in NUMBERS.items() if f"({name}" in body}
    return model(f"{SHAPE} {{ {body} }}", opset=opset, **names)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_exporters_write(form: str) -> None:
    rewrites(FuseGelu(), graph(FORMS[form]), "y = Gelu(x)")


def test_what_others_read_stays() -> None:
    body = "d = Div(x, root) \n e = Erf(d) \n a = Add(e, one) \n m = Mul(x, a) \n g = Mul(m, half) \n y = Add(g, d)"
    rewrites(FuseGelu(), graph(body), "d = Div(x, root)\ng = Gelu(x)\ny = Add(g, d)")


@pytest.mark.parametrize(
    "body",
    [
        "d = Div(x, two) \n e = Erf(d) \n a = Add(e, one) \n m = Mul(x, a) \n y = Mul(m, half)",
        "d = Div(x, root) \n e = Erf(d) \n a = Add(e, two) \n m = Mul(x, a) \n y = Mul(m, half)",
        "d = Div(x, root) \n e = Erf(d) \n a = Add(e, one) \n m = Mul(x, a) \n y = Mul(m, two)",
        "d = Div(x, root) \n e = Erf(d) \n a = Add(e, one) \n r = Relu(x) \n m = Mul(r, a) \n y = Mul(m, half)",
        "d = Div(x, root) \n e = Erf(d) \n a = Add(e, one) \n m = Mul(x, a) \n h = Mul(m, half) \n y = Add(h, a)",
        "d = Div(root, x) \n e = Erf(d) \n a = Add(e, one) \n m = Mul(x, a) \n y = Mul(m, half)",
        "y = Erf(x)",
    ],
)
def test_what_is_no_gelu_stays(body: str) -> None:
    leaves_alone(FuseGelu(), graph(body))


def test_an_older_operator_set_has_no_gelu() -> None:
    leaves_alone(FuseGelu(), graph(FORMS["product first"], opset=17))
