"""Policy of the CPU targets: which passes run, in which order. Read it aloud."""

from __future__ import annotations

from dataclasses import replace

from ...passes.base import Pass
from ...passes.codebook.product_tables import ProductTables
from ...passes.codebook.round_float8 import RoundFloat8
from ...passes.fuse.attention import FuseAttention
from ...passes.fuse.pack_gates import PackGates
from ...passes.fuse.pack_queries import PackQueries
from ...passes.fuse.rms_norm import FuseRmsNorm
from ...passes.fuse.rotary import FuseRotary
from ...passes.lower.drop_shapes import DropShapes
from ...passes.lower.drop_traces import DropTraces
from ...passes.lower.keep_float import KeepFloat
from ...passes.lower.keep_pads_apart import KeepPadsApart
from ...passes.lower.limit_codes import LimitCodes
from ...passes.lower.min_integers import MinIntegers
from ...passes.lower.pad_integers import PadIntegers
from ...passes.lower.part_groups import PartGroups
from ...passes.lower.prelu_to_max import PReluToMax
from ...passes.lower.share_constants import ShareConstants
from ...passes.lower.spell_axes import SpellAxes
from ...passes.lower.split_clamps import SplitClamps
from ...passes.lower.stamp import Stamp
from ...passes.lower.trim_channels import TrimChannels
from ...passes.normalize.drop_identity import DropIdentity
from ...passes.normalize.fold_constants import FoldConstants
from ...passes.normalize.fuse_conv_bn import FuseConvBn
from ...passes.normalize.remove_unused import RemoveUnused
from ...passes.prepare.align_channels import AlignChannels
from ...passes.prepare.constant_second import ConstantSecond
from ...passes.prepare.dense_groups import DenseGroups
from ...passes.prepare.full_pads import FullPads
from ...passes.prepare.matmul_add_to_gemm import MatMulAddToGemm
from ...passes.prepare.pointwise_conv_to_gemm import PointwiseConvToGemm
from ...passes.prepare.prelu_to_leaky_relu import PReluToLeakyRelu
from ...passes.prepare.reduce_mean_to_pool import ReduceMeanToPool
from ...passes.prepare.split_concats import SplitConcats
from ...passes.prepare.split_to_slices import SplitToSlices
from ...passes.prepare.sum_to_add import SumToAdd
from ...passes.prepare.widen_outputs import WidenOutputs
from ...passes.quantize.absorb_clamps import AbsorbClamps
from ...passes.quantize.compute_params import ComputeParams
from ...passes.quantize.decide import DecideQuantization
from ...passes.quantize.dynamic import DynamicQuantization
from ...passes.quantize.dynamic_lstm import DynamicLstm
from ...passes.quantize.insert_qdq import InsertQdq
from ...passes.quantize.quantize_cache import QuantizeCache
from ...passes.quantize.set_ranges import SetRanges
from ...passes.recipe import Recipe
from ...passes.rewrite.absorb_bias import AbsorbHighBias
from ...passes.rewrite.balance import BalanceChannels
from ...passes.rewrite.clip_weights import ClipWeights
from ...passes.rewrite.equalize import EqualizeChannels
from ...passes.rewrite.mute import MuteChannels
from ...passes.rewrite.rotate import RotateHidden
from ...passes.rewrite.smooth import SmoothQuant
from ...passes.round.correct_bias import CorrectBias
from ...passes.round.correct_bias_in_turn import CorrectBiasInTurn
from ...passes.round.own_biases import OwnBiases
from ...passes.round.round_weights import RoundWeights
from ...passes.spec import OpRule, PerAxis, PerTensor
from ...passes.weight_only.choose_once import ChooseOnce
from ...passes.weight_only.compact_weights import CompactWeights
from ...passes.weight_only.expand_dequantized import ExpandDequantized
from ...passes.weight_only.half_weights import HalfWeights
from ...passes.weight_only.long_inputs import LongInputs
from ...passes.weight_only.narrow_integers import NarrowIntegers
from ...passes.weight_only.widen_codes import WidenCodes
from ..policy import NARROW_SCHEMES, STATIC_SCHEMES, WEIGHTS_ALONE, Policy, widths
from ..spec import TargetSpec
from .kinds import of_widths
from .weights import weights_alone

