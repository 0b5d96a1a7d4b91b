"""A form with other operands: of static shape, constant, of two dimensions, with a bias and without."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from .change import Change
from .form import Form, Operand, Steps
from .ranks import of_rank_two

__all__ = ["biases", "shapes"]

_BIASED = {"Conv": 2, "ConvTranspose": 2, "Gemm": 2}


def shapes(form: Form) -> Iterator[Change]:
    """Dimensions known, a second operand known, two dimensions."""
    free = [each for each in form.present if any(not isinstance(dim, int) for dim in each.dims)]
    if free:
        shown = ", ".join(str(dim) if isinstance(dim, int) else "?" for dim in free[0].dims)
        yield Change(kind="shape", takes="static shapes", gets=f"[{shown}]", apply=_static)
    if len(form.present) > 1 and not form.present[1].constant and form.present[1].dims:
        yield Change(kind="constant", takes="a constant second operand", gets="a computed one", apply=_constant)
    flat = of_rank_two(form)
    if flat is not None:
        takes, gets = flat
        yield Change(kind="rank", takes=takes.words, gets=gets, apply=takes.apply, name=form.op)


def _static(form: Form) -> Form:
    return replace(
        form,
        inputs=tuple(None if each is None else replace(each, dims=tuple(each.array.shape)) for each in form.inputs),
    )


def _constant(form: Form) -> Form:
    second = next(index for index, each in enumerate(form.inputs) if each is not None and each is form.present[1])
    operand = form.present[1]
    return form.with_input(second, replace(operand, constant=True, dims=tuple(operand.array.shape)))


def biases(form: Form) -> Iterator[Change]:
    """A bias where there is none, none where there is one."""
    index = _BIASED.get(form.op)
    if index is None or form.domain:
        return
    if len(form.inputs) > index and form.inputs[index] is not None:
        yield Change(kind="bias", takes="it without a bias", gets="with one", apply=_unbiased, name="without")
    elif len(form.present) > 1 and form.present[1].array.ndim:
        yield Change(kind="bias", takes="it with a bias", gets="without", apply=_biased, name="with")


def _unbiased(form: Form) -> Form:
    return replace(form, inputs=form.inputs[: _BIASED[form.op]])


def _biased(form: Form) -> Form:
    """A bias of zeros, of the type that goes with the operands'."""
    weight = form.present[1]
    turned = form.op == "Gemm" and ("transB" not in form.attributes or not form.attributes["transB"].as_int())
    count = weight.array.shape[1 if turned or form.op == "ConvTranspose" else 0]
    first = form.present[0]
    if first.steps is None or weight.steps is None:
        array = np.zeros(count, first.array.dtype)
        bias = Operand(array=array, dtype=first.dtype, dims=(count,), constant=True, steps=None)
    else:
        scale = np.array(first.steps.scale.max() * weight.steps.scale.max(), np.float32)
        steps = Steps(scale=scale, zero=None, dtype=ir.DataType.INT32, attributes={})
        array = np.zeros(count, np.int32)
        bias = Operand(array=array, dtype=ir.DataType.INT32, dims=(count,), constant=True, steps=steps)
    return replace(form, inputs=(*form.inputs[:2], bias))
