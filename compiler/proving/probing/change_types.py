"""A form in other types: activations, weights and results, of other granularity and symmetry, in float."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import onnx_ir as ir

from .change import Change
from .form import INT8, Form, Operand, Result, Steps, activations_of, codes_of, is_weight, numbers_of, steps_for

__all__ = ["floats", "symmetry", "types"]

# Types of what is not quantized, and the plainer one that providers rather take.
_PLAINER = (
    ((ir.DataType.INT64,), ir.DataType.INT32),
    ((ir.DataType.FLOAT16, ir.DataType.BFLOAT16), ir.DataType.FLOAT),
    (INT8, ir.DataType.FLOAT),
)


def types(form: Form) -> Iterator[Change]:
    """8-bit types of activations and of weights, one scale per weight, plainer types of what is not quantized."""
    mine, theirs = _names(activations_of(form)), _names(_weights(form))
    beside = f" with {theirs} weights" if theirs else ""
    what = "activations" if theirs else "operands"
    for dtype in INT8:
        word = str(dtype.name).lower()
        if mine and mine != word:
            yield Change(
                kind="activations",
                takes=f"{word} {what}{beside}",
                gets=f"{mine}{beside.removesuffix(' weights')}",
                apply=partial(_retyped, dtype=dtype, constant=False),
                name=word,
            )
    for dtype in INT8:
        word = str(dtype.name).lower()
        if theirs and theirs != word:
            yield Change(
                kind="weights",
                takes=f"{word} weights with {mine or 'float'} activations",
                gets=f"{theirs} weights",
                apply=partial(_retyped, dtype=dtype, constant=True),
                name=word,
            )
    if any(each.steps is not None and each.steps.scale.size > 1 for each in _weights(form)):
        yield Change(kind="granularity", takes="one scale per weight", gets="one per channel", apply=_per_tensor)
    for dtypes, to in _PLAINER:
        plain = [each for each in form.present if each.steps is None and each.dtype in dtypes and not each.constant]
        if plain:
            word = str(to.name).lower()
            yield Change(
                kind="activations",
                takes=f"{word} elements",
                gets=_names(plain),
                apply=partial(_plainer, dtypes=dtypes, to=to),
                name=word,
            )


def _weights(form: Form) -> list[Operand]:
    return [each for each in form.present if is_weight(each)]


def _names(operands: list[Operand]) -> str:
    """Their types, in words."""
    return " and ".join(sorted({str(each.dtype.name).lower() for each in operands}))


def _retyped(form: Form, dtype: ir.DataType, *, constant: bool) -> Form:
    """Activations and results, or weights, in another 8-bit type."""

    def other(operand: Operand | None) -> Operand | None:
        if operand is None or operand.steps is None or operand.dtype == dtype:
            return operand
        if constant != operand.constant or (constant and not is_weight(operand)):
            return operand
        return _moved(operand, dtype)

    outputs = form.outputs
    if not constant:
        outputs = tuple(
            each if each.steps is None else replace(each, steps=_moved_steps(each.steps, dtype)) for each in outputs
        )
    return replace(form, inputs=tuple(other(each) for each in form.inputs), outputs=outputs)


def _moved(operand: Operand, dtype: ir.DataType) -> Operand:
    """The same numbers in another type: shifted where both have 8 bits, else of one scale anew."""
    steps = operand.steps
    assert steps is not None
    if operand.dtype in INT8 and steps.zero is not None:
        shift = -128 if dtype == ir.DataType.INT8 else 128
        codes = (operand.array.astype(np.int16) + shift).astype(dtype.numpy())
        return replace(operand, array=codes, dtype=dtype, steps=_moved_steps(steps, dtype))
    numbers = numbers_of(operand)
    made = steps_for(numbers, dtype)
    return replace(operand, array=codes_of(numbers, made), dtype=dtype, steps=made)


def _moved_steps(steps: Steps, dtype: ir.DataType) -> Steps:
    if steps.dtype == dtype:
        return steps
    if steps.dtype not in INT8 or steps.zero is None:
        zero = np.full(steps.scale.shape, 0 if dtype == ir.DataType.INT8 else 128, dtype.numpy())
        return replace(steps, zero=zero, dtype=dtype)
    shift = -128 if dtype == ir.DataType.INT8 else 128
    return replace(steps, zero=(steps.zero.astype(np.int16) + shift).astype(dtype.numpy()), dtype=dtype)


def _per_tensor(form: Form) -> Form:
    """Weights, and the bias, of one scale."""

    def one(operand: Operand | None) -> Operand | None:
        if operand is None or not operand.constant or operand.steps is None or operand.steps.scale.size == 1:
            return operand
        if operand.dtype == ir.DataType.INT32:
            scale = np.array(operand.steps.scale.max(), operand.steps.scale.dtype)
            zero = None if operand.steps.zero is None else np.zeros((), operand.steps.zero.dtype)
            return replace(operand, steps=replace(operand.steps, scale=scale, zero=zero, attributes={}))
        dtype = operand.dtype if operand.dtype in INT8 else ir.DataType.INT8
        made = steps_for(numbers_of(operand), dtype)
        if dtype == operand.dtype and operand.steps.zero is not None:
            made = replace(made, zero=operand.steps.zero.reshape(-1)[0])  # an asymmetric weight stays one
        return replace(operand, array=codes_of(numbers_of(operand), made), dtype=dtype, steps=made)

    return replace(form, inputs=tuple(one(each) for each in form.inputs))


def _plainer(form: Form, dtypes: Collection[ir.DataType], to: ir.DataType) -> Form:
    """What is not quantized, in another type; constants beside it where they are of its type."""
    changing = {each.dtype for each in form.present if each.steps is None and not each.constant} & set(dtypes)

    def other(operand: Operand | None) -> Operand | None:
        if operand is None or operand.steps is not None or operand.dtype not in changing:
            return operand
        if operand.constant and operand.dtype == ir.DataType.INT64:
            return operand  # a shape, axes
        return replace(operand, array=operand.array.astype(to.numpy()), dtype=to)

    outputs = tuple(replace(each, dtype=to) if each.dtype in changing else each for each in form.outputs)
    return replace(form, inputs=tuple(other(each) for each in form.inputs), outputs=outputs)


def symmetry(form: Form) -> Iterator[Change]:
    """0 stands for 0."""
    for what, found in (("weights", _weights(form)), ("activations", activations_of(form))):
        if any(each.steps is not None and each.steps.dtype in INT8 and not each.steps.symmetric for each in found):
            yield Change(
                kind="symmetry",
                takes=f"{what} of zero point 0",
                gets="another zero point",
                apply=partial(_symmetric, constant=what == "weights"),
                name=what,
            )


def _symmetric(form: Form, *, constant: bool) -> Form:
    def at_zero(steps: Steps | None) -> Steps | None:
        if steps is None or steps.zero is None or steps.dtype not in INT8:
            return steps
        return replace(steps, zero=np.zeros_like(steps.zero))

    inputs = tuple(
        each
        if each is None or constant != each.constant or (constant and not is_weight(each))
        else replace(each, steps=at_zero(each.steps))
        for each in form.inputs
    )
    outputs = form.outputs if constant else tuple(replace(each, steps=at_zero(each.steps)) for each in form.outputs)
    return replace(form, inputs=inputs, outputs=outputs)


def floats(form: Form) -> Iterator[Change]:
    """No integers at all."""
    parts: list[Operand | Result] = [*form.present, *form.outputs]
    if any(each.steps is not None for each in parts):
        dequantized = [*activations_of(form), *_weights(form)]
        yield Change(
            kind="float", takes="it in float", gets=_names(dequantized) or "with a quantized result", apply=_float
        )


def _float(form: Form) -> Form:
    def plain(operand: Operand | None) -> Operand | None:
        if operand is None or operand.steps is None:
            return operand
        return replace(operand, array=numbers_of(operand), dtype=ir.DataType.FLOAT, steps=None)

    outputs = tuple(replace(each, steps=None) for each in form.outputs)
    return replace(form, inputs=tuple(plain(each) for each in form.inputs), outputs=outputs)
