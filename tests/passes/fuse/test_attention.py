"""Attentions of products and a softmax become one node that answers the same; what is not proved the same stays."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_ir.passes.common import CheckerPass
from support.graphs import feeds_of, model
from support.numerics import assert_same, run
from support.rewrites import leaves_alone, rewrites
from support.state import signature, snapshot

from edgec.passes.edit import SkipNotes
from edgec.passes.fuse.attention import FuseAttention

NUMBERS = {
    "zero": np.array([0]), "one": np.array([1]), "two": np.array([2]), "three": np.array([3]), "end": np.array([2**62]),
    "zero_": np.array(0), "one_": np.array(1), "two_": np.array(2),
    "heads": np.array([0, 0, 4, 8]), "groups": np.array([0, 0, 2, 8]),
    "joined": np.array([0, 0, 32]), "twice": np.array([1, 1, 2, 1, 1]), "all_heads": np.array([0, 4, -1, 8]),
    "scale": np.float32(0.25), "low": np.float32(-1e9), "nothing": np.float32(0), "bare": np.float32(-np.inf),
    "some": np.float32(-2.0), "yes": np.array(True), "minus": np.array(-1), "flipped": np.float32(-1),
    "triangle": np.tril(np.ones((1, 1, 16, 16), np.float32)), "square": np.ones((1, 1, 16, 16), np.float32),
    "edges": np.array([0, 0]),
}  # fmt: skip
Q = "q3 = Reshape(q, heads) \n q4 = Transpose <perm = [0, 2, 1, 3]> (q3)"
K = "k3 = Reshape(k, groups) \n k4 = Transpose <perm = [0, 2, 1, 3]> (k3)"
V = "v3 = Reshape(v, groups) \n v4 = Transpose <perm = [0, 2, 1, 3]> (v3)"
REPEATED = (
    "k5 = Unsqueeze(k4, two) \n k6 = Expand(k5, twice) \n k7 = Reshape(k6, all_heads) \n"
    " v5 = Unsqueeze(v4, two) \n v6 = Expand(v5, twice) \n v7 = Reshape(v6, all_heads)"
)
SCORES = "t = Transpose <perm = [0, 1, 3, 2]> (k7) \n a = MatMul(q4, t) \n b = Mul(a, scale)"
WEIGHED = "p = Softmax <axis = -1> (c) \n o = MatMul(p, v7)"
ENDED = "o2 = Transpose <perm = [0, 2, 1, 3]> (o) \n y = Reshape(o2, joined)"
COUNT = "s = Shape <start: int = 1, end: int = 2> (q) \n n = Squeeze(s) \n r = Range(zero_, n, one_)"
INDEX = f"{COUNT} \n rows = Unsqueeze(r, one) \n columns = Unsqueeze(r, zero)"
CAUSAL = {
    "Greater, Where": f"{INDEX} \n g = Greater(columns, rows) \n m = Where(g, low, nothing) \n c = Add(b, m)",
    "LessOrEqual, Where": f"{INDEX} \n g = LessOrEqual(columns, rows) \n m = Where(g, nothing, bare) \n c = Add(m, b)",
    "Less, filled": f"{INDEX} \n g = Less(rows, columns) \n c = Where(g, low, b)",
    "Not, kept": f"{INDEX} \n h = Less(rows, columns) \n g = Not(h) \n c = Where(g, b, low)",
    "Trilu of -inf": (
        f"{COUNT} \n w = Concat <axis = 0> (s, s) \n f = Expand(bare, w) \n m = Trilu(f, one_) \n c = Add(b, m)"
    ),
    "Trilu of 1, the rest": (
        f"{COUNT} \n w = Concat <axis = 0> (s, s) \n f = Expand(yes, w) \n g = Trilu <upper = 0> (f)"
        " \n c = Where(g, b, low)"
    ),
    "a triangle that is cut": (
        f"{COUNT} \n w = Concat <axis = 0> (s, s) \n f = Slice(triangle, edges, w, axes) \n g = Equal(f, nothing)"
        " \n c = Where(g, bare, b)"
    ),
    "1 - triangle, times a lot": (
        f"{COUNT} \n w = Concat <axis = 0> (s, s) \n f = Slice(triangle, edges, w, axes) \n e = Sub(unit, f)"
        " \n m = Mul(e, low) \n c = Add(b, m)"
    ),
}
NOT_CAUSAL = {
    "later ones": CAUSAL["Greater, Where"].replace("Greater(columns, rows)", "Greater(rows, columns)"),
    "not itself": CAUSAL["Less, filled"].replace("Less(rows", "LessOrEqual(rows"),
    "a little": CAUSAL["Greater, Where"].replace("low", "some"),
    "a square": CAUSAL["a triangle that is cut"].replace("triangle", "square"),
    "one further": CAUSAL["Trilu of -inf"]
    .replace("one_)", "two_)", 2)
    .replace("Range(zero_, n, two_)", "Range(zero_, n, one_)"),
}


NARROW = "float[B,S,32] q, float[B,S,16] k, float[B,S,16] v"


def graph(body: str, *, inputs: str = NARROW, outputs: str = "float[B,S,32] y", opset: int = 18) -> ir.Model:
    words = body.replace("(", " ").replace(")", " ").replace(",", " ").split()
    names = {name: value for name, value in NUMBERS.items() if name in words}
    names |= {"axes": np.array([2, 3])} if "axes" in words else {}
    names |= {"unit": np.float32(1)} if "unit" in words else {}
    return model(f"g ({inputs}) => ({outputs}) {{ {body} }}", opset=opset, **names)


def decoder(mask: str) -> str:
    return f"{Q} \n {K} \n {V} \n {REPEATED} \n {SCORES} \n {mask} \n {WEIGHED} \n {ENDED}"


def fuses(found: ir.Model, op: str = "GroupQueryAttention", *, steps: bool = False, **sizes: int) -> ir.Node:
    """Check that one attention becomes one node, that answers stay, and that it is done then."""
    each, feeds, promised = FuseAttention(steps=steps), feeds_of(found, sizes=sizes), signature(found)
    before = run(found, feeds)
    assert each(found).modified
    counts = Counter(node.op_type for node in found.graph)
    assert (counts[op], counts["Softmax"], counts["MatMul"], counts["Expand"] <= 1) == (1, 0, 0, True)
    assert signature(found) == promised
    assert_same(before, run(found, feeds), tolerance=1e-5)
    state = snapshot(found)
    assert not each(found).modified
    assert snapshot(found) == state
    return next(node for node in found.graph if node.op_type == op)


@pytest.mark.parametrize("mask", CAUSAL.values(), ids=CAUSAL)
def test_masks_that_hide_what_is_later(mask: str) -> None:
    node = fuses(graph(decoder(mask)), S=5)

    assert [str(value.name) for value in node.inputs[:3] if value is not None] == ["q", "k", "v"]
    assert {name: node.attributes.get_int(name) for name in ("num_heads", "kv_num_heads")} == {
        "num_heads": 4, "kv_num_heads": 2
    }  # fmt: skip
    assert node.attributes["scale"].as_float() == 0.25
    assert "causal" not in node.attributes


@pytest.mark.parametrize("mask", NOT_CAUSAL.values(), ids=NOT_CAUSAL)
def test_masks_that_hide_something_else(mask: str) -> None:
    found = graph(decoder(mask))

    assert not FuseAttention()(found).modified
    [(where, why)] = SkipNotes.of(found).items()
    assert where == "p"
    assert why.startswith("is an attention with a mask that ")


def test_the_graph_that_is_made() -> None:
    found = graph(decoder(CAUSAL["Greater, Where"]), inputs="float[2,5,32] q, float[2,5,16] k, float[2,5,16] v",
                  outputs="float[2,5,32] y")  # fmt: skip
    rewrites(
        FuseAttention(),
        found,
        """
        p_tokens_Shape_output = Shape<end=2, start=1>(q)
        p_tokens_Sub_output = Sub(p_tokens_Shape_output, tokens_one)
        p_tokens_Shape_1_output = Shape<end=1, start=0>(q)
        p_tokens_Expand_output = Expand(p_tokens_Sub_output, p_tokens_Shape_1_output)
        p_tokens_Cast_output = Cast<to=6>(p_tokens_Expand_output)
        p_tokens_Squeeze_output = Squeeze(p_tokens_Shape_output)
        p_tokens_Cast_1_output = Cast<to=6>(p_tokens_Squeeze_output)
        y = GroupQueryAttention<kv_num_heads=2, num_heads=4, scale=0.25>(q, k, v, "", "", p_tokens_Cast_output, p_tokens_Cast_1_output)
        """,  # noqa: E501 (a node of the graph is a line)
    )


def test_any_mask_is_added_where_keys_are_repeated() -> None:
    found = graph(decoder("c = Add(b, m)"), inputs=f"{NARROW}, float[B,1,S,S] m")

    node = fuses(found, S=5)

    assert node.attributes.get_int("causal") == 0
    assert node.inputs[10] is found.graph.inputs[3]


ENCODER = (
    f"{Q} \n {K.replace('groups', 'heads')} \n {V.replace('groups', 'heads')} \n k7 = Identity(k4) \n v7 = Identity(v4)"
    f" \n {SCORES}"
)
WIDE = "float[B,S,32] q, float[B,S,32] k, float[B,S,32] v"


def test_where_all_see_all() -> None:
    body = f"{ENCODER} \n p = Softmax <axis = -1> (b) \n o = MatMul(p, v7) \n {ENDED}"

    node = fuses(graph(body, inputs=WIDE), "MultiHeadAttention", S=5)

    assert node.attributes.get_int("num_heads") == 4


def test_a_padding_mask_is_no_faster_in_the_kernel() -> None:
    found = graph(f"{ENCODER} \n c = Add(b, m) \n {WEIGHED} \n {ENDED}", inputs=f"{WIDE}, float[B,1,1,S] m")

    leaves_alone(
        FuseAttention(),
        found,
        p="is an attention with a mask that is not just causal: the kernel for that is no faster",
    )


def test_heads_that_are_read_apart_come_apart() -> None:
    found = graph(decoder(CAUSAL["Greater, Where"]).replace("y = Reshape(o2, joined)", "y = Relu(o2)"),
                  outputs="float[B,S,4,8] y")  # fmt: skip

    fuses(found, S=5)


def test_weights_that_are_shown_outside_stay() -> None:
    found = graph(decoder(CAUSAL["Greater, Where"]), outputs="float[B,S,32] y, float[B,4,S,S] p")

    assert not FuseAttention()(found).modified


def test_a_head_of_no_multiple_of_eight() -> None:
    leaves_alone(
        FuseAttention(), sized(2, 2, 4),
        p="is an attention whose heads or their sizes do not fit its kernel, multiples of 8",
    )  # fmt: skip


PAST = "float[B,2,P,8] pk, float[B,2,P,8] pv"
CACHED = (
    f"{Q} \n {K} \n {V} \n k8 = Concat <axis = 2> (pk, k4) \n v8 = Concat <axis = 2> (pv, v4) \n"
    f" {REPEATED.replace('(k4', '(k8').replace('(v4', '(v8')} \n {SCORES} \n"
    " s = Shape <start: int = 1, end: int = 2> (q) \n n = Squeeze(s) \n u = Shape <start: int = 2, end: int = 3> (pk)"
    " \n x = Squeeze(u) \n z = Add(n, x) \n r = Range(x, z, one_) \n l = Range(zero_, z, one_)"
    " \n rows = Unsqueeze(r, one) \n columns = Unsqueeze(l, zero) \n g = Greater(columns, rows)"
    f" \n m = Where(g, low, nothing) \n c = Add(b, m) \n {WEIGHED} \n {ENDED}"
)
BESIDE = "float[B,S,32] y, float[B,2,N,8] k8, float[B,2,N,8] v8"
GIVEN = f"{NARROW}, {PAST}"


@pytest.mark.parametrize(("batch", "past", "new"), [(1, 3, 4), (1, 0, 5), (3, 6, 1), (2, 0, 4)])
def test_a_cache_goes_in_and_comes_out(batch: int, past: int, new: int) -> None:
    found = graph(CACHED, inputs=GIVEN, outputs=BESIDE)

    node = fuses(found, steps=True, B=batch, P=past, S=new)

    assert [str(value.name) for value in node.inputs[3:5] if value is not None] == ["pk", "pv"]
    assert [value.name for value in node.outputs[1:]] == ["k8", "v8"]


def test_a_cache_of_any_sequences_and_tokens_stays() -> None:
    leaves_alone(
        FuseAttention(), graph(CACHED, inputs=GIVEN, outputs=BESIDE),
        p="is an attention with a cache whose kernel takes one sequence, or one new token: sizes here are any",
    )  # fmt: skip
    fuses(graph(CACHED, inputs=GIVEN.replace("[B,", "[1,"), outputs=BESIDE.replace("[B,", "[1,")), S=3, P=4)


def test_a_cache_of_another_layer_stays_apart() -> None:
    swapped = CACHED.replace("Concat <axis = 2> (pk, k4)", "Concat <axis = 2> (k4, pk)")
    found = graph(swapped, inputs=GIVEN, outputs=BESIDE)

    assert not FuseAttention(steps=True)(found).modified


def sized(groups: int, shared: int, size: int) -> ir.Model:
    """A decoder's attention of other sizes."""
    heads, wide, narrow = groups * shared, groups * shared * size, shared * size
    numbers = NUMBERS | {
        "heads": np.array([0, 0, heads, size]), "groups": np.array([0, 0, shared, size]),
        "joined": np.array([0, 0, wide]), "twice": np.array([1, 1, groups, 1, 1]),
        "all_heads": np.array([0, heads, -1, size]),
    }  # fmt: skip
    body = decoder(CAUSAL["Greater, Where"])
    words = body.replace("(", " ").replace(")", " ").replace(",", " ").split()
    inputs = f"float[B,S,{wide}] q, float[B,S,{narrow}] k, float[B,S,{narrow}] v"
    constants = {name: value for name, value in numbers.items() if name in words}
    return model(f"g ({inputs}) => (float[B,S,{wide}] y) {{ {body} }}", opset=18, **constants)


