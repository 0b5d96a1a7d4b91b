"""Operators that move elements: reshape, flatten, squeeze, unsqueeze, transpose, concat, slice, split, gather, pad."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from ..support import SUPPORTED, Verdict, refused
from .asked import Asked, Builder, dtype_name, float_input, ranks
from .quantized import FAILS, float_or_u8, integer_operands, params_of

__all__ = ["MOVES"]

_FOLD = "fold what computes it"


def _reshape_types(asked: Asked) -> Verdict:
    return integer_operands(asked, (0,)) if asked.unit.grouped else float_input(asked)


def _reshape(asked: Asked) -> Verdict:
    wanted = asked.constant(1)
    if wanted is None:
        return refused("its shape is no constant initializer", _FOLD)
    if not (verdict := ranks(asked, 1, 4)).supported:
        return verdict
    if asked.number("allowzero", 0) and (wanted == 0).any():
        return refused("allowzero = 1 with a dimension of 0", "allowzero = 0")
    return SUPPORTED


def _moved_types(asked: Asked) -> Verdict:
    """Float, or uint8 as it is; of a group both sides."""
    verdict = float_or_u8(asked)
    return integer_operands(asked, (0,)) if verdict.supported and asked.unit.grouped else verdict


def _concat_types(asked: Asked) -> Verdict:
    verdict = float_or_u8(asked)
    if not verdict.supported or not asked.unit.grouped:
        return verdict
    if not (verdict := integer_operands(asked, range(len(asked.inputs)))).supported:
        return verdict
    if any(asked.is_constant(index) for index in range(1, len(asked.inputs))):
        # CollectQuantizedInputs (model_builder.cc, "TODO, add handling for variadic nodes") looks at the first alone.
        return refused(
            f"an operand behind the first is constant: {FAILS}", "the constant first, or the Concat in float"
        )
    alike = {params_of(operand) for operand in (*asked.inputs, *asked.outputs) if operand is not None}
    if asked.level < 3 and len(alike) > 1:
        return refused(f"its operands differ in params, on feature level {asked.level} they are equal", "shared params")
    return SUPPORTED


def _constant_axes(asked: Asked) -> Verdict:
    if not (verdict := ranks(asked, 1, 4)).supported:
        return verdict
    if asked.since > 12 and asked.has(1) and not asked.is_constant(1):
        return refused("its axes are no constant initializer", _FOLD)
    return SUPPORTED


def _slice(asked: Asked) -> Verdict:
    if not (verdict := ranks(asked, 0, 4)).supported:
        return verdict
    if 0 in asked.dims(0):
        return refused("its input has no elements")
    names = ("starts", "ends", "axes", "steps")
    missing = [
        name for index, name in enumerate(names, 1) if index < len(asked.inputs) and not asked.is_constant(index)
    ]
    return refused(f"{missing[0]} is no constant initializer", _FOLD) if missing else SUPPORTED


def _split(asked: Asked) -> Verdict:
    dims, axis = asked.dims(0), asked.number("axis", 0)
    size = dims[axis]
    if asked.has(1):
        sizes = asked.constant(1)
        if sizes is None:
            return refused("split is no constant initializer", _FOLD)
        if int(sizes.sum()) != size or len(set(sizes.tolist())) > 1:
            return refused(f"it splits {size} into {sizes.tolist()}, taken are equal parts", "Slices in its place")
        return SUPPORTED
    count = len(asked.unit.node.outputs)
    if asked.since >= 18:
        told = asked.number("num_outputs", 0)
        if told != count or told > size:
            return refused(f"num_outputs is {told} for {count} outputs of {size} elements")
    if size % count:
        return refused(f"it splits {size} into {count} parts, taken are equal parts", "Slices in its place")
    return SUPPORTED


def _gather(asked: Asked) -> Verdict:
    if not (verdict := ranks(asked, 1, 4)).supported:
        return verdict
    if 0 in asked.dims(0):
        return refused("its input has no elements")
    kind = asked.dtype(1)
    if kind != ir.DataType.INT32 and not asked.is_constant(1):
        return refused(f"its indices are {dtype_name(kind)} and no constant initializer", "int32 indices")
    return SUPPORTED


def _pad(asked: Asked) -> Verdict:
    if not (verdict := ranks(asked, 1, 4)).supported:
        return verdict
    if 0 in asked.dims(0):
        return refused("its input has no elements")
    mode = asked.text("mode", "constant")
    if mode != "constant":
        return refused(f"mode is {mode}, taken is constant", "Slices and a Concat")
    pads = asked.constant(1)
    if pads is None:
        return refused("pads is no constant initializer", _FOLD)
    if (pads < 0).any():
        return refused(f"pads are {pads.tolist()}, taken are 0 and more", "a Slice for what is cut off")
    if len(asked.inputs) > 2 and not asked.is_constant(2):
        return refused("constant_value is no constant initializer", "constant_value written out")
    return SUPPORTED


def _depth_to_space(asked: Asked) -> Verdict:
    if not (verdict := ranks(asked, 4, 4)).supported:
        return verdict
    mode = asked.text("mode", "DCR")
    return refused(f"mode is {mode}, taken is DCR", "DCR behind a Transpose") if mode != "DCR" else SUPPORTED


MOVES: Mapping[str, Builder] = {
    "Reshape": Builder(grouped=True, types=_reshape_types, least=5, rule=_reshape),
    "Flatten": Builder(rule=lambda asked: ranks(asked, 1, 4)),
    "Squeeze": Builder(level=lambda _: 2, rule=_constant_axes),
    "Unsqueeze": Builder(rule=_constant_axes),
    "Transpose": Builder(level=lambda _: 2, grouped=True, types=_moved_types, rule=lambda asked: ranks(asked, 1, 4)),
    "Concat": Builder(grouped=True, types=_concat_types, rule=lambda asked: ranks(asked, 1, 4)),
    "Slice": Builder(level=lambda _: 2, least=10, rule=_slice),
    "Split": Builder(level=lambda _: 3, least=13, rule=_split),
    "Gather": Builder(level=lambda _: 3, rule=_gather),
    "Pad": Builder(level=lambda _: 3, least=11, rule=_pad),
    "DepthToSpace": Builder(rule=_depth_to_space),
}
