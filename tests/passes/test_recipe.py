"""Recipes as JSON: every target's reads back equal, edited ones work, wrong ones say where."""

from __future__ import annotations

import importlib
import json
import pkgutil
from itertools import chain
from typing import Any

import pytest
from support.graphs import feeds_of, model, weights
from support.recipes import measure_on

import edgec.passes
from edgec.compiler.pipeline import run_passes
from edgec.passes.base import Pass
from edgec.passes.catalog import KINDS, PASSES
from edgec.passes.lower.stamp import Stamp
from edgec.passes.normalize.fold_constants import FoldConstants
from edgec.passes.quantize.decide import DecideQuantization
from edgec.passes.quantize.learned_params import LearnedParams
from edgec.passes.recipe import Recipe
from edgec.passes.spec import INTEGER_TYPES, PerAxis, PerBlock, PerTensor, QuantSpec
from edgec.targets import find_target, target_names
from edgec.targets.pipeline import Policy, recipe_for
from edgec.targets.pruning import pruning

POLICIES = {
    **{scheme: Policy(scheme=scheme) for scheme in ("a8w8", "a8w4", "a16w8", "d8w8", "w8", "w4", "fp16", "float")},
    "narrow": Policy(scheme="a4w4"),
    "bent": Policy(
        scheme="a8w8",
        exclude_nodes=("^head", "mul.*"),
        exclude_ops=("Add",),
        only_ops=("Conv", "MatMul"),
        per_channel=False,
        reduce_range=True,
    ),
    "rewritten": Policy(
        scheme="a8w8", equalize=True, smooth="auto", clip_weights=True, split_concats=("cat.*",), ranges=("x=-1:1",)
    ),
    "balanced": Policy(scheme="a8w8", balance=True),
    "rounded": Policy(scheme="a8w8", rounding="gptq", bias_correction="fast"),
    "recurrent": Policy(scheme="d8w8", recurrent="dynamic"),
    "in turn": Policy(scheme="a8w8", rounding="adaround", bias_correction="sequential"),
    "cached": Policy(scheme="float", kv_cache="int8"),
    "mixed": Policy(scheme="w4", target_bpw=4.5, keep=("lm_head=int8",), rounding="gptq", in_turn=True, awq=True),
    "standard": Policy(scheme="w4", weight_form="standard", rotate=True),
    "long": Policy(scheme="w8", weight_form="packed", long_inputs=True, product_tables=4),
    "levels": Policy(scheme="nf4"),
    "lattice": Policy(scheme="w2e8"),
    "float8": Policy(scheme="fp8"),
    "bnb4": Policy(scheme="nf4", weight_form="bnb4"),
}


# One of each family, and each that takes other schemes than its family.
FAMILIES = (
    *("x86-64-vnni", "pixel-8", "pixel-8-nnapi", "snapdragon-8-gen-3", "intel-openvino", "web-wasm", "web-webgpu"),
    *("jetson-orin", "nvidia-cuda", "iphone-15"),
)
# Schemes that families take, where they do not take all: what else there is they would compute in float, or elsewhere.
STATIC = ("a8w8", "a8w4", "a16w8")
TAKEN = {
    "coreml": ("fp16", "float"),
    "nnapi": ("a8w8", "float"),
    "nvidia": ("fp16", "float"),
    "jetson-orin": ("a8w8", "fp16", "float"),
    "openvino": (*STATIC, "w8", "w4", "fp16", "float"),
    "qnn": (*STATIC, "fp16", "float"),
    "webgpu": ("w8", "w4", "fp16", "float"),
}


def fits(target: str, policy: str) -> bool:
    if POLICIES[policy].kv_cache != "float":
        return find_target(target).family == "cpu" and target != "armv7"
    taken = TAKEN.get(target, TAKEN.get(find_target(target).family))
    return taken is None or POLICIES[policy].scheme in taken


def whole(scheme: str = "a8w8", target: str = FAMILIES[0]) -> Recipe:
    return recipe_for(find_target(target), POLICIES[scheme])


def plain(recipe: Recipe) -> Any:
    """What a file of it holds."""
    return json.loads(json.dumps(recipe.to_json()))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("target", [name for name in target_names() if name != "host"])
