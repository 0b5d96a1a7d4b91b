"""Resize: resize_op_builder.cc."""

from __future__ import annotations

from collections.abc import Sequence

from ..support import SUPPORTED, Verdict, refused
from .asked import Asked, Shape

__all__ = ["resize"]


def resize(asked: Asked) -> Verdict:
    """Modes that CoreML computes alike, and constant scales or sizes of the last two dimensions."""
    shape, program = asked.shape(0), asked.options.mlprogram
    if shape is None or 0 in shape or len(shape) not in ((3, 4, 5) if program else (4,)):
        return refused(f"Resize is of shape {list(shape or ())}, taken are {'3 to 5' if program else '4'} dimensions")
    if not (verdict := _modes(asked)).supported:
        return verdict
    by_sizes = asked.has(3)
    if not by_sizes and not asked.has(2):
        return refused("Resize has neither scales nor sizes")
    given = asked.constant(3 if by_sizes else 2)
    if given is None:
        return refused(f"{'sizes' if by_sizes else 'scales'} of Resize are not constant")
    axes = [axis % len(shape) for axis in asked.integers("axes") or range(len(shape))]
    wanted = [float(each) for each in given]
    verdict = _sizes(asked, shape, axes, wanted) if by_sizes else _scales(asked, shape, axes, wanted)
    return _coordinates(asked, shape, wanted, by_sizes=by_sizes) if verdict.supported else verdict


def _modes(asked: Asked) -> Verdict:
    mode, rounding = asked.text("mode", "nearest"), asked.text("nearest_mode", "round_prefer_floor")
    if asked.integer("antialias", 0):
        return refused("antialias of Resize is not taken")
    if mode not in ("nearest", "linear"):
        return refused(f"mode {mode} of Resize is not taken")
    if mode == "nearest" and rounding != "floor":
        return refused(f"nearest_mode {rounding} of Resize is not taken, floor is", "floor, where the scale is whole")
    if asked.integer("exclude_outside", 0):
        return refused("exclude_outside of Resize is not taken")
    policy = asked.text("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        return refused(f"keep_aspect_ratio_policy {policy} of Resize is not taken", "give the sizes")
    return SUPPORTED


def _scales(asked: Asked, shape: Shape, axes: Sequence[int], scales: Sequence[float]) -> Verdict:
    if None in shape[-2:]:
        return refused("Resize by scales takes a known height and width", "fix the model's shapes")
    for axis, scale in zip(axes, scales, strict=False):
        if axis < len(shape) - 2 and scale != 1.0:
            return refused(f"Resize scales axis {axis}, taken are the last two")
    high, wide = scales[-2:]
    if high >= 1.0 and wide >= 1.0:
        if high != round(high) or wide != round(wide):
            return refused(f"Resize scales by {high:g} and {wide:g}, taken are whole numbers", "give the sizes")
        return SUPPORTED
    if high > 1.0 or wide > 1.0:
        return refused(f"Resize scales up and down, by {high:g} and {wide:g}", "give the sizes")
    if not asked.options.mlprogram:
        return refused("Resize scales down in NeuralNetwork format", "MLProgram format")
    for dim, scale in zip(shape[-2:], (high, wide), strict=True):
        if not _is_part(scale, dim or 0):
            return refused(f"Resize scales {dim} by {scale:g}, which is no whole part of it", "give the sizes")
    return SUPPORTED


def _is_part(scale: float, dim: int) -> bool:
    """`ReciprocalIsAFactorOfN`."""
    parts = round(1.0 / scale) if scale > 0.0 else 0
    return parts > 0 and parts * scale == 1.0 and dim % parts == 0


def _sizes(asked: Asked, shape: Shape, axes: Sequence[int], sizes: Sequence[float]) -> Verdict:
    # The source compares with the size of dimension `index`, whatever axis it names.
    for index, axis in enumerate(axes):
        if axis < len(shape) - 2 and shape[index] != sizes[index]:
            return refused(f"Resize sizes axis {axis}, taken are the last two")
    if asked.options.mlprogram:
        return SUPPORTED
    for dim, size in zip(shape[-2:], sizes[-2:], strict=True):
        if not dim or size % dim:
            return refused(f"Resize of {dim} to {size:g}, taken are multiples in NeuralNetwork format")
    return SUPPORTED


def _coordinates(asked: Asked, shape: Shape, wanted: Sequence[float], *, by_sizes: bool) -> Verdict:
    mode = asked.text("coordinate_transformation_mode", "half_pixel")
    linear = asked.text("mode", "nearest") == "linear"
    if not asked.options.mlprogram or not linear:
        why = f"coordinate_transformation_mode {mode} of Resize is not taken, asymmetric is"
        return SUPPORTED if mode == "asymmetric" else refused(why, "asymmetric, where nearest and the scale is whole")
    if mode == "pytorch_half_pixel":
        scaled = [(dim or 0) * scale for dim, scale in zip(shape[-2:], wanted[-2:], strict=True)]
        mode = "half_pixel" if min(map(round, wanted[-2:] if by_sizes else scaled)) > 1 else mode
    if mode in ("half_pixel", "align_corners") or (by_sizes and mode == "asymmetric"):
        return SUPPORTED
    return refused(f"coordinate_transformation_mode {mode} of a linear Resize is not taken", "give the sizes")
