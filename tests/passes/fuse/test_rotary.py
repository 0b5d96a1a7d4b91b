"""Rotations by position, however they are written, become one node that answers the same; what is none stays."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import feeds_of, model
from support.numerics import assert_same, run
from support.rewrites import leaves_alone, rewrites
from support.state import signature, snapshot

from edgec.passes.edit import SkipNotes
from edgec.passes.fuse.rotary import FuseRotary

HALF, SIZE, LONGEST = 4, 8, 32
ANGLES = np.outer(np.arange(LONGEST), 100.0 ** -(np.arange(HALF) / HALF))
NUMBERS = {
    "zero": np.array([0]), "one": np.array([1]), "two": np.array([2]), "three": np.array([3]),
    "half": np.array([HALF]), "size": np.array([SIZE]), "end": np.array([2**63 - 1]), "last": np.array([-1]),
    "halves": np.array([HALF, HALF]), "heads": np.array([0, 0, 3, SIZE]), "pairs": np.array([0, 0, 3, HALF, 2]),
    "cos_half": np.cos(ANGLES).astype(np.float32), "sin_half": np.sin(ANGLES).astype(np.float32),
    "cos_whole": np.cos(np.tile(ANGLES, 2)).astype(np.float32),
    "sin_whole": np.sin(np.tile(ANGLES, 2)).astype(np.float32),
    "frequencies": ANGLES[1].astype(np.float32), "factor": np.float32(1.5), "fewer": np.array([HALF, HALF, SIZE]),
    "wide": np.array([0, 0, 3, 2 * SIZE]), "flat": np.array([0, 0, -1]),
}  # fmt: skip
# Queries as (batch, heads, tokens, size), and (tokens, size or size / 2) tables for them.
TURNED = "r = Reshape(x, heads) \n q = Transpose <perm = [0, 2, 1, 3]> (r)"
COUNT = "s = Shape <start: int = 1, end: int = 2> (x)"
ROWS = f"{COUNT} \n c = Slice(cos_whole, zero, s, zero) \n n = Slice(sin_whole, zero, s, zero)"
HALF_ROWS = f"{COUNT} \n c = Slice(cos_half, zero, s, zero) \n n = Slice(sin_half, zero, s, zero)"
COMPUTED = (
    f"{COUNT} \n t = Squeeze(s) \n p = Range(zero_, t, one_) \n f = Cast <to = 1> (p) \n g = Unsqueeze(f, one) \n"
    " a = Mul(g, frequencies) \n d = Concat <axis = -1> (a, a) \n c = Cos(d) \n n = Sin(d)"
)
ROTATE_HALF = (
    "a1 = Slice(q, zero, half, last) \n b1 = Slice(q, half, end, last) \n m1 = Neg(b1) \n"
    " h1 = Concat <axis = -1> (m1, a1) \n k1 = Mul(q, c) \n l1 = Mul(h1, n) \n y = Add(k1, l1)"
)
HALVES_APART = (
    "a1, b1 = Split <axis = -1> (q, halves) \n k1 = Mul(a1, c) \n l1 = Mul(b1, n) \n m1 = Mul(a1, n) \n"
    " o1 = Mul(b1, c) \n e1 = Sub(k1, l1) \n g1 = Add(m1, o1) \n y = Concat <axis = 3> (e1, g1)"
)
STACKED = (
    "a1 = Slice(q, zero, end, three, two) \n b1 = Slice(q, one, end, three, two) \n k1 = Mul(a1, c) \n"
    " l1 = Mul(b1, n) \n m1 = Mul(a1, n) \n o1 = Mul(c, b1) \n e1 = Sub(k1, l1) \n g1 = Add(o1, m1) \n"
    " u1 = Unsqueeze(e1, last) \n v1 = Unsqueeze(g1, last) \n w1 = Concat <axis = 4> (u1, v1) \n"
    " z1 = Shape(q) \n y = Reshape(w1, z1)"
)


def graph(
    body: str, *, inputs: str = "float[B,T,24] x", outputs: str = "float[B,3,T,8] y", opset: int = 18
) -> ir.Model:
    words = body.replace("(", " ").replace(")", " ").replace(",", " ").split()
    names = {name: value for name, value in NUMBERS.items() if name in words}
    names |= {name: np.asarray(number) for name, number in (("zero_", 0), ("one_", 1)) if name in words}
    return model(f"g ({inputs}) => ({outputs}) {{ {body} }}", opset=opset, **names)


def fuses(found: ir.Model, count: int = 1, **sizes: int) -> ir.Model:
    """Check that rotations become nodes, that answers stay, and that it is done then."""
    feeds, promised = feeds_of(found, sizes=sizes), signature(found)
    before = run(found, feeds)
    assert FuseRotary()(found).modified
    assert Counter(node.op_type for node in found.graph)["RotaryEmbedding"] == count
    assert signature(found) == promised
    assert_same(before, run(found, feeds), tolerance=1e-6)
    state = snapshot(found)
    assert not FuseRotary()(found).modified
    assert snapshot(found) == state
    return found


@pytest.mark.parametrize("tables", [ROWS, COMPUTED], ids=["constant", "computed"])
def test_rotate_half(tables: str) -> None:
    found = fuses(graph(f"{TURNED} \n {tables} \n {ROTATE_HALF}"), T=5)

    [node] = (node for node in found.graph if node.op_type == "RotaryEmbedding")
    assert node.domain == "com.microsoft"
    assert node.attributes.get_int("interleaved") == 0
    # What heads were parted of is turned, with heads beside each other.
    assert node.inputs[0] is found.graph.inputs[0]


def test_halves_turned_apart() -> None:
    fuses(graph(f"{TURNED} \n {HALF_ROWS} \n {HALVES_APART}"), T=5)


def test_pairs_are_neighbours() -> None:
    found = fuses(graph(f"{TURNED} \n {HALF_ROWS} \n {STACKED}"), T=5)

    [node] = (node for node in found.graph if node.op_type == "RotaryEmbedding")
    assert node.attributes.get_int("interleaved") == 1


def test_the_graph_that_is_made() -> None:
    body = f"q = Relu(x) \n {HALF_ROWS} \n {HALVES_APART}".replace(
        "start: int = 1, end: int = 2", "start: int = 2, end: int = 3"
    )

    rewrites(
        FuseRotary(),
        graph(body, inputs="float[2,3,T,8] x", outputs="float[2,3,T,8] y"),
        """
        q = Relu(x)
        s = Shape<end=3, start=2>(x)
        c = Slice(cos_half, zero, s, zero)
        n = Slice(sin_half, zero, s, zero)
        y = RotaryEmbedding<interleaved=0>(q, rotary_first, c, n)
        """,
    )


def test_queries_and_keys_share_what_is_made_of_the_tables() -> None:
    keys = "r2 = Reshape(k, heads) \n q2 = Transpose <perm = [0, 2, 1, 3]> (r2)"
    second = (
        "a2 = Slice(q2, zero, half, last) \n b2 = Slice(q2, half, end, last) \n m2 = Neg(b2) \n"
        " h2 = Concat <axis = -1> (m2, a2) \n k2 = Mul(q2, c) \n l2 = Mul(h2, n) \n z = Add(k2, l2)"
    )
    found = graph(
        f"{TURNED} \n {keys} \n {COMPUTED} \n {ROTATE_HALF} \n {second}",
        inputs="float[B,T,24] x, float[B,T,24] k", outputs="float[B,3,T,8] y, float[B,3,T,8] z",
    )  # fmt: skip

    fuses(found, 2, T=5)

    assert Counter(node.op_type for node in found.graph)["Cos"] == 1


def test_heads_beside_each_other_behind_tokens() -> None:
    body = (
        f"q = Reshape(x, heads) \n {HALF_ROWS.replace('c =', 'c0 =').replace('n =', 'n0 =')}"
        f" \n c = Unsqueeze(c0, one) \n n = Unsqueeze(n0, one) \n {HALVES_APART}"
    )

    fuses(graph(body, outputs="float[B,T,3,8] y"), T=5)


def test_rows_of_every_sequence() -> None:
    rows = "c0 = Gather(cos_whole, p) \n n0 = Gather(sin_whole, p) \n c = Unsqueeze(c0, one) \n n = Unsqueeze(n0, one)"
    found = graph(f"{TURNED} \n {rows} \n {ROTATE_HALF}", inputs="float[B,T,24] x, int64[B,T] p")

    fuses(found, T=5, B=3)


def test_elements_behind_the_pairs_pass() -> None:
    body = (
        f"r = Reshape(x, wide) \n q0 = Transpose <perm = [0, 2, 1, 3]> (r) \n {HALF_ROWS}"
        " \n a1, b1, p1 = Split <axis = -1> (q0, fewer)"
        f" {HALVES_APART.partition('(q, halves)')[2].replace('y =', 'y1 =')} \n y = Concat <axis = -1> (y1, p1)"
    )
    found = fuses(graph(body, inputs="float[B,T,48] x", outputs="float[B,3,T,16] y"), T=5)

    [node] = (node for node in found.graph if node.op_type == "RotaryEmbedding")
    assert (node.attributes.get_int("rotary_embedding_dim"), node.attributes.get_int("num_heads")) == (8, 3)


def test_a_factor_of_both_goes_into_the_tables() -> None:
    scaled = COMPUTED.replace("c = Cos(d)", "c0 = Cos(d) \n c = Mul(c0, factor)").replace(
        "n = Sin(d)", "n0 = Sin(d) \n n = Mul(factor, n0)"
    )

    fuses(graph(f"{TURNED} \n {scaled} \n {ROTATE_HALF}"), T=5)


def test_a_rotation_the_other_way_round() -> None:
    fuses(graph(f"{TURNED} \n {ROWS} \n {ROTATE_HALF.replace('Add(k1, l1)', 'Sub(k1, l1)')}"), T=5)


def test_what_is_shown_outside_stays() -> None:
    found = graph(f"{TURNED} \n {HALF_ROWS} \n {HALVES_APART}", outputs="float[B,3,T,8] y, float[B,3,T,4] e1")

    fuses(found, T=5)

    assert {node.op_type for node in found.graph} >= {"Sub", "Split"}


@pytest.mark.parametrize(
    "body",
    [
        f"{TURNED} \n {ROWS} \n {ROTATE_HALF.replace('m1 = Neg(b1)', 'm1 = Identity(b1)')}",
        f"{TURNED} \n {ROWS} \n {ROTATE_HALF.replace('(m1, a1)', '(a1, m1)')}",
        f"{TURNED} \n {ROWS} \n {ROTATE_HALF.replace('Mul(h1, n)', 'Mul(h1, h1)')}",
        f"{TURNED} \n {HALF_ROWS} \n {HALVES_APART.replace('Mul(b1, c)', 'Mul(b1, n)')}",
        f"{TURNED} \n {HALF_ROWS} \n {HALVES_APART.replace('(e1, g1)', '(g1, e1)')}",
        f"{TURNED} \n {HALF_ROWS} \n {HALVES_APART.replace('Sub(k1, l1)', 'Add(k1, l1)')}",
    ],
)
def test_what_turns_nothing_stays(body: str) -> None:
    leaves_alone(FuseRotary(), graph(body))


def test_columns_of_a_table_that_differ() -> None:
    found = graph(f"{TURNED} \n {ROWS} \n {ROTATE_HALF}")
    table = found.graph.initializers["cos_whole"]
    table.const_value = ir.tensor(np.random.default_rng(0).random((LONGEST, SIZE), np.float32), name="cos_whole")

    leaves_alone(FuseRotary(), found)


def test_tables_of_every_head() -> None:
    found = graph(f"{TURNED} \n {HALVES_APART}", inputs="float[B,T,24] x, float[3,T,4] c, float[3,T,4] n")

    assert not FuseRotary()(found).modified
    assert SkipNotes.of(found) == {"y": "is a rotation whose tokens and heads cannot be told apart"}


@given(
    heads=st.integers(1, 4),
    half=st.integers(2, 6),
    tokens=st.integers(1, 6),
    batch=st.integers(1, 3),
    pairs=st.booleans(),
)
@settings(max_examples=20, deadline=None)
def test_any_sizes(heads: int, half: int, tokens: int, batch: int, *, pairs: bool) -> None:
    text = f"{TURNED} \n {HALF_ROWS} \n {STACKED if pairs else HALVES_APART}"
    table = np.random.default_rng(half).random((2, LONGEST, half), np.float32)
    constants = {
        **{name: value for name, value in NUMBERS.items() if name not in ("heads", "halves", "cos_half", "sin_half")},
        "heads": np.array([0, 0, heads, 2 * half]), "halves": np.array([half, half]),
        "cos_half": table[0], "sin_half": table[1],
    }  # fmt: skip
    ends = f"float[B,{heads},T,{2 * half}] y"
    found = model(f"g (float[B,T,{2 * half * heads}] x) => ({ends}) {{ {text} }}", opset=18, **constants)

    fuses(found, T=tokens, B=batch)


PLACED = (
    "f = Cast <to = 1> (p) \n g = Unsqueeze(f, two) \n a = Mul(g, frequencies) \n d = Concat <axis = -1> (a, a) \n"
    " e = Cos(d) \n i = Sin(d) \n c = Unsqueeze(e, one) \n n = Unsqueeze(i, one)"
)


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("tokens", ["1", "T"])
def test_each_sequence_at_places_of_its_own(tokens: str, opset: int) -> None:
    """Tables have a row per sequence and token; of a step of decoding one per sequence."""
    body = f"{TURNED} \n {PLACED} \n {ROTATE_HALF}"
    ends = f"float[B,3,{tokens},8] y"

    fuses(graph(body, inputs=f"float[B,{tokens},24] x, int64[B,{tokens}] p", outputs=ends, opset=opset), B=3, T=4)
