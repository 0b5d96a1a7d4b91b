"""Options of quantization, one for each field of `Policy`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option

__all__ = ["QuantizeOptions"]

QUANTIZE = "Quantization"
PRUNE = "Pruning"


@dataclass(frozen=True, kw_only=True, slots=True)
class QuantizeOptions:
    """How the model becomes small."""

    scheme: Annotated[
        str | None,
        Option(
            "--scheme", "--precision",
            metavar="NAME",
            help="a8w8 (int8), a8w4, a16w8, a16w4, a6w6, a5w5, a4w8, a4w4, a3w3, a2w2, d8w8 (dynamic int8), w8, w4, "
            "w3, w2, nf4, fp4, w2e8, w2h, w8f (weights only), fp8, fp16, bf16, float (fp32), auto: follows the data.",
            rich_help_panel=QUANTIZE,
        ),
    ] = None  # fmt: skip
    per_channel: Annotated[
        bool | None,
        Option(
            "--per-channel/--no-per-channel",
            help="One weight scale per output channel, or one per weight; else per channel.",
            show_default=False,
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    recurrent: Annotated[
        str | None,
        Option(
            "--recurrent",
            metavar="NAME",
            help="LSTMs: float, or dynamic: integers, ranges taken at every step, 2 to 5 times faster and coarser.",
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    kv_cache: Annotated[
        str | None,
        Option(
            "--kv-cache",
            metavar="NAME",
            help="Decoders: keep keys and values in float, or in int8, a quarter of the memory; else float.",
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    block_size: Annotated[
        int | None,
        Option(
            "--block-size",
            metavar="N",
            help="Elements that share a scale of few-bit weights; else 128, 32 on Snapdragon and among integers.",
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    zero_points: Annotated[
        bool | None,
        Option(
            "--zero-points/--no-zero-points", "--asymmetric/--symmetric",
            help="Weights stored alone have a zero point in every block.",
            show_default=False,
            rich_help_panel=QUANTIZE,
        ),
    ] = None  # fmt: skip
    double_scales: Annotated[
        bool | None,
        Option(
            "--double-scales/--no-double-scales",
            help="Scales of nf4 and fp4 are stored in eight bits, too.",
            show_default=False,
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    product_tables: Annotated[
        int | None,
        Option(
            "--product-tables",
            metavar="N",
            help="Store embeddings as codes of their parts: one byte for N numbers, 4 or 8, say.",
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    keep: Annotated[
        list[str] | None,
        Option(
            "--keep",
            metavar="ROLE=FORM,...",
            help="Another form for weights stored alone of a role (embedding, attention, lm_head, mlp, conv, "
            "recurrent): float, fp16, int8, int4, int3, int2.",
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    target_bpw: Annotated[
        float | None,
        Option(
            "--target-bpw",
            metavar="BITS",
            help="Weights stored alone: 2 to 8 bits each by what they lose, so many on average, scales included.",
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    fit_bits: Annotated[
        bool | None,
        Option(
            "--fit-bits/--no-fit-bits",
            help="Bits of weights stored alone as the limits ask: the fewest that keep accuracy, or as many as "
            "--max-size holds.",
            show_default=False,
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    weight_form: Annotated[
        str | None,
        Option(
            "--weight-form",
            metavar="NAME",
            help="Weights stored alone: packed (multiplied as stored), folded (expanded at load), standard (operators "
            "of ONNX alone), bnb4 (nf4 for MatMulBnb4), auto: packed where that is no slower than float.",
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    long_inputs: Annotated[
        bool | None,
        Option(
            "--long-inputs/--no-long-inputs",
            help="Weights multiplied as stored are kept in int8, too, which inputs of 16 rows and more take.",
            show_default=False,
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    reduce_range: Annotated[
        bool | None,
        Option(
            "--reduce-range/--no-reduce-range",
            help="7-bit weights; else as the target needs.",
            show_default=False,
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    reduce_range_auto: Annotated[
        bool | None,
        Option(
            "--reduce-range-auto",
            help="7-bit weights in just those layers that saturate on the target, seen on calibration samples.",
            show_default=False,
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    reduce_range_nodes: Annotated[
        list[str] | None,
        Option(
            "--reduce-range-node",
            metavar="REGEX",
            help="7-bit weights for nodes whose name matches, 8 bits for the others; may be repeated.",
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    calibration_method: Annotated[
        str | None,
        Option(
            "--calibration-method", "--calibrate-method",
            metavar="NAME",
            help="Ranges: minmax, moving-average, percentile, entropy, mse, sqnr; auto: the least error.",
            rich_help_panel=QUANTIZE,
        ),
    ] = None  # fmt: skip
    percentile: Annotated[
        float | None,
        Option("--percentile", metavar="P", help="For percentile; else 99.99.", rich_help_panel=QUANTIZE),
    ] = None
    ranges: Annotated[
        list[str] | None,
        Option(
            "--range",
            metavar="VALUE=LOW:HIGH",
            help="Use this range for a value instead of the measured one; may be repeated.",
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    split_concats: Annotated[
        list[str] | None,
        Option(
            "--split-concat",
            metavar="REGEX",
            help="Let what reads a Concat of this name read each operand at its own scale; may be repeated.",
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    equalize: Annotated[
        bool | None,
        Option(
            "--equalize/--no-equalize",
            help="Equalize weight ranges across layers, and absorb high biases.",
            show_default=False,
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    balance: Annotated[
        bool | None,
        Option(
            "--balance/--no-balance",
            help="Scale channels across layers for the least noise of activations and weights together.",
            show_default=False,
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    smooth: Annotated[
        str | None,
        Option("--smooth", metavar="ALPHA", help="SmoothQuant: off, auto, or α from 0 to 1.", rich_help_panel=QUANTIZE),
    ] = None
    rotate: Annotated[
        bool | None,
        Option(
            "--rotate/--no-rotate",
            help="Rotate the hidden states of pre-norm transformers and the values of heads: no channel stands out.",
            show_default=False,
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    awq: Annotated[
        bool | None,
        Option(
            "--awq/--no-awq",
            help="AWQ: scale weights stored alone by the activations they meet; clip those rounded to the nearest.",
            show_default=False,
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    clip_weights: Annotated[
        bool | None,
        Option(
            "--clip-weights/--no-clip-weights",
            help="Search the clipping of every weight channel.",
            show_default=False,
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    rounding: Annotated[
        str | None,
        Option(
            "--rounding",
            metavar="NAME",
            help="Weights: nearest, gptq, adaround (learned); stored alone also weighted, clipped, hqq, gptq-in-order.",
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    in_turn: Annotated[
        bool | None,
        Option(
            "--in-turn/--no-in-turn",
            help="Round weights stored alone layer after layer, under what rounded layers before them give.",
            show_default=False,
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    bias_correction: Annotated[
        str | None,
        Option("--bias-correction", metavar="NAME", help="off, fast or sequential.", rich_help_panel=QUANTIZE),
    ] = None
    exclude_nodes: Annotated[
        list[str] | None,
        Option(
            "--exclude-nodes", "--nodes-to-exclude",
            metavar="REGEX",
            help="Nodes whose name matches stay float; may be repeated.",
            rich_help_panel=QUANTIZE,
        ),
    ] = None  # fmt: skip
    op_types_to_quantize: Annotated[
        list[str] | None,
        Option(
            "--op-types-to-quantize",
            metavar="OP,OP,...",
            help="The only operators with MACs to quantize.",
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    op_types_to_exclude: Annotated[
        list[str] | None,
        Option(
            "--op-types-to-exclude", metavar="OP,OP,...", help="Operators that stay float.", rich_help_panel=QUANTIZE
        ),
    ] = None
    search: Annotated[
        bool | None,
        Option(
            "--search/--no-search",
            help="Keep nodes in float where integers lose too much, or cost time; or ship what the options say.",
            show_default=False,
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    recipe: Annotated[
        Path | None,
        Option(
            "--recipe",
            metavar="FILE",
            help="Replay a recipe.lock, or that of a bundle, instead of the target's passes.",
            rich_help_panel=QUANTIZE,
        ),
    ] = None
    prune_channels: Annotated[
        str | None,
        Option(
            "--prune-channels",
            metavar="SHARE",
            help="First leave channels out, until this share of the MACs is gone: 30%; others make up for them.",
            rich_help_panel=PRUNE,
        ),
    ] = None
    prune_heads: Annotated[
        str | None,
        Option("--prune-heads", metavar="SHARE", help="The same with heads of attention.", rich_help_panel=PRUNE),
    ] = None
    prune_layers: Annotated[
        str | None,
        Option("--prune-layers", metavar="SHARE", help="The same with whole residual layers.", rich_help_panel=PRUNE),
    ] = None
    prune_budget: Annotated[
        str | None,
        Option(
            "--prune-budget",
            metavar="NAME",
            help="Shares are of macs, or of parameters; else of macs.",
            rich_help_panel=PRUNE,
        ),
    ] = None
    prune_by: Annotated[
        str | None,
        Option(
            "--prune-by",
            metavar="NAME",
            help="What goes: reconstruction (what is made up for best on samples), or magnitude, which needs none.",
            rich_help_panel=PRUNE,
        ),
    ] = None
    prune_exclude: Annotated[
        list[str] | None,
        Option(
            "--prune-exclude",
            metavar="REGEX",
            help="Nodes that keep their channels, layers and weights; may be repeated.",
            rich_help_panel=PRUNE,
        ),
    ] = None
    sparsity: Annotated[
        str | None,
        Option(
            "--sparsity",
            metavar="N:M|SHARE",
            help="Make weights 0: 2 of every 4 (2:4), or a share (50%); they stay 0 however they are stored.",
            rich_help_panel=PRUNE,
        ),
    ] = None
    sparsity_by: Annotated[
        str | None,
        Option(
            "--sparsity-by",
            metavar="NAME",
            help="Which weights: sparsegpt, wanda, or magnitude, which needs no samples.",
            rich_help_panel=PRUNE,
        ),
    ] = None
