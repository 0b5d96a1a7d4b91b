"""Every class a recipe may name."""

from __future__ import annotations

from typing import Any

from .codebook.pack_bnb4 import PackBnb4
from .codebook.pack_incoherent import PackIncoherent
from .codebook.product_tables import ProductTables
from .codebook.round_float8 import RoundFloat8
from .codebook.round_incoherent import RoundIncoherent
from .codebook.round_levels import RoundLevels
from .fuse.attention import FuseAttention
from .fuse.pack_gates import PackGates
from .fuse.pack_queries import PackQueries
from .fuse.rms_norm import FuseRmsNorm
from .fuse.rotary import FuseRotary
from .lower.beyond_half import FindBeyondHalf
from .lower.clip_before_strides import ClipBeforeStrides
from .lower.compute_in_half import ComputeInHalf
from .lower.dequantize_bytes import DequantizeBytes
from .lower.drop_shapes import DropShapes
from .lower.drop_traces import DropTraces
from .lower.halve_between import HalveBetween
from .lower.hold_apart import HoldApart
from .lower.keep_clamps_apart import KeepClampsApart
from .lower.keep_float import KeepFloat
from .lower.keep_off_xnnpack import KeepOffXnnpack
from .lower.keep_pads_apart import KeepPadsApart
from .lower.lend_constants import LendConstants
from .lower.limit_codes import LimitCodes
from .lower.min_integers import MinIntegers
from .lower.pad_integers import PadIntegers
from .lower.part_clamps import PartClamps
from .lower.part_groups import PartGroups
from .lower.part_half_biases import PartHalfBiases
from .lower.part_inputs import PartInputs
from .lower.part_scales import PartScales
from .lower.prelu_to_max import PReluToMax
from .lower.quantize_before_pad import QuantizeBeforePad
from .lower.share_constants import ShareConstants
from .lower.spell_axes import SpellAxes
from .lower.split_clamps import SplitClamps
from .lower.squeeze_sums import SqueezeSums
from .lower.stamp import Stamp
from .lower.stop_transposes import StopTransposes
from .lower.sum_unrounded import SumUnrounded
from .lower.trim_channels import TrimChannels
from .normalize.drop_identity import DropIdentity
from .normalize.fold_constants import FoldConstants
from .normalize.fold_shapes import FoldShapes
from .normalize.fuse_conv_bn import FuseConvBn
from .normalize.remove_unused import RemoveUnused
from .prepare.align_channels import AlignChannels
from .prepare.constant_second import ConstantSecond
from .prepare.dense_groups import DenseGroups
from .prepare.expand_to_tile import ExpandToTile
from .prepare.explicit_pads import ExplicitPads
from .prepare.flatten_to_reshape import FlattenToReshape
from .prepare.full_pads import FullPads
from .prepare.fuse_gelu import FuseGelu
from .prepare.gemm_to_matmul import GemmToMatMul
from .prepare.matmul_add_to_gemm import MatMulAddToGemm
from .prepare.part_group_norm import PartGroupNorm
from .prepare.plain_gemms import PlainGemms
from .prepare.pointwise_conv_to_gemm import PointwiseConvToGemm
from .prepare.pool_as_image import PoolAsImage
from .prepare.prelu_to_leaky_relu import PReluToLeakyRelu
from .prepare.reduce_mean_to_pool import ReduceMeanToPool
from .prepare.slopes_per_channel import SlopesPerChannel
from .prepare.spell_operators import SpellOperators
from .prepare.spell_smaller import SpellSmaller
from .prepare.split_concats import SplitConcats
from .prepare.split_to_slices import SplitToSlices
from .prepare.sum_to_add import SumToAdd
from .prepare.whole_resizes import WholeResizes
from .prepare.widen_outputs import WidenOutputs
from .prepare.window_pools import WindowPools
from .prepare.within_half import WithinHalf
from .prune.channels import PruneChannels
from .prune.layers import PruneLayers
from .prune.weights import PruneWeights
from .quantize.absorb_clamps import AbsorbClamps
from .quantize.code_scales import CodeScales
from .quantize.compute_params import ComputeParams
from .quantize.decide import DecideQuantization
from .quantize.decide_blocks import DecideBlocks
from .quantize.dynamic import DynamicQuantization
from .quantize.dynamic_lstm import DynamicLstm
from .quantize.insert_qdq import InsertQdq
from .quantize.learned_params import LearnedParams
from .quantize.quantize_cache import QuantizeCache
from .quantize.set_ranges import SetRanges
from .rewrite.absorb_bias import AbsorbHighBias
from .rewrite.activation_aware import ActivationAware
from .rewrite.balance import BalanceChannels
from .rewrite.clip_weights import ClipWeights
from .rewrite.equalize import EqualizeChannels
from .rewrite.mute import MuteChannels
from .rewrite.rotate import RotateHidden
from .rewrite.smooth import SmoothQuant
from .round.correct_bias import CorrectBias
from .round.correct_bias_in_turn import CorrectBiasInTurn
from .round.own_biases import OwnBiases
from .round.round_weights import RoundWeights
from .spec import Fixed, Given, OpRule, PerAxis, PerBlock, PerTensor, QuantSpec, Shared
from .weight_only.choose_once import ChooseOnce
from .weight_only.compact_weights import CompactWeights
from .weight_only.decide_storage import DecideStorage
from .weight_only.dequantize_blocks import DequantizeBlocks
from .weight_only.expand_blocks import ExpandBlocks
from .weight_only.expand_dequantized import ExpandDequantized
from .weight_only.gather_blocks import GatherBlocks
from .weight_only.half_weights import HalfWeights
from .weight_only.long_inputs import LongInputs
from .weight_only.mix_bits import MixBits
from .weight_only.narrow_integers import NarrowIntegers
from .weight_only.pack_products import PackProducts
from .weight_only.round_blocks import RoundBlocks
from .weight_only.round_in_turn import RoundInTurn
from .weight_only.widen_codes import WidenCodes

