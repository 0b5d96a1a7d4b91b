from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import model, weights

from edgec.passes.codebook.product_tables import ProductTables
from edgec.passes.weight_only.angles import holds_angles
from edgec.passes.weight_only.compact_weights import CompactWeights
from edgec.passes.weight_only.decide_storage import DecideStorage
from edgec.passes.weight_only.roles import role_of
from edgec.passes.weight_only.storage import stored_values

# x is turned as exporters write it: rows of both tables, moved, times what they meet.
TURNED = """g (float[N, T, 2, 8] x, int64[T] at) => (y) {
    c1 = Gather (cos, at)
    c = Unsqueeze (c1, axes)
    s1 = Gather (sin, at)
    s = Unsqueeze (s1, axes)
    a, b = Split <axis = -1> (x)
    ac = Mul (a, c)
    bs = Mul (b, s)
    first = Sub (ac, bs)
    as = Mul (a, s)
    bc = Mul (b, c)
    second = Add (as, bc)
    y = Concat <axis = -1> (first, second)
}"""
# The same from one table of both, as GPT-J has it.
JOINED = """g (float[N, T, 2, 4] x, int64[T] at) => (y) {
    rows = Gather (both, at)
    s, c = Split <axis = -1> (rows)
    ac = Mul (c, x)
    as = Mul (s, x)
    y = Add (ac, as)
}"""


def angles(rows: int = 600, pairs: int = 4, base: float = 10000.0) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines (rows, pairs) of RoFormer's eq. 15."""
    angle = np.outer(np.arange(rows), base ** (-np.arange(pairs) / pairs))
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def turned(cos: np.ndarray, sin: np.ndarray) -> ir.Model:
    return model(TURNED, cos=cos, sin=sin, axes=np.array([1]))


def found(source: ir.Model) -> set[str]:
    return {name for name, value in source.graph.initializers.items() if holds_angles(value)}


@given(pairs=st.integers(1, 64), base=st.floats(100, 1e6), factor=st.floats(0.5, 2), half=st.booleans())
def test_cosines_and_sines_that_multiply_are_angles(pairs: int, base: float, factor: float, half: bool) -> None:
    """Scaled as YaRN does, and in float16 too; anything else of that shape is not."""
    cos, sin = (each * np.float32(factor) for each in angles(50, pairs, base))
    if half:
        cos, sin = (each.astype(np.float16) for each in (cos, sin))
    text = f"""g ({"float16" if half else "float"}[T, P] x, int64[T] at) => (a, b) {{
        c = Gather (cos, at)
        s = Gather (sin, at)
        a = Mul (c, x)
        b = Mul (x, s)
    }}"""
    assert found(model(text, cos=cos, sin=sin)) == {"cos", "sin"}
    assert found(model(text, cos=cos, sin=cos + sin)) == set()
    assert found(model(text, cos=weights(50, pairs).astype(cos.dtype), sin=sin)) == set()


def test_rows_are_followed_through_moves_to_the_products() -> None:
    assert found(turned(*angles())) == {"cos", "sin"}


@pytest.mark.parametrize("neighbours", [False, True])
def test_one_table_of_both_is_of_angles(neighbours: bool) -> None:
    cos, sin = angles()
    both = np.stack([sin, cos], -1).reshape(600, 8) if neighbours else np.concatenate([sin, cos], 1)
    assert found(model(JOINED, both=both)) == {"both"}


@pytest.mark.parametrize(
    ("domain", "inputs", "wanted"),
    [("com.microsoft", "x, at, c, s", {"cos", "sin"}), ("com.microsoft", "x, at, c, c", {"cos"})],
)
def test_what_the_operator_turns_by_is_angles_whatever_it_holds(domain: str, inputs: str, wanted: set[str]) -> None:
    """Numbers are not looked at: those of long contexts are scaled by position in other ways."""
    text = f"""g (float[1, T, 16] x, int64[1, T] at, int64[T] all) => (y, z) {{
        c1 = Gather (cos, all)
        c = Mul (c1, factor)
        s = Gather (sin, all)
        y = {domain}.RotaryEmbedding ({inputs})
        z = Identity (s)
    }}"""
    constants = {"cos": weights(600, 4), "sin": weights(600, 4, seed=1), "factor": np.float32(1.2)}
    assert found(model(text, domains='"com.microsoft": 1', infer=False, **constants)) == wanted


def test_onnx_has_its_tables_second_and_third() -> None:
    text = """g (float[1, 2, T, 8] x, int64[1, T] at) => (y) {
        c = Gather (cos, at)
        s = Gather (sin, at)
        y = RotaryEmbedding (x, c, s)
    }"""
    assert found(model(text, opset=23, infer=False, cos=weights(600, 4), sin=weights(600, 4))) == {"cos", "sin"}


def test_embeddings_are_none() -> None:
    """Sinusoids that are added, factors of two tables (their product is what a recommender scores), rows returned."""
    both = np.concatenate(angles(), 1)
    added = "g (float[T, 8] x, int64[T] at) => (y) { p = Gather (both, at) y = Add (x, p) }"
    assert found(model(added, both=both)) == set()
    factors = "g (int64[N] u, int64[N] i) => (y) { a = Gather (users, u) b = Gather (items, i) y = Mul (a, b) }"
    assert found(model(factors, users=weights(600, 8), items=weights(600, 8, seed=1))) == set()
    scaled = "g (int64[T] ids) => (y) { e = Gather (table, ids) y = Mul (e, root) }"
    assert found(model(scaled, table=both, root=np.float32(8))) == set()
    returned = "g (float[T, 8] x, int64[T] at) => (p, y) { p = Gather (both, at) y = Mul (x, p) }"
    assert found(model(returned, both=both)) == set()
    head = (
        "g (float[T, 8] x, int64[T] at) => (y) { p = Gather (both, at) z = Mul (x, p) y = Gemm <transB = 1> (z, both) }"
    )
    assert found(model(head, both=both)) == set()


def test_no_pass_stores_angles_in_few_bits() -> None:
    cos, sin = angles()
    source = turned(cos, sin)
    assert {role_of(source.graph.initializers[name]) for name in ("cos", "sin")} == {None}
    for each in (DecideStorage(bits=4, block_size=16, minimum=1), CompactWeights(), ProductTables(length=4)):
        assert not each(source).modified
    assert not list(stored_values(source))
    # Tables of that shape that are no angles are stored by each of them.
    for each in (DecideStorage(bits=4, block_size=16, minimum=1), CompactWeights(), ProductTables(length=4)):
        assert each(turned(weights(600, 4), weights(600, 4, seed=1))).modified
