from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model, weights

from edgec.passes.weight_only.decide_storage import DecideStorage, read_keep
from edgec.passes.weight_only.half_weights import HalfWeights
from edgec.passes.weight_only.roles import role_of
from edgec.passes.weight_only.storage import is_kept, stored_values

# One pre-norm block with two heads of 8, its matrices and norms, a table and a head.
BLOCK = """g (int64[N, T] ids) => (float[N, T, 50] logits) {
    x = Gather (table, ids)
    n = LayerNormalization (x, gain)
    q = MatMul (n, wq)
    qb = Add (q, bias)
    qr = Reshape (qb, heads)
    qt = Transpose <perm = [0, 2, 1, 3]> (qr)
    k = MatMul (n, wk)
    kr = Reshape (k, heads)
    kt = Transpose <perm = [0, 2, 3, 1]> (kr)
    s = MatMul (qt, kt)
    p = Softmax (s)
    v = MatMul (n, wv)
    vr = Reshape (v, heads)
    vt = Transpose <perm = [0, 2, 1, 3]> (vr)
    c = MatMul (p, vt)
    ct = Transpose <perm = [0, 2, 1, 3]> (c)
    cr = Reshape (ct, flat)
    o = MatMul (cr, wo)
    h = Add (x, o)
    m = LayerNormalization (h, gain)
    u = MatMul (m, up)
    r = Relu (u)
    d = MatMul (r, down)
    z = Add (h, d)
    f = LayerNormalization (z, gain)
    logits = MatMul (f, head)
}"""
SHAPES = {"wq": (16, 16), "wk": (16, 16), "wv": (16, 16), "wo": (16, 16), "up": (16, 32), "down": (32, 16),
          "head": (16, 50), "table": (50, 16)}  # fmt: skip
ROLES = {"wq": "attention", "wk": "attention", "wv": "attention", "wo": "attention", "up": "mlp", "down": "mlp",
         "head": "lm_head", "table": "embedding", "gain": None, "bias": None}  # fmt: skip


def block() -> ir.Model:
    constants = {name: weights(*shape) for name, shape in SHAPES.items()} | {"gain": weights(16), "bias": weights(16)}
    return model(BLOCK, opset=21, heads=np.array([0, 0, 2, 8]), flat=np.array([0, 0, 16]), **constants)


def test_the_weights_of_a_transformer_are_told_apart_by_what_is_around_them() -> None:
    source = block()
    assert {name: role_of(source.graph.initializers[name]) for name in ROLES} == ROLES


def test_filters_and_recurrent_weights_have_roles_of_their_own() -> None:
    text = """g (float[N, 3, 8, 8] x, float[5, N, 4] s) => (y, o, l) {
        y = Conv (x, w)
        o, l = LSTM <hidden_size = 4> (s, a, b)
    }"""
    source = model(text, w=weights(4, 3, 3, 3), a=weights(1, 16, 4), b=weights(1, 16, 4))
    roles = {name: role_of(value) for name, value in source.graph.initializers.items()}
    assert roles == {"w": "conv", "a": "recurrent", "b": "recurrent"}


def test_a_table_that_is_the_head_too_is_an_embedding() -> None:
    text = "g (int64[N] i) => (y) { e = Gather (t, i) y = Gemm <transB = 1> (e, t) }"
    assert role_of(model(text, t=weights(30, 16)).graph.initializers["t"]) == "embedding"


def test_roles_are_kept_in_forms_of_their_own() -> None:
    source = block()
    keep = ("attention=int8", "lm_head=fp16", "embedding=float", "mlp=int3")
    each = DecideStorage(bits=4, block_size=16, minimum=1, keep=keep)
    assert each(source).modified
    bits = {value.name: storage.form.bits for value, storage in stored_values(source)}
    assert bits == {"wq": 8, "wk": 8, "wv": 8, "wo": 8, "up": 3, "down": 3}
    assert is_kept(source.graph.initializers["table"])
    assert not each(source).modified
    assert HalfWeights(dtype="float16", noted=True, minimum=1)(source).modified
    assert "head_float16" in source.graph.initializers
    assert not any(name.startswith("table_") for name in source.graph.initializers)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("head=int8", "'head' is not one of embedding, attention, lm_head, mlp, conv, recurrent"),
        ("mlp=int5", "'int5' is not one of float, fp16, int8, int4, int3, int2"),
        ("mlp", "'' is not one of float, fp16, int8, int4, int3, int2"),
    ],
)
def test_what_cannot_be_kept_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}$"):
        read_keep((text,))
