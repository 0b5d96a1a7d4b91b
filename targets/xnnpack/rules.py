"""What ONNX Runtime's XNNPACK provider takes as integers, and what runs in integers on the CPU provider beside it.

Source of every `why`: `xnnpack/nn/conv_base.cc`, `max_pool.cc`, `average_pool.cc`, `math/softmax.cc` and
`detail/utils.cc` of ONNX Runtime, confirmed by the profile of Debian's 1.21 (x86-64, 2026-11).

One type for all activations, int8: XNNPACK multiplies s8 x s8 with a scale per output channel, or u8 x u8 with one
for all, never u8 x s8; and a kernel whose operands differ in type is none.
Softmax stays float, on XNNPACK's float kernel: the integer one reads and writes uint8 only.
"""

from __future__ import annotations

from dataclasses import replace

from ...passes.spec import Fixed, Given, OpRule, QuantSpec
from ..cpu.rules import cpu_rules

__all__ = ["xnnpack_rules"]

_WHY = {
    "Conv": "QLinearConv of XNNPACK (qs8_qc8w): 1-D and 2-D, channels and image size known, any group; "
    "others on the CPU provider",
    "MaxPool": "MaxPool of XNNPACK reads s8; Slice, Gather and Resize run on the CPU provider",
}


def xnnpack_rules() -> tuple[OpRule, ...]:
    """Rules of the XNNPACK provider with the CPU provider behind it: s8 activations, s8 weights per output channel.

    Returns:
        The rules of the CPU provider with signed activations, no channel counts preferred; first match wins.
    """
    return tuple(_signed(rule) for rule in cpu_rules(reduce_range=False) if rule.only != "depthwise")


def _signed(rule: OpRule) -> OpRule:
    """A rule of uint8 activations with int8 ones: the same steps, every zero point 128 lower."""
    outputs = rule.outputs
    if isinstance(outputs, Given):
        outputs = Given(_int8(outputs.spec))
    elif isinstance(outputs, Fixed):
        outputs = replace(outputs, spec=_int8(outputs.spec), zero_point=outputs.zero_point - 128)
    return replace(
        rule,
        inputs=None if rule.inputs is None else _int8(rule.inputs),
        weights=None if rule.weights is None else _int8(rule.weights),
        outputs=outputs,
        aligned_inputs=1,
        why=_WHY.get(rule.ops[0], rule.why),
    )


def _int8(spec: QuantSpec) -> QuantSpec:
    return replace(spec, dtype="int8") if spec.dtype == "uint8" else spec
