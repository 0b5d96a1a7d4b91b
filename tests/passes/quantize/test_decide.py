"""Who runs in integers and why the others do not, on single questions; tests/golden/awkward.txt has the rest."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import model, weights

from edgec.passes.edit import SkipNotes
from edgec.passes.quantize.decide import DecideQuantization, nothing_to_do
from edgec.passes.quantize.decision import decided_nodes, decided_values, decision_of, source_of
from edgec.passes.spec import Fixed, Given, PerAxis, PerTensor, Shared
from edgec.targets.cpu.rules import cpu_rules

RULES = cpu_rules(reduce_range=False)
W = weights(4, 4, 3, 3)


def decide(text: str, **options: object) -> ir.Model:
    constants = {name: value for name, value in options.items() if isinstance(value, np.ndarray)}
    fields = {name: value for name, value in options.items() if name not in constants}
    source = model(text, **constants)
    assert DecideQuantization(rules=RULES, **fields)(source).modified
    return source


def chosen(source: ir.Model) -> dict[str, list[str]]:
    """Decided nodes: what kind of operand each input is."""
    found = {}
    for node, decision in decided_nodes(source.graph):
        weight = () if decision.weight is None else (decision.weight[0],)
        bias = () if decision.bias is None else (decision.bias[0],)
        kinds = {**dict.fromkeys(decision.activations, "x"), **dict.fromkeys(weight, "w"), **dict.fromkeys(bias, "b")}
        found[str(node.name)] = [kinds.get(k, "-") for k in range(len(node.inputs))]
    return found


def sources(source: ir.Model) -> dict[str, object]:
    return {str(value.name): kind for value, kind in decided_values(source.graph)}


def reasons(text: str, **options: object) -> dict[str, str]:
    return dict(SkipNotes.of(decide(text, **options)))


@pytest.mark.parametrize(
    ("shape", "groups", "why"),
    [
        ((8, 1, 1, 1), 4, "has 2 filters a group, which its integer kernel takes group by group"),
        ((2, 2, 1, 1), 2, "has 1 filter a group, which its integer kernel takes group by group"),
        ((14, 2, 1, 1), 2, "has 7 filters a group, which its integer kernel takes group by group"),
        ((16, 2, 1, 1), 2, None),
        ((4, 1, 1, 1), 4, None),
    ],
    ids=["depthwise twice", "one filter", "seven", "eight", "depthwise"],
)
def test_thin_groups_stay_float(shape: tuple[int, ...], groups: int, why: str | None) -> None:
    text = f"""g (float[N,4,6,6] x) => (float[N,C,6,6] y) {{
        a = Conv(x, w)
        b = Conv<group={groups}>(a, v)
        y = Conv(b, u)
    }}"""
    source = decide(text, w=weights(4, 4, 1, 1), v=weights(*shape), u=weights(4, shape[0], 1, 1))
    assert dict(SkipNotes.of(source)).get("b") == why
    assert ("b" in chosen(source)) == (why is None)


def test_operands_of_a_convolution() -> None:
    source = decide("g (float[N,4,6,6] x) => (float[N,4,4,4] y) { y = Conv(x, w, b) }", w=W, b=weights(4))
    assert chosen(source) == {"y": ["x", "w", "b"]}
    assert [type(kind) for kind in sources(source).values()] == [Given, Given]
    assert decision_of(source.graph[0]).weight[1].granularity == PerAxis(axis=0)


@pytest.mark.parametrize(
    ("node", "shape", "granularity"),
    [
        ("Gemm(x, w)", (8, 6), PerAxis(axis=1)),
        ("Gemm<transB=1>(x, w)", (6, 8), PerAxis(axis=0)),
        ("MatMul(x, w)", (8, 6), PerAxis(axis=1)),
        ("MatMul(x, w)", (8,), PerTensor()),
        ("MatMul(x, w)", (1, 8, 6), PerTensor()),
    ],
)
def test_the_axis_of_output_channels(node: str, shape: tuple[int, ...], granularity: object) -> None:
    source = model(f"g (float[1,8] x) => (float y) {{ y = {node} }}", infer=False, w=weights(*shape))
    DecideQuantization(rules=RULES)(source)
    assert decision_of(source.graph[0]).weight[1].granularity == granularity


def test_a_follower_needs_integers_before_and_behind() -> None:
    text = """g (float[N,4,8,8] x) => (float[N,4,8,8] y, float[N,4,8,8] z) {
        a = Conv<pads=[1,1,1,1]>(x, w)
        between = Add(a, x)
        b = Conv<pads=[1,1,1,1]>(between, w)
        last = Add(b, a)
        y = Tanh(last)
        t = Tanh(x)
        first = Add(t, x)
        z = Conv<pads=[1,1,1,1]>(first, w)
    }"""
    source = decide(text, w=W)
    assert chosen(source) == {"a": ["x", "w"], "between": ["x", "x"], "b": ["x", "w"], "z": ["x", "w"]}
    assert dict(SkipNotes.of(source)) == {
        "last": "nobody reads its result as an integer",
        "first": "an operand is float",
    }


def test_followers_support_each_other_or_fall_together() -> None:
    """A chain of three between integers runs in integers; with a float end none of it does."""
    text = """g (float[N,4,8,8] x) => (float[N,4,H,V] y) {{
        a = Conv<pads=[1,1,1,1]>(x, w)
        p = AveragePool<kernel_shape=[2,2]>(a)
        q = LeakyRelu(p)
        r = AveragePool<kernel_shape=[2,2]>(q)
        y = {last}
    }}"""
    assert list(chosen(decide(text.format(last="Conv(r, w)"), w=W))) == ["a", "p", "q", "r", "y"]
    assert list(chosen(decide(text.format(last="Tanh(r)"), w=W))) == ["a"]


def test_a_mover_shares_what_it_moves() -> None:
    source = decide(
        "g (float[N,4,8,8] x) => (float[N,4,4,4] y) { p = MaxPool<kernel_shape=[3,3]>(x) \n y = Conv(p, w) }", w=W
    )
    assert chosen(source) == {"y": ["x", "w"]}
    source = decide(
        """g (float[N,4,8,8] x) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            p = MaxPool<kernel_shape=[3,3]>(a)
            y = Conv(p, w)
        }""",
        w=W,
    )
    assert sources(source)["p"] == Shared(with_="a")


def test_a_cheap_mover_takes_over_a_float_operand() -> None:
    source = decide(
        "g (float[N,8,8,4] x) => (float[N,4,6,6] y) { t = Transpose<perm=[0,3,1,2]>(x) \n y = Conv(t, w) }", w=W
    )
    assert sources(source)["t"] == Shared(with_="x")
    assert isinstance(sources(source)["x"], Given)


def test_a_fixed_range() -> None:
    source = decide(
        """g (float[N,4,8,8] x) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            s = Sigmoid(a)
            p = MaxPool<kernel_shape=[3,3]>(s)
            y = Conv(p, w)
        }""",
        w=W,
    )
    assert isinstance(sources(source)["s"], Fixed)
    assert sources(source)["p"] == Shared(with_="s")


def test_a_clamp_belongs_to_the_kernel_before_it() -> None:
    source = decide(
        "g (float[N,4,8,8] x) => (float[N,4,4,4] y) { a = Conv(x, w) \n r = Relu(a) \n y = Conv(r, w) }", w=W
    )
    decision = decision_of(source.graph[0])
    assert decision.clamp is source.graph[1]
    assert decision.output is source.graph[1].outputs[0]
    assert list(sources(source)) == ["x", "r", "y"]


@pytest.mark.parametrize(
    ("clamp", "constants"),
    [
        ("r = Clip(a, low)", {"low": np.float32(0.5)}),
        ('r = Clip(a, "", low)', {"low": np.float32(-0.5)}),
        ("r = Clip(x, s)", {}),
        ("r = Tanh(a)", {}),
    ],
    ids=["above zero", "below zero", "a bound", "no clamp"],
)
def test_what_saturation_cannot_do_is_no_clamp(clamp: str, constants: dict[str, np.ndarray]) -> None:
    bound = "s = ReduceMin<keepdims=0>(a)" if "s)" in clamp else ""
    text = f"""g (float[N,4,8,8] x) => (float[N,4,A,B] y) {{
        a = Conv<pads=[1,1,1,1]>(x, w)
        {bound}
        {clamp}
        y = Conv(r, w)
    }}"""
    source = decide(text, w=W, **{name: np.asarray(value) for name, value in constants.items()})
    assert decision_of(source.graph[0]).clamp is None


def concat(first: str, second: str) -> dict[str, object]:
    source = decide(
        f"""g (float[N,4,8,8] x) => (float[N,4,6,6] y) {{
            a = Conv<pads=[1,1,1,1]>(x, w)
            p = {first}
            b = Conv<pads=[1,1,1,1]>(x, w)
            q = {second}
            s = Concat<axis=1>(p, q)
            y = Conv(s, v)
        }}""",
        w=W,
        v=weights(4, 8, 3, 3),
        zero=np.array(0, np.float32),
        six=np.array(6, np.float32),
    )
    return {name: kind for name, kind in sources(source).items() if name in ("p", "q")}


def test_operands_of_a_concat_take_its_params_unless_a_clamp_would_be_lost() -> None:
    shared = Shared(with_="s")
    assert concat("Relu(a)", "Relu(b)") == {"p": shared, "q": shared}
    assert concat("Clip(a, zero, six)", "Clip(b, zero, six)") == {"p": shared, "q": shared}
    mixed = concat("Relu(a)", "LeakyRelu(b)")
    assert isinstance(mixed["p"], Given)
    assert mixed["q"] == shared
    tighter = concat("Clip(a, zero, six)", "Relu(b)")
    assert isinstance(tighter["p"], Given)
    assert tighter["q"] == shared


def test_a_kernel_that_can_write_float_does_unless_an_integer_reader_asks() -> None:
    text = "g (float[N,8] x) => (float[N,8] y) { a = Gemm(x, w) \n t = Tanh(a) \n y = Gemm(t, w) }"
    source = decide(text, w=weights(8, 8))
    assert decision_of(source.graph[0]).output is None
    source = decide(text.replace("Tanh", "Relu"), w=weights(8, 8))
    assert decision_of(source.graph[0]).output.name == "t"


GEMM = "g (float[8,8] x) => (float[8,8] y, float[8,8] z) {{ y = {node} \n z = Gemm(x, w) }}"


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ("Gemm<alpha=0.5>(x, w)", "alpha is not 1"),
        ("Gemm<beta=0.5>(x, w, k)", "beta is not 1"),
        ("Gemm<transA=1>(x, w)", "transA is set"),
        ("Gemm(w, x)", "its first operand is constant"),
        ("Gemm(x, x)", "its weight 'x' is computed at run time"),
        ("Gemm(x, w, x)", "its bias 'x' is not constant"),
        ("Gemm(x, w, column)", "its bias has shape (8, 1), not one value per column"),
        ("Gemm(x, w, scalar)", "its bias has shape (), not one value per column"),
    ],
)
def test_a_gemm_stays_float(node: str, reason: str) -> None:
    constants = {"w": weights(8, 8), "k": weights(8), "column": weights(8, 1), "scalar": np.array(1, np.float32)}
    used = {name: value for name, value in constants.items() if name in node or name == "w"}
    assert reasons(GEMM.format(node=node), **used) == {"y": reason}


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ("Conv<pads=[1,1,1,1]>(a, fed)", "its weight 'fed' is a graph input, which the caller may replace"),
        ("Conv<pads=[1,1,1,1]>(a, w, bias)", "its bias 'bias' is not constant"),
        (
            "Conv<pads=[1,1,1,1], group=2>(a, odd)",
            "reads a number of channels that is no multiple of 4, which is faster in float",
        ),
        ('Resize<mode="linear">(a, "", ones)', "only nearest Resize has an integer kernel"),
        (
            'Resize<coordinate_transformation_mode="tf_crop_and_resize">(a, roi, ones)',
            "writes an extrapolation value beyond what it reads",
        ),
        ('Pad<mode="reflect">(a, pads)', "pads with something other than the constant 0"),
        ("Pad(a, pads, one)", "pads with something other than the constant 0"),
        ("Concat<axis=1>(constant, constant)", "all its operands are constant"),
        ("Concat<axis=0>(a, constant)", "a constant operand has no integer form here"),
        ("Add(a, addend)", "an operand is a graph input with a default, which the caller may replace"),
        ("Transpose(constant)", "its input is constant"),
    ],
)
def test_it_stays_float_between_convolutions(node: str, reason: str) -> None:
    constants = {
        "fed": W,
        "bias": weights(4),
        "addend": weights(4, 1, 1),
        "odd": weights(16, 2, 3, 3),
        "ones": np.ones(4, np.float32),
        "roi": np.array([0, 0, 0, 0, 1, 1, 1, 1], np.float32),
        "pads": np.zeros(8, np.int64),
        "one": np.array(1, np.float32),
        "constant": weights(1, 4, 8, 8),
    }
    used = {
        name: value
        for name, value in constants.items()
        if name in node.replace("constant)", "constant").split("(", 1)[1]
    }
    declared = {"fed": "float[4,4,3,3] fed", "bias": "float[4] bias", "addend": "float[4,1,1] addend"}
    inputs = "".join(f", {text}" for name, text in declared.items() if name in used)
    text = f"""g (float[1,4,8,8] x{inputs}) => (float[A,B,C,D] y) {{
        a = Conv<pads=[1,1,1,1]>(x, w)
        s = {node}
        y = Conv(s, v)
    }}"""
    channels = 8 if "Concat<axis=1>" in node else 16 if "odd" in node else 4
    assert reasons(text, w=W, v=weights(4, channels, 3, 3), **used)["s"] == reason


def test_half_and_double_stay_float() -> None:
    text = """g (float[2,8] x, double[2,8] d) => (float[2,8] y, double[2,8] z) {
        y = Gemm(x, w)
        z = Gemm(d, v)
    }"""
    assert reasons(text, w=weights(8, 8), v=weights(8, 8).astype(np.float64)) == {"z": "computes in DOUBLE, not FLOAT"}


def test_bodies_stay_float() -> None:
    text = """g (float[2,8] x, bool c) => (float[2,8] y) {
        a = Gemm(x, w)
        y = If(c) <
            then_branch = t () => (float[2,8] u) { u = Gemm(a, w) },
            else_branch = e () => (float[2,8] v) { v = Neg(a) }
        >
    }"""
    assert reasons(text, w=weights(8, 8)) == {"u": "is in the body of an If, Loop or Scan, which stays float"}


def test_the_user_s_wishes() -> None:
    text = """g (float[N,4,8,8] x) => (float[N,4,4,4] head) {
        a = Conv<pads=[1,1,1,1]>(x, w)
        s = Add(a, x)
        b = Conv(s, w)
        head = Conv(b, w)
    }"""
    assert reasons(text, w=W, exclude_nodes=("^head$",)) == {"head": "is excluded by name"}
    assert reasons(text, w=W, exclude_ops=("Add",)) == {"s": "is excluded by operator type"}
    # What follows the kernels that were named follows still.
    assert reasons(text, w=W, only_ops=("Conv",)) == {}


def test_nothing_to_quantize_says_why() -> None:
    source = model("g (float[N,8] x) => (float[N,8] y) { a = Gemm<alpha=2.0>(x, w) \n y = Tanh(a) }", w=weights(8, 8))
    assert not DecideQuantization(rules=RULES)(source).modified
    assert str(nothing_to_do(source)) == (
        "graph 'g': has no operator that runs in integers on this target (Gemm alpha is not 1). "
        "Pack it as it is with --scheme float, or see `edgec targets NAME` for what the target quantizes."
    )


def test_deciding_edits_nothing_and_happens_once() -> None:
    source = model("g (float[N,8] x) => (float[N,8] y) { y = Gemm(x, w) }", w=weights(8, 8))
    before = ir.serde.serialize_model(source).SerializeToString()
    assert DecideQuantization(rules=RULES)(source).modified
    assert ir.serde.serialize_model(source).SerializeToString() == before
    first = decision_of(source.graph[0])
    assert not DecideQuantization(rules=RULES)(source).modified
    assert decision_of(source.graph[0]) is first
    assert source_of(source.graph.inputs[0]) == Given(first.rule.inputs)


def test_seven_bits_where_a_name_matches() -> None:
    """int8 weights of the nodes named; the others keep their range, and so do operands that are no weights."""
    source = decide(
        """g (float[N,4,6,6] x) => (float[N,4,2,2] y) {
            first = Conv(x, w)
            bright = Mul(first, c)
            y = Conv(bright, w)
        }""",
        w=W,
        c=np.float32([0.5]),
        reduce_range_nodes=("^fir", "^bright$", "absent"),
    )
    reduced = {
        str(node.name): decision.weight[1].reduce_range
        for node, decision in decided_nodes(source.graph)
        if decision.weight is not None
    }
    assert reduced == {"first": True, "bright": False, "y": False}