__all__ = ["recipe"]

# What reads no newer operator set is ONNX Runtime 1.21 or older, which has defects of its own.
_OLD = 22
# Elements from which on a PRelu without branches is faster, whatever its slopes.
_BRANCHES = 8192
# Elements that share a scale of 4-bit weights of float kernels among integer ones.
_BLOCK = 32
# Where joining groups was measured to pay: VNNI multiplies 30 times as many int8 as a grouped float Conv does floats.
_CHEAP_PRODUCTS = "x86_64+vnni"
# Kernels of so many pixels are slower with pads of their own.
_LARGE_KERNEL = 100
# Groups up to which that holds.
_JOINED = 16


def recipe(
    target: TargetSpec,
    policy: Policy,
    *,
    align: bool = True,
    first: tuple[Pass, ...] = (),
    last: tuple[Pass, ...] = (),
) -> Recipe:
    """The passes for a CPU target under a policy.

    Args:
        target: The target.
        policy: What the user asked for.
        align: The graph is fitted to MLAS' kernels: channels padded to their width, PRelu without branches.
        first: What a relative of these targets wants done before everything.
        last: What it wants done to the finished graph.
    """
    passes: tuple[Pass, ...] = first + normalize() + prepare() + product_tables(policy)
    passes += fused(target, policy)
    activations, weights = widths(policy.scheme)
    bent = tuple(bend(rule, policy) for rule in target.rules)
    rules = tuple(of_widths(rule, activations=activations, weights=weights) for rule in bent)
    # Of 8 bits, whatever the scheme: what is multiplied in int8 beside it saturates as well.
    reduced = any(rule.weights is not None and rule.weights.reduce_range for rule in bent)
    nodes, ops, only = policy.exclude_nodes, policy.exclude_ops, policy.only_ops
    compact = CompactWeights(
        dtype="int4" if weights <= 4 else "int8",
        block_size=policy.block(_BLOCK) if weights <= 4 else _BLOCK,
        per_channel=policy.per_channel,
        exclude_nodes=nodes,
        exclude_ops=ops,
        only_ops=only,
        float_nodes=policy.float_weights,
    )
    match policy.scheme:
        case scheme if scheme in STATIC_SCHEMES:
            decide = DecideQuantization(
                rules=rules,
                exclude_nodes=nodes,
                exclude_ops=ops,
                only_ops=only,
                float_nodes=policy.float_nodes,
                reduce_range_nodes=policy.reduce_range_nodes,
            )
            dense = target.isa == _CHEAP_PRODUCTS
            passes += rewrites(policy) + static(policy, decide, align=align and activations <= 8, dense=dense)
        case "d8w8":
            dynamic = DynamicQuantization(
                per_channel=policy.per_channel,
                reduce_range=reduced,
                reduce_range_nodes=policy.reduce_range_nodes,
                exclude_nodes=nodes,
                exclude_ops=ops,
                only_ops=only,
            )
            passes += (dynamic,)
    if policy.recurrent == "dynamic" and policy.scheme in (*STATIC_SCHEMES, "d8w8"):
        passes += (
            DynamicLstm(
                reduce_range=reduced,
                exclude_nodes=nodes,
                exclude_ops=ops,
                only_ops=only,
            ),
        )
    match policy.scheme:
        case "fp16" | "bf16":
            half = "float16" if policy.scheme == "fp16" else "bfloat16"
            passes += (HalfWeights(dtype=half, exclude_nodes=nodes, exclude_ops=ops, only_ops=only), NarrowIntegers())
        case "w8f" | "fp8":
            rounded = RoundFloat8(exclude_nodes=nodes, exclude_ops=ops, only_ops=only, float_nodes=policy.float_nodes)
            activations_too: tuple[Pass, ...] = (rounded,) if policy.scheme == "fp8" else ()
            passes += (*activations_too, replace(compact, dtype="float8e4m3fn"), NarrowIntegers())
        case "a16w8" | "a16w4":
            passes += (ExpandDequantized(), KeepFloat(), compact, NarrowIntegers())
        case scheme if scheme in STATIC_SCHEMES:
            widen = (WidenCodes(),) if weights <= 4 else ()
            passes += (KeepFloat(), *widen, compact, NarrowIntegers())
        case "d8w8":
            passes += (compact, NarrowIntegers())
        case scheme if scheme in WEIGHTS_ALONE:
            passes += rewrites(policy) + weights_alone(target, policy)
    if align:
        passes += (PReluToMax(least=_BRANCHES),)
    # Where MLAS has blocked kernels; behind what drops empty inputs at a node's end.
    blocked = target.isa.startswith("x86_64")
    pads: tuple[Pass, ...] = (KeepPadsApart(taps=_LARGE_KERNEL),) if blocked else ()
    # Behind everything that observes: what comes in is of another type afterwards.
    cache: tuple[Pass, ...] = (QuantizeCache(),) if policy.kv_cache == "int8" else ()
    if target.family == "cpu":
        cache += (PackQueries(), PackGates())
    # Behind what puts matrices side by side.
    cache += (LongInputs(reduce_range=reduced),) if policy.long_inputs else ()
    if target.max_opset <= _OLD:
        last = (SpellAxes(), *last)
    # Behind all that looks at nodes of the main graph alone.
    pads += (ChooseOnce(),) if policy.long_inputs else ()
    stamp = Stamp(target=target.name, scheme=policy.scheme, max_ir_version=target.max_ir_version)
    return Recipe(
        scheme=policy.scheme,
        passes=(*passes, *cache, *last, RemoveUnused(), *pads, ShareConstants(), DropTraces(), DropShapes(), stamp),
    )


