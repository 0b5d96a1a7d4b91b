"""What the user may bend of a target's pipeline."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import OptionError
from ..passes.prune.pattern import read_pattern, read_share
from ..passes.quantize.set_ranges import read_range
from ..passes.weight_only.decide_storage import read_keep

__all__ = [
    "BIAS_CORRECTIONS",
    "BLOCK_ROUNDINGS",
    "BLOCK_SCHEMES",
    "CALIBRATION_METHODS",
    "CODEBOOKS",
    "FLOAT8",
    "KV_CACHES",
    "MASKS",
    "MEASURED_CODEBOOKS",
    "MEASURED_ROUNDINGS",
    "NARROW_SCHEMES",
    "PRUNE_BUDGETS",
    "PRUNE_MEASURES",
    "RECURRENT",
    "ROUNDINGS",
    "SCHEMES",
    "STATIC_SCHEMES",
    "WEIGHTS_ALONE",
    "WEIGHT_FORMS",
    "Policy",
    "widths",
]

# Codes of so few bits that they want quantization-aware training; they run in the 8-bit kernels of CPUs.
NARROW_SCHEMES = ("a6w6", "a5w5", "a4w8", "a4w4", "a3w3", "a2w2")
STATIC_SCHEMES = ("a8w8", "a8w4", "a16w8", "a16w4", *NARROW_SCHEMES)
# Codebooks by the bits of a weight: sixteen levels; behind a change of the inputs, E8's points and four levels.
CODEBOOKS = {"nf4": 4, "fp4": 4, "w2e8": 2, "w2h": 2}
# Those that are rounded by what they are multiplied with.
MEASURED_CODEBOOKS = ("w2e8", "w2h")
BLOCK_SCHEMES = ("w8", "w4", "w3", "w2")
WEIGHTS_ALONE = (*BLOCK_SCHEMES, *CODEBOOKS)
# Eight bits of floating point: of weights; of activations, too.
FLOAT8 = ("w8f", "fp8")
SCHEMES = ("auto", *STATIC_SCHEMES, "d8w8", *WEIGHTS_ALONE, *FLOAT8, "fp16", "bf16", "float")
CALIBRATION_METHODS = ("auto", "minmax", "moving-average", "percentile", "entropy", "mse", "sqnr")
ROUNDINGS = ("nearest", "gptq", "adaround")
# Of weights stored alone; what goes by samples among them.
BLOCK_ROUNDINGS = ("nearest", "hqq", "weighted", "clipped", "gptq", "gptq-in-order", "adaround")
MEASURED_ROUNDINGS = ("weighted", "clipped", "gptq", "gptq-in-order", "adaround")
WEIGHT_FORMS = ("auto", "packed", "folded", "standard", "bnb4")
RECURRENT = ("float", "dynamic")
KV_CACHES = ("float", "int8")
PRUNE_BUDGETS = ("macs", "parameters")
PRUNE_MEASURES = ("auto", "reconstruction", "magnitude")
MASKS = ("auto", "sparsegpt", "wanda", "magnitude")
BIAS_CORRECTIONS = ("off", "fast", "sequential")


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What the user may bend; a search bends it further, node by node.

    Attributes:
        scheme: `a8w8` static int8, `a8w4`, `a16w8`, `a16w4` static in other widths, `a6w6`, `a5w5`, `a4w8`, `a4w4`,
            `a3w3`, `a2w2` codes of fewer bits in 8-bit kernels (CPUs), `d8w8` dynamic int8, `w8`, `w4`, `w3`, `w2`,
            `nf4`, `fp4`, `w2e8`, `w2h`, `w8f` (E4M3), `fp16`, `bf16` stored weights only, `fp8` E4M3 weights and
            activations, computed in float, `float` none;
            `auto` is a8w8 with calibration data, else d8w8 or w8 by where the MACs are.
        exclude_nodes: Regular expressions over node names that stay float.
        exclude_ops, only_ops: Operator types that stay float; the only ones quantized.
        float_nodes: Names of nodes that stay float, as the target's exact rewrites leave them: what a search chose.
        wide_nodes: Names of nodes with 16-bit activations where the others have 8: what a search chose.
        float_weights: Names of those among them whose weights are not stored in few bits either.
        per_channel: Weights have a scale per output channel.
        recurrent: LSTMs compute in `float`, or in integers with ranges taken at every step (`dynamic`): 2 to 5 times
            faster from 128 cells on, and 33 to 38 dB from float.
        kv_cache: Decoders keep keys and values in `float`, or in `int8` with a scale per channel, observed: a quarter
            of the memory.
        block_size: Elements that share a scale: of weights stored alone, of 4-bit weights stored for float kernels,
            and of those of matrices whose integer kernel takes blocks (QNN); None is what suits the kernels there.
        zero_points: Weights stored alone have a zero point in every block, not the middle of the codes.
        double_scales: Scales of nf4 and fp4 are stored in eight bits (QLoRA's double quantization).
        product_tables: Numbers of an embedding that one byte stands for (product quantization); 0 stores tables as
            the scheme says.
        keep: `ROLE=FORM`: weights stored alone of a role (embedding, attention, lm_head, mlp, conv, recurrent) have
            this form: float, fp16, int8, int4, int3, int2.
        target_bpw: Weights stored alone have 2, 3, 4 or 8 bits each, by what they lose, and so many on average at most,
            scales included; None gives all those of the scheme.
        fit_bits: Those bits are chosen by the contract: the fewest that keep its limits on accuracy, else as many as
            its size holds.
        weight_form: Weights stored alone are multiplied as they are stored (`packed`), expanded when the model is
            loaded (`folded`), written in standard operators (`standard`), nf4 for
            `MatMulBnb4` (`bnb4`: fast on CUDA alone), or `auto`: packed where that is no slower
            than float, else folded.
        long_inputs: Products of weights stored in blocks have an int8 form beside it for 16 rows and more: prompts are
            read in .5 to .7 of the time, and weights take 8 bits more, in the file and in memory.
        reduce_range: 7-bit weights; None follows the target.
        reduce_range_nodes: Regular expressions over names of nodes that have 7-bit weights where the others have 8.
        reduce_range_auto: On kernels that saturate, 7-bit weights in just those layers whose sums leave 16 bits on
            calibration samples: closer to float than 7 bits everywhere, and no longer the same on every processor.
        calibration_method: How observed values become ranges; `auto` takes per value the one with the least error.
        percentile: Share of values inside the range, in percent, for `percentile`.
        ranges: `VALUE=LOW:HIGH`: ranges of activations that replace what was measured.
        split_concats: Regular expressions over names of Concat nodes whose operands keep a scale each.
        equalize: Cross-layer equalization and high-bias absorption before anything is measured.
        balance: Cross-layer factors that lessen the noise of values with one scale and of weights together.
        smooth: SmoothQuant: `off`, `auto` (α searched per site) or one α in [0, 1].
        rotate: Hidden states of pre-norm transformers and values of heads are rotated by Hadamard matrices, offline.
        awq: Before weights stored alone are rounded, their columns are scaled by the activations they meet; what would
            be rounded to the nearest is `clipped`.
        clip_weights: Search the clipping of every weight channel instead of covering its extremes.
        rounding: `nearest`, `gptq` (second order, from Gram matrices) or `adaround` (learned: slower, closer); of
            weights stored alone also `hqq` (half-quadratic: forgives outliers, needs no samples), `weighted` (the
            nearest, columns of large inputs first), `clipped` (ranges by what a block adds to the output, as AWQ clips)
            and `gptq-in-order` (columns as they lie, scales as they go).
        in_turn: Weights stored alone are rounded layer after layer, under what rounded layers before them give.
        bias_correction: `off`, `fast` (from float statistics) or `sequential` (layer after layer, quantized inputs).
        prune_channels: Share of the budget that goes with channels left out before all else, `30%`; "" leaves out none.
        prune_heads: The same with heads of attention.
        prune_layers: The same with whole residual layers.
        prune_budget: Of what the shares are: `macs` or `parameters`, of products with constants.
        prune_by: What goes: what is made up for best on samples (`reconstruction`), or the smallest weights
            (`magnitude`); `auto` by samples where there are some.
        prune_exclude: Regular expressions over names of nodes that keep their channels, layers and weights.
        sparsity: Weights that become 0: a share, `50%`, or N of every M, `2:4`; "" makes none.
        sparsity_by: Which: `sparsegpt`, `wanda` or `magnitude`; `auto` is sparsegpt where there are samples.
    """

    scheme: str = "auto"
    exclude_nodes: tuple[str, ...] = ()
    exclude_ops: tuple[str, ...] = ()
    only_ops: tuple[str, ...] = ()
    float_nodes: tuple[str, ...] = ()
    float_weights: tuple[str, ...] = ()
    wide_nodes: tuple[str, ...] = ()
    per_channel: bool = True
    block_size: int | None = None
    zero_points: bool = False
    double_scales: bool = False
    product_tables: int = 0
    keep: tuple[str, ...] = ()
    target_bpw: float | None = None
    fit_bits: bool = False
    weight_form: str = "auto"
    long_inputs: bool = False
    recurrent: str = "float"
    kv_cache: str = "float"
    reduce_range: bool | None = None
    reduce_range_nodes: tuple[str, ...] = ()
    reduce_range_auto: bool = False
    calibration_method: str = "auto"
    percentile: float = 99.99
    ranges: tuple[str, ...] = ()
    split_concats: tuple[str, ...] = ()
    equalize: bool = False
    balance: bool = False
    smooth: str = "off"
    rotate: bool = False
    awq: bool = False
    clip_weights: bool = False
    rounding: str = "nearest"
    in_turn: bool = False
    bias_correction: str = "off"
    prune_channels: str = ""
    prune_heads: str = ""
    prune_layers: str = ""
    prune_budget: str = "macs"
    prune_by: str = "auto"
    prune_exclude: tuple[str, ...] = ()
    sparsity: str = ""
    sparsity_by: str = "auto"

    def __post_init__(self) -> None:
        _one_of("--scheme", self.scheme, SCHEMES)
        _one_of("--calibration-method", self.calibration_method, CALIBRATION_METHODS)
        _one_of("--recurrent", self.recurrent, RECURRENT)
        _one_of("--kv-cache", self.kv_cache, KV_CACHES)
        _one_of("--rounding", self.rounding, BLOCK_ROUNDINGS)
        _one_of("--bias-correction", self.bias_correction, BIAS_CORRECTIONS)
        _one_of("--weight-form", self.weight_form, WEIGHT_FORMS)
        if self.block_size is not None and not 16 <= self.block_size <= 1024:
            raise OptionError(
                "--block-size", f"{self.block_size} is not from 16 to 1024", remedy="Give a power of two like 32"
            )
        try:
            read_keep(self.keep)
        except ValueError as error:
            raise OptionError("--keep", str(error), remedy="Write it like --keep attention=int8") from error
        if self.target_bpw is not None and not 2 < self.target_bpw <= 16:
            raise OptionError(
                "--target-bpw",
                f"{self.target_bpw:g} is not above 2 and at most 16",
                remedy="Give bits for a weight, scales included, like 4.25",
            )
        if self.fit_bits and self.target_bpw is not None:
            raise OptionError(
                "--fit-bits", "chooses the bits of a weight, and --target-bpw says them", remedy="Leave one of them out"
            )
        if self.in_turn and self.rounding not in MEASURED_ROUNDINGS:
            raise OptionError(
                "--in-turn",
                f"rounds by what layers really read, and --rounding {self.rounding} goes by the weights alone",
                remedy="Give --rounding gptq, or leave it out",
            )
        if self.reduce_range_auto and self.reduce_range is not None:
            raise OptionError(
                "--reduce-range-auto",
                "chooses the layers with 7-bit weights, and --reduce-range says which",
                remedy="Leave one of them out",
            )
        for text in self.ranges:
            try:
                read_range(text)
            except ValueError as error:
                raise OptionError("--range", str(error), remedy="Write it like --range gate=-8:8") from error
        if self.smooth not in ("off", "auto") and not _is_share(self.smooth):
            raise OptionError(
                "--smooth", f"{self.smooth!r} is not off, auto or a number from 0 to 1", remedy="Choose one of them"
            )
        if not 50.0 < self.percentile <= 100.0:
            raise OptionError(
                "--percentile", f"{self.percentile:g} is not above 50 and at most 100", remedy="Give one like 99.99"
            )

        _one_of("--prune-budget", self.prune_budget, PRUNE_BUDGETS)
        _one_of("--prune-by", self.prune_by, PRUNE_MEASURES)
        _one_of("--sparsity-by", self.sparsity_by, MASKS)
        for option, text, read, example in (
            ("--prune-channels", self.prune_channels, read_share, "30%"),
            ("--prune-heads", self.prune_heads, read_share, "25%"),
            ("--prune-layers", self.prune_layers, read_share, "10%"),
            ("--sparsity", self.sparsity, read_pattern, "2:4 or 50%"),
        ):
            try:
                text and read(str(text))
            except ValueError as error:
                raise OptionError(option, str(error), remedy=f"Write it like {option} {example}") from error
            if not isinstance(text, str):  # 0.3 reads as a share, and a recipe keeps texts
                raise OptionError(option, f"{text!r} is not a text", remedy=f"Write it like {option} {example}")
        if self.sparsity and self.rotate:
            raise OptionError(
                "--rotate",
                "mixes the columns of weights: zeros of --sparsity would not stay",
                remedy="Leave one of them out",
            )
        if self.sparsity and self.scheme in MEASURED_CODEBOOKS:
            raise OptionError(
                f"--scheme {self.scheme}",
                "has no code for 0: zeros of --sparsity would not stay",
                remedy=f"Leave --sparsity out, or choose one of {', '.join((*BLOCK_SCHEMES, 'nf4', 'fp4'))}",
            )
        if self.weight_form == "bnb4" and self.scheme != "nf4":
            raise OptionError(
                "--weight-form bnb4", f"holds nf4, and the scheme is {self.scheme}", remedy="Add --scheme nf4"
            )
        if self.product_tables and not 2 <= self.product_tables <= 64:
            raise OptionError(
                "--product-tables", f"{self.product_tables} is not from 2 to 64", remedy="Give 4 (2 bits a number) or 8"
            )

    def block(self, fits: int) -> int:
        """Elements that share a scale: as asked, else what fits."""
        return fits if self.block_size is None else self.block_size


def widths(scheme: str) -> tuple[int, int]:
    """Bits of activations and weights of a scheme: 8 where it does not say, as in `w4` and `fp16`."""
    if scheme in CODEBOOKS:
        return 8, CODEBOOKS[scheme]
    found = re.fullmatch(r"(?:[ad](\d+))?w(\d+)", scheme)
    return (8, 8) if found is None else (int(found[1] or 8), int(found[2]))


def _is_share(text: str) -> bool:
    try:
        return 0.0 <= float(text) <= 1.0
    except ValueError:
        return False


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise OptionError(option, f"{value!r} is not one of {', '.join(choices)}", remedy="Choose one of them")
