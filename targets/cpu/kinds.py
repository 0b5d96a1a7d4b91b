"""From the rules of 8 bits to those of other widths: `a8w4`, `a16w8`, `a16w4`, and narrow ones like `a4w4`.

The rules stay the same: which operators are quantized and what they share does not depend on the width. What runs in
integers does: with 16-bit activations nothing (ONNX Runtime 1.31.1: MobileNetV2 18 ms, 7.9 in float, 3.7 with 8 bits).
Codes of fewer than 8 bits run in the 8-bit kernels; there are none of their own.
"""

from __future__ import annotations

from dataclasses import replace

from ...passes.spec import Fixed, Given, OpRule, PerAxis, QuantSpec

__all__ = ["of_widths"]


def of_widths(rule: OpRule, *, activations: int, weights: int) -> OpRule:
    """A rule of 8-bit activations and weights with other widths, in bits.

    Depthwise weights keep 8 bits: they are few, and one channel's kernel is all there is to average errors over. So do
    constants that are added or multiplied element by element.
    """
    if activations == 16:
        outputs = rule.outputs
        if isinstance(outputs, Given):
            outputs = Given(_wide(outputs.spec))
        elif isinstance(outputs, Fixed):
            outputs = replace(
                outputs, spec=_wide(outputs.spec), scale=outputs.scale / 256, zero_point=outputs.zero_point * 256
            )
        rule = replace(
            rule,
            inputs=None if rule.inputs is None else _wide(rule.inputs),
            weights=None if rule.weights is None else _wide(rule.weights),
            outputs=outputs,
            aligned_inputs=1,
        )
    if activations < 8:
        rule = _narrow(rule, activations)
    spec = rule.weights
    if weights < 8 and rule.role == "compute" and spec is not None and isinstance(spec.granularity, PerAxis):
        # 7-bit weights are the cure of a saturation that fewer bits cannot cause.
        dtype, bits = ("int4", 4) if weights <= 4 else ("int8", 8)
        code_bits = weights if weights < bits else None
        rule = replace(rule, weights=replace(spec, dtype=dtype, reduce_range=False, code_bits=code_bits))
    return rule


def _narrow(rule: OpRule, bits: int) -> OpRule:
    """A rule whose activations have codes of fewer bits in the 8-bit type."""
    inputs = None if rule.inputs is None else replace(rule.inputs, code_bits=bits)
    outputs = rule.outputs
    if isinstance(outputs, Given):
        outputs = Given(replace(outputs.spec, code_bits=bits))
    elif isinstance(outputs, Fixed):
        narrow = replace(outputs.spec, code_bits=bits)
        low, wide = outputs.spec.qmin, 1 << 8 - bits
        zero = low + round((outputs.zero_point - low) / wide)
        outputs = replace(outputs, spec=narrow, scale=outputs.scale * wide, zero_point=zero)
    return replace(rule, inputs=inputs, outputs=outputs)


def _wide(spec: QuantSpec) -> QuantSpec:
    return replace(spec, dtype="uint16") if spec.dtype == "uint8" else spec