def test_a_recipe_reads_back_equal(target: str, policy: str) -> None:
    if not fits(target, policy):
        pytest.skip("the family refuses that scheme")
    recipe = recipe_for(find_target(target), POLICIES[policy])
    again = Recipe.from_json(plain(recipe))
    assert again == recipe
    assert str(again) == str(recipe)


@pytest.mark.parametrize("granularity", [PerTensor(), PerAxis(axis=-1), PerBlock(axis=1, size=32)])
def test_every_granularity_reads_back_equal(granularity: PerTensor | PerAxis | PerBlock) -> None:
    from dataclasses import replace

    recipe = whole()
    decide = next(each for each in recipe.passes if isinstance(each, DecideQuantization))
    spec = QuantSpec(dtype="int4", granularity=granularity, symmetric=True)
    rules = tuple(replace(rule, weights=spec) for rule in decide.rules)
    changed = Recipe(scheme="a8w4", passes=(replace(decide, rules=rules),))
    assert Recipe.from_json(plain(changed)) == changed


def test_fields_at_their_default_are_left_out() -> None:
    recipe = Recipe(scheme="w8", passes=(FoldConstants(), FoldConstants(limit=7)))
    assert plain(recipe) == {
        "scheme": "w8",
        "passes": [{"kind": "FoldConstants"}, {"kind": "FoldConstants", "limit": 7}],
    }


def test_it_prints_one_pass_a_line() -> None:
    lines = str(Recipe(scheme="w8", passes=(FoldConstants(limit=7), Stamp(target="t", scheme="w8", max_ir_version=10))))
    assert lines == " 0  FoldConstants(limit=7, several=False)\n 1  Stamp(target='t', scheme='w8', max_ir_version=10)"


def edited(*path: str | int, value: object = None, scheme: str = "a8w8") -> Any:
    """The JSON of a recipe with one value changed, or removed where `value` is None."""
    values = plain(whole(scheme))
    place = values
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return values


DECIDE = next(k for k, each in enumerate(plain(whole())["passes"]) if each["kind"] == "DecideQuantization")
ALIGN = next(k for k, each in enumerate(plain(whole())["passes"]) if each["kind"] == "AlignChannels")
ADD = next(k for k, rule in enumerate(plain(whole())["passes"][DECIDE]["rules"]) if rule["ops"] == ["Add", "Mul"])
RULE = ("passes", DECIDE, "rules", ADD)
KNOWN = ", ".join(sorted(KINDS))

