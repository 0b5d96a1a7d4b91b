"""Operators on images and axes: pool, resize, reduction, batchnorm, LRN, quantizelinear, dequantizelinear builders."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from ..support import SUPPORTED, Verdict, refused
from .asked import Asked, Builder, float_input, ranks
from .quantized import float_or_u8, integer_operands, params_of

__all__ = ["WINDOWS"]

_MEANS = ("AveragePool", "QLinearAveragePool")


def _pool_types(asked: Asked) -> Verdict:
    if asked.op == "MaxPool":
        return float_or_u8(asked)
    if asked.op in _MEANS and (asked.unit.grouped or asked.op.startswith("QLinear")):
        return integer_operands(asked, (0,))
    return float_input(asked)


def _pool(asked: Asked) -> Verdict:
    if not (verdict := ranks(asked, 4, 4)).supported:
        return verdict
    if not asked.op.startswith("Global") and not (verdict := _window(asked)).supported:
        return verdict
    if asked.op in _MEANS and asked.dtype(0) == ir.DataType.UINT8:
        operand = asked.inputs[0]
        assert operand is not None, "integer_operands saw it"
        if params_of(operand) != params_of(asked.outputs[0]):
            return refused("its result's scale and zero point are not its input's", "the params of its input behind it")
    return SUPPORTED


def _window(asked: Asked) -> Verdict:
    for name in ("count_include_pad", "storage_order", "ceil_mode"):
        if asked.number(name, 0) == 1:
            mend = {"count_include_pad": "a Pad before it", "ceil_mode": "explicit pads"}.get(name, "")
            return refused(f"{name} is 1, taken is 0", mend)
    if len(asked.numbers("kernel_shape", (1, 1))) != 2:
        return refused(f"its kernel has {len(asked.numbers('kernel_shape', ()))} dimensions, taken are 2")
    if asked.numbers("dilations", (1, 1)) != (1, 1):
        return refused(f"dilations are {list(asked.numbers('dilations', ()))}, taken are 1")
    if len(asked.unit.node.outputs) != 1:
        return refused("it writes indices, too")
    return SUPPORTED


def _resize_types(asked: Asked) -> Verdict:
    verdict = float_or_u8(asked)
    return integer_operands(asked, (0,)) if verdict.supported and asked.unit.grouped else verdict


def _resize(asked: Asked) -> Verdict:
    if not (verdict := ranks(asked, 4, 4)).supported:
        return verdict
    for check in (_resize_mode, _resize_attributes, _resize_sizes):
        if not (verdict := check(asked)).supported:
            return verdict
    return SUPPORTED


def _resize_mode(asked: Asked) -> Verdict:
    mode, coordinates = asked.text("mode", "nearest"), asked.text("coordinate_transformation_mode", "half_pixel")
    if mode == "linear":
        if coordinates not in ("half_pixel", "align_corners", "asymmetric"):
            return refused(f"linear with {coordinates}, taken are half_pixel, align_corners and asymmetric")
        if asked.level < 4 and coordinates != "asymmetric":
            return refused(f"linear with {coordinates} needs feature level 4, the device has {asked.level}")
        return SUPPORTED
    if mode != "nearest":
        return refused(f"mode is {mode}, taken are linear and nearest", "mode linear")
    rounding = asked.text("nearest_mode", "round_prefer_floor")
    if coordinates != "asymmetric" or rounding != "floor":
        return refused(
            f"nearest with {coordinates} and {rounding}, taken are asymmetric and floor",
            "asymmetric and floor, which is the same for whole factors",
        )
    return SUPPORTED


def _resize_attributes(asked: Asked) -> Verdict:
    if asked.number("exclude_outside", 0):
        return refused("exclude_outside is 1, taken is 0")
    if asked.since < 18:
        return SUPPORTED
    if asked.number("antialias", 0):
        return refused("antialias is 1, taken is 0")
    if asked.numbers("axes", ()):
        return refused(f"axes are {list(asked.numbers('axes', ()))}, taken are all", "scales for all axes")
    policy = asked.text("keep_aspect_ratio_policy", "stretch")
    return SUPPORTED if policy == "stretch" else refused(f"keep_aspect_ratio_policy is {policy}, taken is stretch")


def _resize_sizes(asked: Asked) -> Verdict:
    """Batch and channels, second or last, keep their size."""
    index = 2 if asked.has(2) else 3
    if not asked.has(index):
        return refused("it has neither scales nor sizes")
    wanted = asked.constant(index)
    if wanted is None:
        return refused(
            f"its {'scales' if index == 2 else 'sizes'} are no constant initializer", "fold what computes it"
        )
    kept = (1.0, 1.0, 1.0, 1.0) if index == 2 else asked.dims(0)
    channels_first = wanted[1] == kept[1]
    channels = 1 if channels_first else 3
    if wanted[0] != kept[0] or wanted[channels] != kept[channels]:
        return refused(f"it resizes batch or channels: {wanted.tolist()}")
    if channels_first and asked.level < 3:
        return refused(f"channels before height need feature level 3, the device has {asked.level}")
    return SUPPORTED


def _resize_level(asked: Asked) -> int:
    return 2 if asked.dtype(0) == ir.DataType.UINT8 else 3


def _reduce_mean(asked: Asked) -> Verdict:
    if not (verdict := ranks(asked, 1, 4)).supported:
        return verdict
    if asked.has(1) and not asked.is_constant(1):
        return refused("its axes are no constant initializer", "fold what computes it")
    if asked.since >= 18 and asked.number("noop_with_empty_axes", 0):
        return refused("noop_with_empty_axes is 1, taken is 0")
    return SUPPORTED


def _batch_norm(asked: Asked) -> Verdict:
    if len(asked.unit.node.outputs) != 1:
        return refused("it has the outputs of training", "an export for inference")
    if not (verdict := ranks(asked, 0, 4)).supported:
        return verdict
    if asked.number("spatial", 1) != 1:
        return refused("spatial is 0, taken is 1")
    names = ("scale", "B", "mean", "var")
    missing = [name for index, name in enumerate(names, 1) if not asked.is_constant(index)]
    return refused(f"{missing[0]} is no constant initializer", "fold what computes it") if missing else SUPPORTED


def _quantize_types(asked: Asked) -> Verdict:
    return integer_operands(asked, ())


def _dequantize_types(asked: Asked) -> Verdict:
    return integer_operands(asked, (0,), results=False)


_POOLS = ("AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool", "QLinearAveragePool")

WINDOWS: Mapping[str, Builder] = {
    **{op: Builder(level=lambda _: 2, grouped=op == "AveragePool", types=_pool_types, rule=_pool) for op in _POOLS},
    "Resize": Builder(level=_resize_level, grouped=True, types=_resize_types, least=11, rule=_resize),
    "ReduceMean": Builder(level=lambda _: 2, rule=_reduce_mean),
    "BatchNormalization": Builder(least=7, rule=_batch_norm),
    "LRN": Builder(level=lambda _: 2, rule=lambda asked: ranks(asked, 4, 4)),
    "QuantizeLinear": Builder(level=lambda _: 3, types=_quantize_types),
    "DequantizeLinear": Builder(types=_dequantize_types),
}