@given(groups=st.integers(1, 3), shared=st.integers(1, 3), size=st.sampled_from([8, 16]), tokens=st.integers(1, 6))
@settings(max_examples=15, deadline=None)
def test_any_heads(groups: int, shared: int, size: int, tokens: int) -> None:
    node = fuses(sized(groups, shared, size), S=tokens)

    assert node.attributes.get_int("kv_num_heads") == shared


def test_a_cache_of_repeated_keys_keeps_them_so() -> None:
    repeated = REPEATED.replace("k7 =", "k8 =").replace("v7 =", "v8 =")
    after = CACHED[CACHED.index("t = Transpose") :]
    body = f"{Q} \n {K} \n {V} \n {repeated} \n k7 = Concat <axis = 2> (pk, k8) \n v7 = Concat <axis = 2> (pv, v8)"
    found = graph(f"{body} \n {after}", inputs=f"{NARROW}, {PAST.replace('B,2', 'B,4')}",
                  outputs="float[B,S,32] y, float[B,4,N,8] k7, float[B,4,N,8] v7")  # fmt: skip
    feeds = feeds_of(found, sizes={"B": 2, "P": 3, "S": 1})
    before = run(found, feeds)

    assert FuseAttention(steps=True)(found).modified

    [node] = (node for node in found.graph if node.op_type == "GroupQueryAttention")
    assert node.attributes.get_int("kv_num_heads") == 4
    assert_same(before, run(found, feeds), tolerance=1e-5)


