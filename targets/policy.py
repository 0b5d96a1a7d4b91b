"""What the user may bend of a target's pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import OptionError

__all__ = ["BIAS_CORRECTIONS", "CALIBRATION_METHODS", "ROUNDINGS", "SCHEMES", "Policy"]

SCHEMES = ("auto", "a8w8", "d8w8", "w8", "float")
CALIBRATION_METHODS = ("auto", "minmax", "moving-average", "percentile", "entropy", "mse", "sqnr")
ROUNDINGS = ("nearest", "gptq", "adaround")
BIAS_CORRECTIONS = ("off", "fast", "sequential")


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What the user may bend; a search bends it further, node by node.

    Attributes:
        scheme: `a8w8` static int8, `d8w8` dynamic int8, `w8` weight-only int8, `float` none;
            `auto` is a8w8 with calibration data, else d8w8 or w8 by where the MACs are.
        exclude_nodes: Regular expressions over node names that stay float.
        exclude_ops, only_ops: Operator types that stay float; the only ones quantized.
        float_nodes: Names of nodes that stay float, as the target's exact rewrites leave them: what a search chose.
        per_channel: Weights have a scale per output channel.
        reduce_range: 7-bit weights; None follows the target.
        calibration_method: How observed values become ranges; `auto` takes per value the one with the least error.
        percentile: Share of values inside the range, in percent, for `percentile`.
        equalize: Cross-layer equalization and high-bias absorption before anything is measured.
        smooth: SmoothQuant: `off`, `auto` (α searched per site) or one α in [0, 1].
        clip_weights: Search the clipping of every weight channel instead of covering its extremes.
        rounding: `nearest`, `gptq` (second order, from Gram matrices) or `adaround` (learned; needs the torch extra).
        bias_correction: `off`, `fast` (from float statistics) or `sequential` (layer after layer, quantized inputs).
    """

    scheme: str = "auto"
    exclude_nodes: tuple[str, ...] = ()
    exclude_ops: tuple[str, ...] = ()
    only_ops: tuple[str, ...] = ()
    float_nodes: tuple[str, ...] = ()
    per_channel: bool = True
    reduce_range: bool | None = None
    calibration_method: str = "auto"
    percentile: float = 99.99
    equalize: bool = False
    smooth: str = "off"
    clip_weights: bool = False
    rounding: str = "nearest"
    bias_correction: str = "off"

    def __post_init__(self) -> None:
        _one_of("--scheme", self.scheme, SCHEMES)
        _one_of("--calibration-method", self.calibration_method, CALIBRATION_METHODS)
        _one_of("--rounding", self.rounding, ROUNDINGS)
        _one_of("--bias-correction", self.bias_correction, BIAS_CORRECTIONS)
        if not 50.0 < self.percentile <= 100.0:
            raise OptionError(
                "--percentile", f"{self.percentile:g} is not above 50 and at most 100", remedy="Give one like 99.99"
            )


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise OptionError(option, f"{value!r} is not one of {', '.join(choices)}", remedy="Choose one of them")
