"""Forms of two dimensions: images for convolutions and pools, matrices for products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from .form import Form, Operand

__all__ = ["Flat", "of_rank_two"]

_SPATIAL = frozenset({"Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool"})
_PER_DIMENSION = ("kernel_shape", "strides", "dilations", "output_padding")


@dataclass(frozen=True, kw_only=True, slots=True)
class Flat:
    """What a form is in two dimensions, and how it gets there."""

    words: str
    apply: Callable[[Form], Form]


def of_rank_two(form: Form) -> tuple[Flat, str] | None:
    """The form in two dimensions, and what it has now; None where it has two, or where there is no such form."""
    if form.domain or not form.present:
        return None
    rank = form.present[0].array.ndim
    if form.op in _SPATIAL and rank - 2 in (1, 3):
        return Flat(words="2 spatial dimensions", apply=_image), str(rank - 2)
    if form.op == "MatMul" and rank > 2 and len(form.present) > 1:
        return Flat(words="matrices", apply=_matrix), f"{rank} dimensions"
    return None


def _image(form: Form) -> Form:
    more = form.present[0].array.ndim == 3

    def operand(each: Operand | None) -> Operand | None:
        if each is None or each.array.ndim < 3:
            return each
        array = each.array[..., None] if more else each.array[..., 0]
        dims = (*each.dims, 1) if more else each.dims[:-1]
        return replace(each, array=np.ascontiguousarray(array), dims=dims)

    changed = replace(form, inputs=tuple(operand(each) for each in form.inputs))
    for name in _PER_DIMENSION:
        if name in form.attributes:
            values = list(form.attributes[name].as_ints())
            fill = 0 if name == "output_padding" else 1
            changed = changed.with_attributes(**{name: ir.AttrInt64s(name, [*values, fill] if more else values[:-1])})
    if "pads" in form.attributes:
        pads = list(form.attributes["pads"].as_ints())
        half = len(pads) // 2
        low, high = pads[:half], pads[half:]
        pads = [*low, 0, *high, 0] if more else [*low[:-1], *high[:-1]]
        changed = changed.with_attributes(pads=ir.AttrInt64s("pads", pads))
    return changed


def _matrix(form: Form) -> Form:
    def operand(each: Operand | None) -> Operand | None:
        if each is None or each.array.ndim < 3:
            return each
        array = each.array[(0,) * (each.array.ndim - 2)]
        return replace(each, array=np.ascontiguousarray(array), dims=each.dims[-2:])

    return replace(form, inputs=tuple(operand(each) for each in form.inputs))
