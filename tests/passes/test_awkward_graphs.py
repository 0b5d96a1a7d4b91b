"""Every pass gets every awkward graph: as it is, and after the passes that come before it in its recipe.

Each time: the model stays valid, the signature stays, `modified` says the truth, a second run changes nothing,
and a pass that calls itself exact leaves what ONNX Runtime answers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
import pytest
from onnx_ir.passes.common import CheckerPass
from support.awkward import AWKWARD, build
from support.graphs import feeds_of
from support.numerics import assert_same, assert_within, run
from support.recipes import measure_on, recipe
from support.state import signature, snapshot

from edgec.compiler.load import load_model
from edgec.passes.base import Pass
from edgec.passes.catalog import PASSES
from edgec.passes.codebook.pack_bnb4 import PackBnb4
from edgec.passes.codebook.pack_incoherent import PackIncoherent
from edgec.passes.codebook.product_tables import ProductTables
from edgec.passes.codebook.round_float8 import RoundFloat8
from edgec.passes.lower.compute_in_half import ComputeInHalf
from edgec.passes.lower.halve_between import HalveBetween
from edgec.passes.lower.limit_codes import LimitCodes
from edgec.passes.lower.part_clamps import PartClamps
from edgec.passes.lower.sum_unrounded import SumUnrounded
from edgec.passes.prepare.within_half import WithinHalf
from edgec.passes.prune.channels import PruneChannels
from edgec.passes.prune.layers import PruneLayers
from edgec.passes.prune.weights import PruneWeights
from edgec.passes.quantize.decide import DecideQuantization
from edgec.passes.quantize.dynamic import DynamicQuantization
from edgec.passes.quantize.dynamic_lstm import DynamicLstm
from edgec.passes.quantize.insert_qdq import InsertQdq
from edgec.passes.quantize.learned_params import LearnedParams
from edgec.passes.quantize.set_ranges import SetRanges
from edgec.passes.round.correct_bias import CorrectBias
from edgec.passes.round.correct_bias_in_turn import CorrectBiasInTurn
from edgec.passes.weight_only.compact_weights import CompactWeights
from edgec.passes.weight_only.dequantize_blocks import DequantizeBlocks
from edgec.passes.weight_only.expand_blocks import ExpandBlocks
from edgec.passes.weight_only.gather_blocks import GatherBlocks
from edgec.passes.weight_only.half_weights import HalfWeights
from edgec.passes.weight_only.long_inputs import LongInputs
from edgec.passes.weight_only.pack_products import PackProducts

ROUNDS = (
    PruneChannels,
    PruneLayers,
    PruneWeights,
    ProductTables,
    PackBnb4,
    PackIncoherent,
    RoundFloat8,
    InsertQdq,
    LimitCodes,
    DynamicQuantization,
    DynamicLstm,
    CompactWeights,
    HalfWeights,
    PackProducts,
    LongInputs,
    GatherBlocks,
    ExpandBlocks,
    DequantizeBlocks,
    CorrectBias,
    CorrectBiasInTurn,
    PartClamps,
    HalveBetween,
    SumUnrounded,
    WithinHalf,
    ComputeInHalf,
)
SCHEMES = ("a8w8", "d8w8", "w8", "fp16", "bf16")
# Their types need operator set 21.
WIDTHS = ("a8w4", "a16w8", "a4w4", "w4", "w8f", "fp8")
# Options that add passes.
OPTIONS: dict[str, dict[str, object]] = {
    "a8w8 recurrent": {"recurrent": "dynamic"},
    "a8w8 equalize smooth clip": {"equalize": True, "smooth": "auto", "clip_weights": True},
    "a8w8 balance": {"balance": True},
    "a8w8 concats apart": {"split_concats": ("",)},
    "a8w8 gptq sequential": {"rounding": "gptq", "bias_correction": "sequential"},
    "a8w8 adaround fast": {"rounding": "adaround", "bias_correction": "fast"},
    "a8w8 pruned": {"prune_channels": "40%", "prune_heads": "30%", "prune_layers": "30%", "sparsity": "50%"},
    "a8w8 pixel-8": {"target": "pixel-8"},
    "a8w8 pixel-8-nnapi": {"target": "pixel-8-nnapi"},
    "a8w8 snapdragon-8-gen-3": {"target": "snapdragon-8-gen-3"},
    "a8w4 snapdragon-8-gen-3": {"target": "snapdragon-8-gen-3"},
    "a8w8 intel-openvino": {"target": "intel-openvino"},
    "a8w8 jetson-orin": {"target": "jetson-orin"},
    "fp16 nvidia-cuda": {"target": "nvidia-cuda"},
    "fp16 iphone-15": {"target": "iphone-15"},
    "w4 web-webgpu": {"target": "web-webgpu"},
    "w4 packed": {"weight_form": "packed", "long_inputs": True, "kv_cache": "int8"},
    "w4 standard": {"weight_form": "standard", "zero_points": True},
    "w8 product": {"product_tables": 4},
    "nf4 bnb4": {"weight_form": "bnb4"},
    "nf4 packed": {"weight_form": "packed", "double_scales": True},
    "fp4 folded": {"weight_form": "folded"},
    "w2e8": {},
    "w2h": {},
    "w3 packed": {"weight_form": "packed"},
    "w4 rotate awq": {"rotate": True, "awq": True, "block_size": 16},
    "w4 mixed in turn": {
        "target_bpw": 4.0,
        "keep": ("lm_head=int8", "mlp=fp16"),
        "rounding": "gptq",
        "in_turn": True,
        "block_size": 16,
    },
}
Feeds = Mapping[str, np.ndarray]


def recipe_named(name: str) -> tuple[Pass, ...]:
    """The passes of a scheme, with the options that its name goes on with."""
    return recipe(name.partition(" ")[0], **OPTIONS.get(name, {}))


def every_pass() -> dict[str, Pass]:
    """One of each pass, with the options of the recipes."""
    found = {each.name: each for name in (*OPTIONS, *WIDTHS, *SCHEMES) for each in recipe_named(name)}
    # It names values, which each graph has its own of: tests/passes/quantize/test_set_ranges.py.
    found["SetRanges"] = SetRanges(ranges=())
    # It does nothing to a model that was not trained: tests/passes/quantize/test_learned_params.py.
    found["LearnedParams"] = LearnedParams()
    assert {type(each) for each in found.values()} == set(PASSES)
    return found


def check(each: Pass, model: ir.Model, feeds: Feeds, before: Feeds) -> Feeds:
    """Run one pass on `model` and check all it promises; returns what the model answers now."""
    promised, state = signature(model), snapshot(model)
    result = each(model)
    settled = snapshot(model)
    changed = settled != state
    assert result.model is model
    assert signature(model) == promised
    assert result.modified == changed, f"{each.name}: modified={result.modified}, changed={changed}"
    after = before
    if changed:
        CheckerPass()(model.clone())  # it reorders initializers
        after = run(model, feeds)
    if not isinstance(each, ROUNDS):
        assert_same(before, after)
    again = each(model).modified
    assert not again, f"{each.name} says it changed the model when run again"
    same = snapshot(model) == settled
    assert same, f"{each.name} changes the model when run again"
    return after


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("scheme", [*SCHEMES, *WIDTHS, *OPTIONS])
def test_in_its_recipe(name: str, scheme: str) -> None:
    model = build(name)
    if scheme.partition(" ")[0] in WIDTHS:
        model = load_model(model, opset_floor=21, already_quantized="accept").model
    feeds = feeds_of(model)
    answers = run(model, feeds)
    measure = measure_on([feeds])
    for each in recipe_named(scheme):
        if needs := each.needs(model):
            measure(model, needs)
        answers = check(each, model, feeds, answers)


@pytest.mark.parametrize("name", AWKWARD)
def test_alone(name: str) -> None:
    feeds = feeds_of(build(name))
    answers = run(build(name), feeds)
    for each in every_pass().values():
        check(each, build(name), feeds, answers)


def replaceable(model: ir.Model) -> dict[str, np.ndarray]:
    """Inputs with a floating-point default, and what to feed instead.

    Flags keep their default, training is random; so do indices, of which few are right.
    """
    defaults = {str(v.name): v.const_value.numpy() for v in model.graph.inputs if v.const_value is not None}
    return {k: np.asarray(a * 0.5 + 0.25, a.dtype) for k, a in defaults.items() if np.issubdtype(a.dtype, np.floating)}


@pytest.mark.parametrize("name", [name for name in AWKWARD if replaceable(build(name))])
def test_the_defaults_of_overridable_inputs_are_not_built_in(name: str) -> None:
    """What the caller may replace still counts when it is replaced."""
    model = build(name)
    feeds, replaced = feeds_of(model), replaceable(model)
    expected = run(model, feeds | replaced)
    exact = model.clone()
    for each in recipe("a8w8"):
        if isinstance(each, DecideQuantization):
            break
        each(exact)
    assert_same(expected, run(exact, feeds | replaced))
    compiled = model.clone()
    for each in recipe("w8"):
        each(compiled)
    for key, array in run(compiled, feeds | replaced).items():
        assert_within(expected[key], array, 0.05 * float(np.abs(expected[key]).max()), name=key)