WRONG = {
    "no scheme": (("scheme",), None, "needs `scheme` (a string) and `passes` (a list)"),
    "scheme is a number": (("scheme",), 8, "needs `scheme` (a string) and `passes` (a list)"),
    "passes is a table": (("passes",), {}, "needs `scheme` (a string) and `passes` (a list)"),
    "an unknown pass": (("passes", 1, "kind"), "FoldConstant", f"passes[1]: kind 'FoldConstant' is not one of {KNOWN}"),
    "no kind": (("passes", 1, "kind"), None, f"passes[1]: kind None is not one of {KNOWN}"),
    "a spec for a pass": (("passes", 1), {"kind": "PerTensor"}, "passes[1]: PerTensor is not a pass"),
    "a name for a pass": (("passes", 1), "FoldConstants", "passes[1]: str is not a pass"),
    "an unknown field": (
        ("passes", 1, "limits"),
        7,
        "passes[1]: 'limits' is not a field of FoldConstants (limit, several)",
    ),
    "a number is a string": (
        ("passes", 1, "limit"),
        "7",
        "passes[1].limit: '7' is not what FoldConstants takes there",
    ),
    "a number is a flag": (("passes", 1, "limit"), True, "passes[1].limit: True is not what FoldConstants takes there"),
    "a list is a string": (
        ("passes", DECIDE, "exclude_nodes"),
        "head",
        f"passes[{DECIDE}].exclude_nodes: 'head' is not what DecideQuantization takes there",
    ),
    "a list of numbers": (
        ("passes", DECIDE, "exclude_nodes"),
        [1],
        f"passes[{DECIDE}].exclude_nodes: [1] is not what DecideQuantization takes there",
    ),
    "an unknown role": (
        (*RULE, "role"),
        "lead",
        f"passes[{DECIDE}].rules[{ADD}].role: 'lead' is not what OpRule takes there",
    ),
    "a granularity for a spec": (
        (*RULE, "weights"),
        {"kind": "PerTensor"},
        f"passes[{DECIDE}].rules[{ADD}].weights: {{'kind': 'PerTensor'}} is not what OpRule takes there",
    ),
    "a field is missing": (
        ("passes", ALIGN, "inputs"),
        None,
        f"passes[{ALIGN}]: AlignChannels.__init__() missing 1 required keyword-only argument: 'inputs'",
    ),
    "an unknown dtype": (
        (*RULE, "inputs", "dtype"),
        "uint9",
        f"passes[{DECIDE}].rules[{ADD}].inputs: dtype: 'uint9' is not one of {', '.join(INTEGER_TYPES)}",
    ),
    "a symmetric unsigned type": (
        (*RULE, "inputs", "symmetric"),
        True,
        f"passes[{DECIDE}].rules[{ADD}].inputs: symmetric: uint8 has no negative half; symmetric needs a signed dtype",
    ),
    "an unknown operator": (
        (*RULE, "ops"),
        ["Ad"],
        f"passes[{DECIDE}].rules[{ADD}]: ops: 'Ad' is not an ONNX operator",
    ),
    "an output without a source": (
        (*RULE, "outputs"),
        None,
        f"passes[{DECIDE}].rules[{ADD}]: ops ('Add', 'Mul'): output='required' needs an `outputs` source",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_edit_says_where(name: str) -> None:
    path, value, message = WRONG[name]
    with pytest.raises(ValueError) as raised:  # noqa: PT011  the whole message is compared
        Recipe.from_json(edited(*path, value=value))
    assert str(raised.value) == message


def test_an_edited_recipe_does_what_it_says() -> None:
    source = model(
        "g (float[N,8] x) => (float[N,3] y) { a = Gemm(x, w) \n r = Relu(a) \n y = Gemm(r, v) }",
        w=weights(8, 6),
        v=weights(6, 3),
    )
    values = plain(whole())
    values["passes"][DECIDE]["exclude_nodes"] = ["^a$"]
    changed = Recipe.from_json(values)
    run_passes(source, changed.passes, measure=measure_on([feeds_of(source)]))
    readers = {node.name: node.inputs[1].producer() for node in source.graph if node.op_type == "Gemm"}
    assert readers["a"] is None
    assert readers["y"].op_type == "DequantizeLinear"


def test_the_catalog_has_every_pass() -> None:
    for module in pkgutil.walk_packages(edgec.passes.__path__, "edgec.passes."):
        importlib.import_module(module.name)
    found = set()
    todo = [Pass]
    while todo:
        children = [child for child in todo.pop().__subclasses__() if child.__module__.startswith("edgec.")]
        found.update(children)
        todo.extend(children)
    assert found == set(PASSES)
    assert len(KINDS) == len(set(KINDS))
    assert all(KINDS[each.__name__] is each for each in PASSES)


@pytest.mark.parametrize("kind", PASSES, ids=lambda kind: kind.__name__)
def test_every_pass_is_a_value(kind: type[Pass]) -> None:
    """Frozen, keyword-only, comparable, its repr its recipe line, its docstring saying what it does."""
    from dataclasses import FrozenInstanceError, fields

    recipes = (whole(scheme, target) for target in FAMILIES for scheme in POLICIES if fits(target, scheme))
    passes = (p for recipe in recipes for p in recipe.passes)
    pruned = pruning(Policy(prune_channels="30%", prune_layers="10%", sparsity="2:4"), calibrated=True)
    each = next(p for p in chain(passes, pruned, (LearnedParams(),)) if type(p) is kind)
    options = {field.name: getattr(each, field.name) for field in fields(each)}
    assert kind(**options) == each
    assert hash(kind(**options)) == hash(each)
    assert repr(each).startswith(f"{kind.__name__}(")
    assert each.name == kind.__name__
    assert kind.__doc__
    with pytest.raises(FrozenInstanceError):
        each.anything = 1  # type: ignore[attr-defined]