def fused(target: TargetSpec, policy: Policy) -> tuple[Pass, ...]:
    """What decoders are written with, as operators that this runtime has kernels for."""
    norms: tuple[Pass, ...] = (FuseRmsNorm(),) if target.family == "cpu" else ()
    # Where activations are integers, the products of an attention are too; what they were fused into would be float.
    whole = policy.scheme in (*STATIC_SCHEMES, "d8w8", "fp8")
    if whole or target.family not in ("cpu", "web") or target.max_opset <= _OLD:
        return norms
    return (FuseRotary(), FuseAttention(), *norms)


def normalize() -> tuple[Pass, ...]:
    """Exact rewrites good for everyone."""
    return (DropIdentity(), FoldConstants(), FuseConvBn(), RemoveUnused())


def prepare() -> tuple[Pass, ...]:
    """Exact rewrites this runtime wants before anything is measured."""
    return (
        ReduceMeanToPool(),
        SumToAdd(),
        PReluToLeakyRelu(),
        SplitToSlices(),
        FullPads(),
        PointwiseConvToGemm(),
        MatMulAddToGemm(),
        RemoveUnused(),
    )


def product_tables(policy: Policy) -> tuple[Pass, ...]:
    """Embeddings as codes of their parts, where that is asked for."""
    if not policy.product_tables:
        return ()
    return (
        ProductTables(
            length=policy.product_tables,
            exclude_nodes=policy.exclude_nodes,
            exclude_ops=policy.exclude_ops,
            only_ops=policy.only_ops,
            float_nodes=policy.float_weights,
        ),
    )


def rewrites(policy: Policy) -> tuple[Pass, ...]:
    """Exact rewrites into numbers that quantize better, as far as the policy asks for them."""
    split: tuple[Pass, ...] = (SplitConcats(concats=policy.split_concats),) if policy.split_concats else ()
    equalize: tuple[Pass, ...] = (MuteChannels(), EqualizeChannels(), AbsorbHighBias()) if policy.equalize else ()
    rotated: tuple[Pass, ...] = (RotateHidden(),) if policy.rotate else ()
    return split + rotated + equalize + balance(policy) + smooth(policy)