def test_a_cache_of_scaled_keys_keeps_them_so() -> None:
    body = CACHED.replace("(pk, k4)", "(pk, ks)").replace(f"{V} \n", f"{V} \n ks = Mul(k4, flipped) \n")

    fuses(graph(body, inputs=GIVEN, outputs=BESIDE), steps=True, B=2, P=3, S=1)


# Queries, keys and values as (batch, heads, tokens, size), and a causal mask.
PARTED = (
    "s = Shape <start: int = 2, end: int = 3> (q) \n n = Squeeze(s) \n r = Range(zero_, n, one_) \n"
    " rows = Unsqueeze(r, one) \n columns = Unsqueeze(r, zero) \n t = Transpose <perm = [0, 1, 3, 2]> (k) \n"
    " a = MatMul(q, t) \n b = Mul(a, scale) \n g = Greater(columns, rows) \n m = Where(g, low, nothing) \n"
    " c = Add(b, m) \n p = Softmax <axis = -1> (c) \n y = MatMul(p, v)"
)
UNEQUAL = "is an attention whose batches or heads are not as many for queries as for keys and values"
LAID_OUT = "is an attention whose operands are laid out as no kernel reads them"


@pytest.mark.parametrize(
    ("query", "key", "value", "reason"),
    [
        ("2,4", "1,4", "2,4", UNEQUAL),
        ("1,4", "1,4", "2,4", UNEQUAL),
        ("2,1", "2,4", "2,4", UNEQUAL),
        ("2,4", "2,1", "2,4", LAID_OUT),
        ("2,4", "2,4", "2,1", LAID_OUT),
    ],
)
def test_products_that_spread_batches_or_heads_stay(query: str, key: str, value: str, reason: str) -> None:
    inputs = f"float[{query},S,8] q, float[{key},S,8] k, float[{value},S,8] v"

    leaves_alone(FuseAttention(), graph(PARTED, inputs=inputs, outputs="float[2,4,S,8] y"), p=reason)