__all__ = ["KINDS", "PASSES"]

PASSES: tuple[type[Any], ...] = (
    DropIdentity,
    FoldConstants,
    FoldShapes,
    FuseConvBn,
    RemoveUnused,
    PruneLayers,
    PruneChannels,
    PruneWeights,
    FuseGelu,
    FuseAttention,
    FuseRmsNorm,
    FuseRotary,
    WithinHalf,
    ReduceMeanToPool,
    WindowPools,
    PlainGemms,
    SplitToSlices,
    SumToAdd,
    SpellOperators,
    SpellSmaller,
    FlattenToReshape,
    ExpandToTile,
    SlopesPerChannel,
    PoolAsImage,
    WholeResizes,
    PReluToLeakyRelu,
    ExplicitPads,
    FullPads,
    PartGroupNorm,
    PointwiseConvToGemm,
    MatMulAddToGemm,
    GemmToMatMul,
    MuteChannels,
    BalanceChannels,
    EqualizeChannels,
    AbsorbHighBias,
    RotateHidden,
    SmoothQuant,
    ActivationAware,
    SplitConcats,
    ConstantSecond,
    DenseGroups,
    WidenOutputs,
    AlignChannels,
    DecideQuantization,
    DecideBlocks,
    ComputeParams,
    LearnedParams,
    CodeScales,
    ClipWeights,
    RoundWeights,
    CorrectBias,
    OwnBiases,
    SetRanges,
    InsertQdq,
    LimitCodes,
    CorrectBiasInTurn,
    AbsorbClamps,
    KeepFloat,
    KeepClampsApart,
    KeepOffXnnpack,
    KeepPadsApart,
    LendConstants,
    SpellAxes,
    PartClamps,
    HoldApart,
    HalveBetween,
    PartInputs,
    PartScales,
    PartGroups,
    PartHalfBiases,
    QuantizeBeforePad,
    StopTransposes,
    SqueezeSums,
    SumUnrounded,
    TrimChannels,
    MinIntegers,
    PadIntegers,
    SplitClamps,
    PReluToMax,
    DynamicQuantization,
    DynamicLstm,
    QuantizeCache,
    PackQueries,
    PackGates,
    ProductTables,
    RoundFloat8,
    CompactWeights,
    ExpandDequantized,
    HalfWeights,
    FindBeyondHalf,
    ClipBeforeStrides,
    ComputeInHalf,
    NarrowIntegers,
    DecideStorage,
    RoundIncoherent,
    PackIncoherent,
    PackBnb4,
    MixBits,
    RoundInTurn,
    RoundBlocks,
    RoundLevels,
    PackProducts,
    LongInputs,
    ChooseOnce,
    GatherBlocks,
    ExpandBlocks,
    DequantizeBlocks,
    WidenCodes,
    ShareConstants,
    DropTraces,
    DequantizeBytes,
    DropShapes,
    Stamp,
)

_VALUES: tuple[type[Any], ...] = (OpRule, QuantSpec, Given, Fixed, Shared, PerTensor, PerAxis, PerBlock)

KINDS: dict[str, type[Any]] = {each.__name__: each for each in (*PASSES, *_VALUES)}
