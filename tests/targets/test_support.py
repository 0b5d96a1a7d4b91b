"""Checking without a provider: partitions as ONNX Runtime groups nodes, what crosses, who refused what."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import model, weights

from edgec.errors import TargetError
from edgec.targets.checkers import CHECKERS, support_rules
from edgec.targets.support import CPU, SUPPORTED, Checked, SupportRules, Verdict, check, refused

CHAIN = """g (float[1,4] x) => (float[1,4] z) {
    a = Relu(x)
    b = Sin(a)
    c = Relu(a)
    d = Add(b, c)
    z = Relu(d)
}"""


def taking(*ops: str, provider: str = "P", **options: Any) -> SupportRules:
    """Rules that take these operators."""

    def verdict(unit: Any, model: ir.Model) -> Verdict:
        del model
        return SUPPORTED if unit.node.op_type in ops else refused(f"{unit.node.op_type} is not known", "another one")

    return SupportRules(provider=provider, source="a test", verdict=verdict, **options)


def placed(checked: Checked) -> list[tuple[str, str, int | None]]:
    return [(str(each.unit.node.name), each.provider, each.partition) for each in checked.units]


def test_a_node_in_between_makes_two_partitions() -> None:
    found = check(model(CHAIN), taking("Relu", "Add"))
    assert placed(found) == [("a", "P", 0), ("c", "P", 0), ("b", CPU, None), ("d", "P", 1), ("z", "P", 1)]
    assert (found.partitions, found.supported, found.nodes) == (2, 4, 5)
    assert found.units[2].verdicts == {"P": Verdict(supported=False, why="Sin is not known", mend="another one")}


def test_what_crosses_is_counted_once_for_each_side() -> None:
    """16 bytes each: x in; a to the CPU; b and c into the second partition; z out."""
    assert check(model(CHAIN), taking("Relu", "Add")).crossing_bytes == 5 * 16
    assert check(model(CHAIN), taking("Sin")).crossing_bytes == 2 * 16
    assert check(model(CHAIN), taking()).crossing_bytes == 0
    free = model(CHAIN.replace("float[1,4] x", "float[N,4] x").replace("float[1,4] z", "float[N,4] z"))
    assert check(free, taking("Relu", "Add")).crossing_bytes is None


def test_constants_do_not_cross() -> None:
    made = model("g (float[1,4] x) => (float[1,4] y) { y = Add(x, w) }", w=weights(1, 4))
    assert check(made, taking("Add")).crossing_bytes == 2 * 16


def test_the_second_provider_gets_what_the_first_left() -> None:
    found = check(model(CHAIN), taking("Sin"), taking("Sin", "Add", provider="Q"))
    assert placed(found) == [("a", CPU, None), ("b", "P", 0), ("c", CPU, None), ("d", "Q", 1), ("z", CPU, None)]
    by_name = {each.unit.node.name: each for each in found.units}
    assert by_name["b"].verdicts == {"P": SUPPORTED}
    assert list(by_name["d"].verdicts) == list(by_name["z"].verdicts) == ["P", "Q"]
    assert (found.providers, found.partitions) == (("P", "Q"), 2)


def test_a_group_that_is_not_kept_says_why() -> None:
    alone = taking("Sin", drops=lambda group: "one node is not worth it" if len(group) == 1 else "")
    found = check(model(CHAIN), alone)
    assert {provider for _, provider, _ in placed(found)} == {CPU}
    by_name = {each.unit.node.name: each for each in found.units}
    assert by_name["b"].verdicts["P"] == refused("one node is not worth it")


IF = """g (bool c, float[4] x) => (float[4] y) {
    y = If (c) <then_branch = t () => (float[4] p) { p = Relu(x) }, else_branch = e () => (float[4] q) { q = Sin(x) }>
}"""


def test_bodies_belong_to_no_partition() -> None:
    closed = check(model(IF), taking("If", "Relu"))
    assert sorted(placed(closed), key=str) == [("p", CPU, None), ("q", CPU, None), ("y", "P", 0)]
    why = closed.units[1].verdicts["P"].why
    assert why == "it is in a body of If y, of which the provider takes none"
    opened = check(model(IF), taking("Relu", bodies=True))
    assert sorted(placed(opened), key=str) == [("p", "P", None), ("q", CPU, None), ("y", CPU, None)]


def test_a_verdict_has_a_reason_or_is_yes() -> None:
    told = r"^why: what is not supported has a reason, what is supported has none$"
    with pytest.raises(ValueError, match=told):
        Verdict(supported=False)
    with pytest.raises(ValueError, match=told):
        Verdict(supported=True, why="because")


def test_rules_nobody_knows() -> None:
    assert support_rules(("nnapi-7",), where="a target") == (CHECKERS["nnapi-7"],)
    with pytest.raises(TargetError) as caught:
        support_rules(("nnapi-9",), where="board.toml")
    known = ", ".join(CHECKERS)
    assert str(caught.value) == (
        f"board.toml: support: 'nnapi-9' is not one of {known}. Name rules edgec knows, or leave them out."
    )


@st.composite
def graphs(draw: st.DrawFn) -> ir.Model:
    """Sums of earlier values; of a Relu the provider knows nothing."""
    values = ["x"]
    lines = []
    for index in range(draw(st.integers(1, 14))):
        name = f"v{index}"
        first, second = (draw(st.sampled_from(values)) for _ in range(2))
        lines.append(f"{name} = {draw(st.sampled_from([f'Add({first}, {second})', f'Relu({first})']))}")
        values.append(name)
    return model(f"g (float[4] x) => (float[4] {values[-1]}) {{ " + "\n".join(lines) + " }")


def reference(made: ir.Model) -> list[set[str]]:
    """ONNX Runtime's algorithm in Python, after onnxruntime/tools/mobile_helpers/usability_checker.py (1.31.1)."""
    nodes = list(made.graph)
    edges = {node: [user for value in node.outputs for user, _ in value.uses()] for node in nodes}
    degree = {node: sum(value.producer() is not None for value in node.inputs if value) for node in nodes}
    todo, later = deque(node for node in nodes if degree[node] == 0), deque[ir.Node]()
    groups: list[set[str]] = []
    group: set[str] = set()
    border: set[ir.Node] = set()
    while todo or later:
        if not todo:
            groups += [set(group)] if group else []
            group.clear()
            border.clear()
            todo, later = later, deque()
            continue
        node = todo.popleft()
        known = node.op_type == "Add"
        if not known and node in border:
            later.append(node)
            continue
        if known:
            group.add(str(node.name))
            border.discard(node)
        for user in edges[node]:
            if known:
                border.add(user)
            degree[user] -= 1
            if degree[user] == 0:
                todo.append(user)
    return [*groups, group] if group else groups


@given(graphs())
def test_partitions_are_those_of_the_wheels_algorithm(made: ir.Model) -> None:
    found = check(made, taking("Add"))
    mine: dict[int, set[str]] = {}
    for name, _, partition in placed(found):
        if partition is not None:
            mine.setdefault(partition, set()).add(name)
    assert [mine[index] for index in sorted(mine)] == reference(made)
    seen: set[ir.Value | None] = {*made.graph.inputs, *made.graph.initializers.values()}
    for each in found.units:  # the order runs
        assert seen.issuperset(each.unit.node.inputs)
        seen.update(each.unit.node.outputs)


def test_shapes_of_constants_are_known_without_inference() -> None:
    made = model("g (float[1,4] x) => (float[1,4] y) { y = Add(x, w) }", infer=False, w=np.zeros((1, 4), np.float32))
    made.graph.initializers["w"].shape = None
    assert check(made, taking("Add")).partitions == 1
