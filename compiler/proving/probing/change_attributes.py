"""A form with one attribute at its default."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import onnx

from .change import Change
from .form import Form

__all__ = ["attributes"]

# What the absence of an attribute means where its schema does not say; one number per dimension.
_USUAL = {"strides": 1, "dilations": 1, "pads": 0, "output_padding": 0}
_WEIGHED = frozenset({"Conv", "ConvTranspose"})  # `kernel_shape` is their weight's


def attributes(form: Form) -> Iterator[Change]:
    """Each attribute that has a default, or may be absent, and says something else."""
    try:
        schema = onnx.defs.get_schema(form.op, form.opsets.get(form.domain, 1), form.domain)
        known = dict(schema.attributes)
    except onnx.defs.SchemaError:
        known = {}
    for name, attribute in form.attributes.items():
        described = known.get(name)
        if described is not None and described.required:
            continue
        default = None
        if described is not None and described.default_value.type != onnx.AttributeProto.UNDEFINED:
            default = onnx.helper.get_attribute_value(described.default_value)
        if default is None and name in _USUAL:
            default = [_USUAL[name]] * len(attribute.as_ints())
        if _plain(attribute.value) == _plain(default) or (name == "kernel_shape" and form.op in _WEIGHED):
            continue
        yield Change(
            kind="attribute",
            takes=f"{name} = {_shown(default)}" if default is not None else f"it without {name}",
            gets=_shown(attribute.value),
            apply=partial(_without, name=name),
            name=name,
        )


def _without(form: Form, name: str) -> Form:
    changed = form.with_attributes(**{name: None})
    if name != "group" or form.op != "Conv" or len(form.present) < 2:
        return changed
    weight, groups = form.present[1], form.attributes["group"].as_int()
    repeats = [1] * weight.array.ndim
    repeats[1] = groups
    array = np.tile(weight.array, repeats)
    return changed.with_input(1, replace(weight, array=array, dims=tuple(array.shape)))


def _plain(value: object) -> object:
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value.decode() if isinstance(value, bytes) else value


def _shown(value: object) -> str:
    plain = _plain(value)
    return f"{plain:g}" if isinstance(plain, float) else str(plain)