def balance(policy: Policy) -> tuple[Pass, ...]:
    """Factors across layers, for the widths of the scheme."""
    if not policy.balance:
        return ()
    activations, weights = widths(policy.scheme)
    return (BalanceChannels(activation_bits=activations, weight_bits=weights, per_channel=policy.per_channel),)


def smooth(policy: Policy) -> tuple[Pass, ...]:
    """SmoothQuant, its alpha searched or given."""
    if policy.smooth == "off":
        return ()
    activations, weights = widths(policy.scheme)
    alpha = None if policy.smooth == "auto" else float(policy.smooth)
    return (SmoothQuant(alpha=alpha, activation_bits=activations, weight_bits=weights, per_channel=policy.per_channel),)


def static(policy: Policy, decide: DecideQuantization, *, align: bool, dense: bool = False) -> tuple[Pass, ...]:
    """Fit the kernels, decide, measure (ComputeParams needs it), compute, round, apply, correct.

    Args:
        policy: What the user asked for.
        decide: Decides what runs in integers.
        align: Channels are padded to the width of MLAS' kernels.
        dense: Products with zeros are cheap enough to join groups of few filters.
    """
    fit: tuple[Pass, ...] = ()
    undo: tuple[Pass, ...] = ()
    if align:
        fit = (
            ConstantSecond(rows=32),
            *((DenseGroups(most=_JOINED, filters=16),) if dense else ()),
            WidenOutputs(multiple=4, least=16, depthwise=16),
            AlignChannels(inputs=4, depthwise=16),
        )
        undo = (TrimChannels(), *((PartGroups(most=_JOINED),) if dense else ()))
    params = ComputeParams(method=policy.calibration_method, percentile=policy.percentile)
    compute = (params, *ranges(policy), *clip(policy), *rounding(policy))
    insert = (InsertQdq(), *((LimitCodes(),) if policy.scheme in NARROW_SCHEMES else ()))
    apply = (*undo, *in_turn(policy), MinIntegers(), AbsorbClamps(), PadIntegers(), SplitClamps())
    return (*fit, decide, *compute, *insert, *apply)


def ranges(policy: Policy) -> tuple[Pass, ...]:
    """Ranges that somebody knows better than the samples."""
    return (SetRanges(ranges=policy.ranges),) if policy.ranges else ()


def clip(policy: Policy) -> tuple[Pass, ...]:
    """Smaller ranges of weights, where their layer's output loses less."""
    return (ClipWeights(),) if policy.clip_weights else ()


def rounding(policy: Policy) -> tuple[Pass, ...]:
    """Choose the integers of weights by what their layer's output loses; correct biases for what is left."""
    chosen: tuple[Pass, ...] = () if policy.rounding == "nearest" else (RoundWeights(method=policy.rounding),)
    corrections: dict[str, tuple[Pass, ...]] = {"off": (), "fast": (CorrectBias(),), "sequential": (OwnBiases(),)}
    return chosen + corrections[policy.bias_correction]


def in_turn(policy: Policy) -> tuple[Pass, ...]:
    """What is corrected layer after layer, in the quantized model."""
    return (CorrectBiasInTurn(),) if policy.bias_correction == "sequential" else ()


def bend(rule: OpRule, policy: Policy) -> OpRule:
    """The rule under the user's wishes for weights: one scale, or 7 bits."""
    weights = rule.weights
    if weights is None or not isinstance(weights.granularity, PerAxis):
        return rule  # the constant operand of an Add or Mul is quantized as an activation is
    if not policy.per_channel:
        weights = replace(weights, granularity=PerTensor())
    if policy.reduce_range is not None:
        weights = replace(weights, reduce_range=policy.reduce_range)
    return replace(rule, weights=weights)