def test_one_head_of_keys_for_all_queries() -> None:
    inputs = "float[2,4,S,8] q, float[2,1,S,8] k, float[2,1,S,8] v"

    assert fuses(graph(PARTED, inputs=inputs, outputs="float[2,4,S,8] y"), S=5).attributes.get_int("kv_num_heads") == 1


def test_one_query_for_all_of_an_image_stays() -> None:
    body = (
        "kk = Reshape(k, pixels) \n vv = Reshape(v, pixels) \n t = Transpose <perm = [0, 1, 3, 2]> (kk) \n"
        " a = MatMul(q, t) \n p = Softmax <axis = -1> (a) \n y = MatMul(p, vv)"
    )
    found = model(
        f"g (float[2,4,1,8] q, float[2,4,3,3,8] k, float[2,4,3,3,8] v) => (float[2,4,1,8] y) {{ {body} }}",
        opset=18, pixels=np.array([0, 4, 9, 8]),
    )  # fmt: skip

    leaves_alone(FuseAttention(), found, p="is an attention to other tokens than its own and those before them")


def test_one_row_of_a_triangle_for_all_tokens_is_no_causal_mask() -> None:
    first = (
        f"{COUNT} \n f = Slice(triangle, zero, one, two) \n h = Slice(f, zero, s, three) \n g = Equal(h, nothing)"
        " \n c = Where(g, bare, b)"
    )

    assert not FuseAttention()(graph(decoder(first))).modified


