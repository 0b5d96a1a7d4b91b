"""Which nodes the user's options leave float: by the names and operators of the user's own model."""

from __future__ import annotations

import onnx_ir as ir
import pytest
from support.graphs import feeds_of, model, weights
from support.recipes import compiled, recipe
from support.state import snapshot

from edgec.passes.edit import SkipNotes
from edgec.passes.quantize.decision import decided_nodes
from edgec.passes.scope import out_of_scope


def node(name: str = "block1/conv", op: str = "Conv") -> ir.Node:
    source = model(
        f"g (float[1,4,4,4] x) => (float[A,B,C,D] y) {{ y = {op}(x, w) }}", infer=False, w=weights(4, 4, 1, 1)
    )
    source.graph[0].name = name
    return source.graph[0]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, None),
        ({"exclude_nodes": ["block2"]}, None),
        ({"exclude_nodes": ["block1"]}, "is excluded by name"),
        ({"exclude_nodes": ["x", r"^block\d/"]}, "is excluded by name"),
        ({"exclude_ops": ["Gemm", "Conv"]}, "is excluded by operator type"),
        ({"only_ops": ["Gemm"]}, "is not among the operator types to quantize"),
        ({"only_ops": ["Conv"]}, None),
        ({"only_ops": ["Conv"], "exclude_nodes": ["conv"]}, "is excluded by name"),
    ],
)
def test_one_node(options: dict[str, list[str]], reason: str | None) -> None:
    whole = {"exclude_nodes": [], "exclude_ops": [], "only_ops": [], **options}
    assert out_of_scope(node(), **whole) == reason


# What the recipe rewrites before it decides, and the operator the user knows it by.
REWRITTEN = {
    "MatMul": """g (float[N,4] x) => (float[N,4] y, float[N,4] z) {
        m = MatMul(x, w)
        y = Add(m, b)
        z = Gemm(x, w)
    }""",
    "Conv": """g (float[N,4,1,1] x) => (float[N,4,1,1] y, float[N,4] z) {
        y = Conv(x, p, b)
        f = Flatten(x)
        z = Gemm(f, w)
    }""",
}


def rewritten(op: str) -> ir.Model:
    constants = {"w": weights(4, 4), "b": weights(4)} | ({"p": weights(4, 4, 1, 1)} if op == "Conv" else {})
    return model(REWRITTEN[op], **constants)


@pytest.mark.parametrize("op", REWRITTEN)
@pytest.mark.parametrize("scheme", ["a8w8", "d8w8", "w8"])
def test_a_rewritten_node_is_out_of_scope_by_its_old_operator(op: str, scheme: str) -> None:
    constants = {"w": weights(4, 4), "b": weights(4), "p": weights(4, 4, 1, 1)}
    text = REWRITTEN[op]
    source = model(
        text, **{name: array for name, array in constants.items() if f"{name})" in text or f"{name}," in text}
    )
    shipped = compiled(source, scheme, [feeds_of(source)], exclude_ops=(op,))
    excluded = "m" if op == "MatMul" else "y"
    assert SkipNotes.of(shipped)[excluded] == "is excluded by operator type"
    if scheme == "a8w8":
        assert "z" in {node.name for node, _ in decided_nodes(shipped.graph)}
        assert excluded not in {node.name for node, _ in decided_nodes(shipped.graph)}


@pytest.mark.parametrize("op", REWRITTEN)
def test_a_rewritten_node_is_in_scope_by_its_old_operator(op: str) -> None:
    constants = {"w": weights(4, 4), "b": weights(4), "p": weights(4, 4, 1, 1)}
    text = REWRITTEN[op]
    source = model(
        text, **{name: array for name, array in constants.items() if f"{name})" in text or f"{name}," in text}
    )
    shipped = compiled(source, "a8w8", [feeds_of(source)], only_ops=(op,))
    decided = {node.name for node, _ in decided_nodes(shipped.graph)}
    assert ("m" if op == "MatMul" else "y") in decided
    assert "z" not in decided


def test_operators_of_other_domains_are_nobody_s() -> None:
    """They share a name with an ONNX operator, and nothing else."""
    source = model(
        """g (float[1,3,6,6] x) => (float[A,B,C,D] y, float[E,F] z) {
            a = mine.Conv(x, w)
            b = mine.BatchNormalization(a, s, s, s, s)
            r = mine.Relu(b)
            i = mine.Identity(r)
            d = mine.Dropout(i)
            m = mine.ReduceMean<axes=[2,3]>(d)
            p = mine.Pad(m, pads, "", pads)
            y = mine.Sum(p, p)
            g0 = mine.Gemm(s, w)
            h = mine.MatMul(g0, w)
            k = mine.Add(h, s)
            z = mine.Shape(k)
        }""",
        domains='"mine": 1',
        infer=False,
        w=weights(16, 3, 3, 3),
        s=weights(3),
        pads=weights(2),
    )
    for each in (each for scheme in ("a8w8", "d8w8", "w8") for each in recipe(scheme)):
        if each.name in ("Stamp", "RemoveUnused", "DropShapes"):
            continue
        state = snapshot(source)
        assert not each(source).modified, each.name
        same = snapshot(source) == state
        assert same, each.name
