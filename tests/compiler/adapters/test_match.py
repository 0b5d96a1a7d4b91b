"""Linears are found by the names of weights, nodes and scopes; packed ones part by part; by a map where none tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from support.lowrank import HIDDEN, KV, LAYERS, WIDTH, factors, model, modules, weights, write_peft

from edgec.compiler.adapters.fit import fit
from edgec.compiler.adapters.linears import linears_of
from edgec.compiler.adapters.match import Match, match_modules
from edgec.compiler.adapters.peft import LowRank, Peft, read_peft
from edgec.errors import ModelError

W = weights()
NAMES = tuple(modules())
AFFECTS = "Optimized exports rename, pack and split weights."
REMEDY = "Name its node with --adapter-map MODULE=NODE, or export without these optimizations."


def graph(**how: object) -> ir.Graph:
    return ir.from_proto(model(W, **how)).graph  # type: ignore[arg-type]


@pytest.mark.parametrize("names", ["weights", "nodes", "scopes"])
def test_every_module_is_found(names: str) -> None:
    linears = linears_of(graph(names=names))
    found = match_modules(NAMES, linears, {}, "a")
    assert {name: (match.linear.rows, match.linear.columns) for name, match in found.items()} == modules()
    assert len({match.linear for match in found.values()}) == len(NAMES) == len(linears)


@pytest.mark.parametrize("shorten", ["model.", "model.layers.0."])
def test_the_end_of_a_name_is_enough_where_one_has_it(shorten: str) -> None:
    name = "model.layers.0.mlp.up_proj".removeprefix(shorten)
    linears = linears_of(graph())
    if shorten == "model.":
        assert match_modules([name], linears, {}, "a")[name].linear.name == "model.layers.0.mlp.up_proj"
        return
    with pytest.raises(ModelError) as caught:
        match_modules([name], linears, {}, "a")
    assert str(caught.value) == (
        "a, module 'mlp.up_proj': could be 'model.layers.0.mlp.up_proj' or 'model.layers.1.mlp.up_proj'. "
        "Say which: --adapter-map mlp.up_proj=NODE."
    )


def test_a_map_where_names_do_not_tell() -> None:
    linears = linears_of(graph(names="none"))
    chosen = {"model.layers.*.mlp.down_proj": "down_*", "model.layers.0.mlp.up_proj": linears[5].nodes[0].name}
    for linear, layer in ((linears[6], 0), (linears[13], 1)):
        linear.nodes[0].name = f"down_{layer}"
    linears = linears_of(linears[0].nodes[0].graph)  # type: ignore[arg-type]
    asked = ("model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj", "model.layers.0.mlp.up_proj")
    found = match_modules(asked, linears, chosen, "a")  # type: ignore[arg-type]
    assert [found[name].linear.names[-1] for name in asked] == ["down_0", "down_1", linears[5].nodes[0].name]


def test_the_nearest_is_named() -> None:
    with pytest.raises(ModelError) as caught:
        match_modules(["model.layers.1.mlp.up_porj"], linears_of(graph()), {}, "law")
    assert str(caught.value) == (
        "law, module 'model.layers.1.mlp.up_porj': is no linear of the graph, the nearest is "
        f"'model.layers.1.mlp.up_proj' (node 'node_21'). {AFFECTS} {REMEDY}"
    )


def test_a_map_to_nowhere() -> None:
    with pytest.raises(ModelError) as caught:
        match_modules(["a.b"], linears_of(graph()), {"a.b": "node_x9"}, "law")
    assert str(caught.value).startswith("--adapter-map a.b=node_x9: names no linear of the graph, the nearest is ")


def test_a_graph_without_linears() -> None:
    proto = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [], [])
    with pytest.raises(ModelError) as caught:
        match_modules(["a.b"], linears_of(ir.from_proto(proto)), {}, "law")
    assert str(caught.value) == (
        f"law, module 'a.b': is no linear of the graph. The graph has no product with constant weights. {REMEDY}"
    )


def test_products_that_are_no_linears() -> None:
    """Of two inputs, of a weight the caller may replace, of more than two axes, a Gemm that scales."""
    text = numpy_helper.from_array(np.ones((4, 4), np.float32), "w.weight")
    cube = numpy_helper.from_array(np.ones((2, 4, 4), np.float32), "c.weight")
    nodes = [
        helper.make_node("MatMul", ["x", "x"], ["a"]),
        helper.make_node("MatMul", ["x", "o"], ["b"]),
        helper.make_node("MatMul", ["x", "c.weight"], ["c"]),
        helper.make_node("Gemm", ["x", "w.weight"], ["d"], alpha=2.0),
        helper.make_node("Gemm", ["x", "w.weight"], ["e"], transA=1),
        helper.make_node("Gemm", ["x", "w.weight"], ["f"], transB=1, name="kept"),
    ]
    info = [helper.make_tensor_value_info(name, 1, [4, 4]) for name in "xo"]
    free = numpy_helper.from_array(np.ones((4, 4), np.float32), "o")
    proto = helper.make_model(helper.make_graph(nodes, "g", info, [], [text, cube, free]))
    (found,) = linears_of(ir.from_proto(proto).graph)
    assert [node.name for node in found.nodes] == ["kept"]
    assert (found.name, found.rows, found.columns) == ("w", 4, 4)


def test_a_module_applied_twice_is_one_linear() -> None:
    nodes = [helper.make_node("MatMul", ["x", "w.weight"], ["a"]), helper.make_node("MatMul", ["a", "w.weight"], ["b"])]
    tensor = numpy_helper.from_array(np.ones((4, 4), np.float32), "w.weight")
    info = [helper.make_tensor_value_info("x", 1, [4, 4])]
    (found,) = linears_of(ir.from_proto(helper.make_model(helper.make_graph(nodes, "g", info, [], [tensor]))).graph)
    assert len(found.nodes) == 2


TARGETS = st.sets(st.sampled_from(("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj")), min_size=1)


@settings(max_examples=30, deadline=None)
@given(targets=TARGETS, ranks=st.integers(1, 5), seed=st.integers(0, 9))
def test_packed_modules_change_their_own_columns(targets: set[str], ranks: int, seed: int) -> None:
    """x A B of the packed linear is what each module adds, side by side, zero for those that add nothing."""
    given_ = factors({name: ranks + k for k, name in enumerate(sorted(targets))}, seed)
    peft = Peft(origin="a", digest="", modules={m: LowRank(a=a.T, b=b.T) for m, (a, b) in given_.items()})
    linears = linears_of(graph(packed=True))
    found = fit(peft, match_modules(tuple(peft.modules), linears, {}, "a"))
    parts = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}
    sizes = {"q_proj": WIDTH, "k_proj": KV, "v_proj": KV, "gate_proj": HIDDEN, "up_proj": HIDDEN}
    seen = 0
    for linear, each in found.items():
        stem, _, last = linear.name.rpartition(".")
        wanted = []
        for part in parts[last]:
            a, b = given_.get(f"{stem}.{part}", (np.zeros((1, WIDTH)), np.zeros((sizes[part], 1))))
            wanted.append((b.astype(np.float64) @ a).T)
        np.testing.assert_allclose(each.a.astype(np.float64) @ each.b, np.concatenate(wanted, axis=1), atol=1e-6)
        seen += 1
    kinds = {part for part, names in parts.items() if targets & set(names)}
    assert seen == LAYERS * len(kinds)


def test_an_adapter_of_another_model(tmp_path: Path) -> None:
    module = "model.layers.0.self_attn.q_proj"
    write_peft(tmp_path, {module: (np.ones((2, 48), np.float32), np.ones((64, 2), np.float32))})
    peft = read_peft(tmp_path)
    with pytest.raises(ModelError) as caught:
        fit(peft, match_modules(tuple(peft.modules), linears_of(graph()), {}, "a"))
    assert str(caught.value) == (
        f"{tmp_path}, module '{module}': takes 48 and gives 64 features, its linear '{module}' takes 64 and gives 64. "
        "Give an adapter that was trained on this model."
    )


def test_two_modules_on_one_linear() -> None:
    (linear, *_) = linears_of(graph())
    low = LowRank(a=np.ones((WIDTH, 1), np.float32), b=np.ones((1, WIDTH), np.float32))
    peft = Peft(origin="law", digest="", modules={"a": low, "b": low})
    with pytest.raises(ModelError) as caught:
        fit(peft, {"a": Match(linear=linear), "b": Match(linear=linear)})
    assert str(caught.value) == (
        f"law, modules 'a' and 'b': are one linear of the graph, '{linear.name}'. "
        "Map them to linears of their own with --adapter-map MODULE=NODE."
    )