def test_a_scale_of_nothing_is_no_scale_left_out() -> None:
    body = "y = Attention <is_causal = 1, scale = 0.0> (q, k, v)"
    inputs = "float[2,4,S,8] q, float[2,2,S,8] k, float[2,2,S,8] v"

    leaves_alone(
        FuseAttention(), graph(body, inputs=inputs, outputs="float[2,4,S,8] y", opset=23),
        y="is an attention whose scale is 0, which its kernel takes for none given",
    )  # fmt: skip


def test_attentions_beside_each_other_in_any_order() -> None:
    """What all attentions read is written before the first of them."""
    scores = "{0}t = Transpose <perm = [0, 1, 3, 2]> ({0}k) \n {0}a = MatMul({0}q, {0}t) \n {0}b = Add({0}a, m)"
    begun = " \n".join(f"{scores} \n {{0}}p = Softmax <axis = -1> ({{0}}b)".format(each) for each in "ij")
    index = PARTED[: PARTED.index("t = Transpose")].replace("(q)", "(iq)")
    mask = "g = Greater(columns, rows) \n m = Where(g, low, nothing)"
    found = graph(
        f"{index} {mask} \n {begun} \n jy = MatMul(jp, jv) \n iy = MatMul(ip, iv)",
        inputs=", ".join(f"float[2,4,S,8] {each}{name}" for each in "ij" for name in "qkv"),
        outputs="float[2,4,S,8] iy, float[2,4,S,8] jy",
    )  # fmt: skip
    feeds = feeds_of(found, sizes={"S": 5})
    before = run(found, feeds)

    assert FuseAttention()(found).modified

    CheckerPass()(found.clone())
    assert_same(before, run(found, feeds), tolerance=1e-5)


def test_weights_that_a_body_multiplies_with_stay() -> None:
    body = (
        "a = MatMul(q, k) \n p = Softmax <axis = -1> (a) \n y = If (asked) <then_branch = yes () =>"
        " (float[2,4,5,8] u) { u = MatMul(p, v) }, else_branch = no () => (float[2,4,5,8] w) { w = Identity(v) }>"
    )
    found = graph(
        body, inputs="float[2,4,5,8] q, float[2,4,8,5] k, float[2,4,5,8] v, bool asked", outputs="float[2,4,5,8] y"
    )

    assert not FuseAttention()(found).modified


def test_operator_sets_whose_shape_says_all_sizes() -> None:
    count = "s = Shape <start: int = 1, end: int = 2> (q)"
    mask = CAUSAL["Less, filled"].replace(count, "z = Shape(q) \n s = Slice(z, one, two)")

    fuses(graph(decoder(mask), opset=13), S=5)
