"""Which scheme a compile uses when the user leaves it open, and why."""

from __future__ import annotations

import onnx_ir as ir

from ..errors import OptionError
from ..targets.policy import (
    BLOCK_ROUNDINGS,
    BLOCK_SCHEMES,
    FLOAT8,
    MEASURED_CODEBOOKS,
    MEASURED_ROUNDINGS,
    ROUNDINGS,
    STATIC_SCHEMES,
    WEIGHTS_ALONE,
    Policy,
    widths,
)
from ..targets.spec import TargetSpec
from .planning.macs import macs_by_op

__all__ = ["check_measured", "check_scheme", "choose_scheme", "opset_of_scheme"]

# Cast, QuantizeLinear and DequantizeLinear take 4-bit and 16-bit integers from this operator set on (ONNX changelog).
_WIDTHS_SINCE = 21
# Cast takes eight bits of floating point.
_FLOAT8_SINCE = 19
_NATIVE = "the target computes in it"


def opset_of_scheme(scheme: str) -> int:
    """The operator set whose types a scheme needs; 1 where any does."""
    if scheme in FLOAT8:
        return _FLOAT8_SINCE
    return _WIDTHS_SINCE if widths(scheme) != (8, 8) else 1


def check_scheme(scheme: str, target: TargetSpec) -> None:
    """Refuse a scheme whose types came with an operator set that the target's runtime does not read.

    Raises:
        OptionError: It is such a scheme.
    """
    needed = opset_of_scheme(scheme)
    if needed > target.max_opset:
        raise OptionError(
            f"--scheme {scheme}",
            f"needs the types of operator set {needed}, and target {target.name} runs {target.max_opset} at most",
            remedy="Choose a8w8, d8w8 or w8",
        )


def choose_scheme(
    asked: str, model: ir.Model, *, calibrated: bool, native: str = "", stored: bool = False
) -> tuple[str, str]:
    """Resolve `auto`.

    Args:
        asked: A scheme or `auto`.
        model: The loaded model.
        calibrated: Whether there are calibration samples.
        native: The target's own scheme; "" where it goes by the samples.
        stored: The source has said how weights are stored, in few bits.

    Returns:
        The scheme and the reason, a sentence for the user.

    Raises:
        OptionError: A scheme that is measured was asked for without calibration samples.
    """
    if asked in (*STATIC_SCHEMES, "fp8") and not calibrated:
        raise OptionError(
            f"--scheme {asked}",
            "needs calibration samples: static ranges are measured, never guessed",
            remedy="Give --calibration, or choose d8w8 (ranges taken at run time) or w8 (weights only)",
        )
    if asked in MEASURED_CODEBOOKS and not calibrated:
        raise OptionError(
            f"--scheme {asked}",
            "needs calibration samples: codes go by what weights are multiplied with",
            remedy="Give --calibration, or choose w3 or nf4",
        )
    if asked != "auto":
        return asked, "as asked"
    if stored:
        return "float", "weights stay as the source stores them, none is rounded again"
    if native:
        stored = native in WEIGHTS_ALONE
        return native, "the target computes in floats, weights alone are stored so" if stored else _NATIVE
    if calibrated:
        return "a8w8", "calibration samples are given"
    macs = macs_by_op(model)
    matrix = macs["MatMul"] + macs["Gemm"]
    if matrix > sum(macs.values()) / 2:
        return "d8w8", "no calibration samples, and most MACs are in MatMul and Gemm: ranges are taken at run time"
    return "w8", "no calibration samples, and most MACs are not in MatMul or Gemm: only weights are stored in 8 bits"


def check_measured(policy: Policy, scheme: str, *, calibrated: bool = True) -> None:
    """Refuse rounding and corrections that go by samples where the scheme measures nothing, or there are none.

    Raises:
        OptionError: One of them was asked for.
    """
    blocks = scheme in BLOCK_SCHEMES
    roundings = BLOCK_ROUNDINGS if blocks else ROUNDINGS if scheme in STATIC_SCHEMES else ("nearest",)
    if policy.rounding not in roundings:
        raise _misplaced(policy.rounding, scheme, roundings)
    if blocks and policy.rounding in MEASURED_ROUNDINGS and not calibrated:
        raise OptionError(
            f"--rounding {policy.rounding}",
            "goes by calibration samples, and there are none",
            remedy="Give --calibration, or choose nearest or hqq",
        )
    if policy.awq and scheme not in WEIGHTS_ALONE:
        raise OptionError(
            "--awq",
            f"is for weights stored alone, and scheme {scheme} has others",
            remedy=f"Leave it out (--smooth auto is for integers), or choose one of {', '.join(BLOCK_SCHEMES)}",
        )
    if policy.awq and not calibrated:
        raise OptionError(
            "--awq", "goes by calibration samples, and there are none", remedy="Give --calibration, or leave it out"
        )
    if policy.kv_cache != "float" and not calibrated:
        raise OptionError(
            f"--kv-cache {policy.kv_cache}",
            "goes by calibration samples, and there are none",
            remedy="Give --calibration (a text, or rows of tokens), or leave it out",
        )
    for option, given in (
        ("--target-bpw", policy.target_bpw),
        ("--fit-bits", policy.fit_bits),
        ("--keep", policy.keep),
        ("--in-turn", policy.in_turn),
    ):
        if given and not blocks:
            raise OptionError(
                option,
                f"is for weights stored in blocks, and scheme {scheme} stores them otherwise",
                remedy=f"Choose one of {', '.join(BLOCK_SCHEMES)}",
            )
    if (policy.target_bpw is not None or policy.fit_bits) and not calibrated:
        raise OptionError(
            "--fit-bits" if policy.fit_bits else "--target-bpw",
            "goes by calibration samples, and there are none",
            remedy="Give --calibration, or one scheme for all weights",
        )
    if policy.bias_correction != "off" and scheme not in STATIC_SCHEMES:
        raise OptionError(
            f"--bias-correction {policy.bias_correction}",
            f"goes by calibration samples, and scheme {scheme} measures nothing",
            remedy=f"Leave it out, or choose one of {', '.join(STATIC_SCHEMES)} with --calibration",
        )


def _misplaced(rounding: str, scheme: str, roundings: tuple[str, ...]) -> OptionError:
    """What is said of a rounding that a scheme has no use for."""
    stored = ", ".join(BLOCK_SCHEMES)
    if scheme in WEIGHTS_ALONE:
        problem, remedy = f"is for weights stored in blocks, and scheme {scheme} stores them otherwise", stored
        return OptionError(f"--rounding {rounding}", problem, remedy=f"Choose one of {remedy}")
    if rounding in MEASURED_ROUNDINGS and scheme not in STATIC_SCHEMES:
        return OptionError(
            f"--rounding {rounding}",
            f"goes by calibration samples, and scheme {scheme} measures nothing",
            remedy=f"Leave it out, or choose one of {', '.join(STATIC_SCHEMES)}, {stored} with --calibration",
        )
    return OptionError(
        f"--rounding {rounding}",
        f"is for weights stored alone, and scheme {scheme} has others",
        remedy=f"Choose one of {', '.join(roundings)}, or one of {stored}",
    )
