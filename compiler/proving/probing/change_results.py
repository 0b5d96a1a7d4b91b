"""A form with other results: quantized, of its operand's scale, of a fixed one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from .change import Change
from .form import INT8, Form, Result, Steps, activations_of

__all__ = ["results"]


def results(form: Form) -> Iterator[Change]:
    """Results in integers, of the scales some kernels insist on."""
    read = activations_of(form)
    if not read:
        return
    steps = read[0].steps
    assert steps is not None
    written = [each for each in form.outputs if not each.absent]
    floats = [each for each in written if each.steps is None and each.dtype == ir.DataType.FLOAT]
    if floats:
        yield Change(
            kind="result", takes="a quantized result", gets="a float one", apply=lambda form: _writing(form, None),
            name="quantized",
        )  # fmt: skip
    if any(each.steps is not None and not _is_equal(each.steps, steps) for each in written):
        yield Change(
            kind="result",
            takes="a result of its operand's scale and zero point",
            gets="its own",
            apply=lambda form: _writing(form, _like_operand(form)),
            name="shared",
        )
    if any(each.steps is not None for each in written):
        yield Change(
            kind="result",
            takes="a result of scale 1/256 and the lowest zero point",
            gets="its own",
            apply=lambda form: _writing(form, _unit(form)),
            name="fixed",
        )


def _writing(form: Form, steps: Steps | None) -> Form:
    """Results of these steps; None keeps those that have some, and gives the operand's to those without."""

    def other(result: Result) -> Result:
        if result.absent or result.dtype != ir.DataType.FLOAT or (steps is None and result.steps is not None):
            return result
        return replace(result, steps=steps or _like_operand(form))

    return replace(form, outputs=tuple(other(each) for each in form.outputs))


def _like_operand(form: Form) -> Steps | None:
    read = activations_of(form)
    return read[0].steps if read else None


def _unit(form: Form) -> Steps | None:
    steps = next((each.steps for each in form.outputs if each.steps is not None), None)
    if steps is None or steps.dtype not in INT8:
        return steps
    zero = np.array(-128 if steps.dtype == ir.DataType.INT8 else 0, steps.dtype.numpy())
    return Steps(scale=np.array(1 / 256, np.float32), zero=zero, dtype=steps.dtype, attributes={})


def _is_equal(mine: Steps, theirs: Steps) -> bool:
    zeros = [0 if each.zero is None else int(each.zero.reshape(-1)[0]) for each in (mine, theirs)]
    return mine.dtype == theirs.dtype and zeros[0] == zeros[1] and bool(np.array_equal(mine.scale, theirs.scale))
