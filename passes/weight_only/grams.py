"""What a stored weight is multiplied with, and the Gram matrix of it.

================= ======= ==========================================
operator          weight  multiplied with
================= ======= ==========================================
MatMul, Gemm      1       rows of input 0, along their last axis
Conv              1       windows of input 0, group by group
LSTM, GRU, RNN    1       rows of input 0
LSTM, GRU, RNN    2       the states, output 0 (a step later)
Gather            0       nothing: rows are read
================= ======= ==========================================
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from ..edit import is_op
from ..observe.statistics import Gram, Need, Products, Window, observation_of
from ..round.inputs import window_of

__all__ = ["gram_of", "grams_needed", "is_observed", "multiplied_with"]

_RECURRENT = ("LSTM", "GRU", "RNN")


def multiplied_with(node: ir.Node, index: int) -> tuple[ir.Value, Products] | str | None:
    """The value that input `index` of a node is multiplied with, and the statistic that holds its Gram matrix.

    Returns:
        Both, why it cannot be observed, or None where nothing is multiplied.
    """
    if is_op(node, *_RECURRENT) and index in (1, 2):
        states = node.outputs[0] if node.outputs and node.outputs[0].name else None
        x = node.inputs[0] if index == 1 else states
        return (x, Products()) if x is not None and _is_ranked(x) else "reads values of unknown rank"
    if not is_op(node, "MatMul", "Gemm", "Conv") or index != 1:
        return None
    x, weight = node.inputs[0], node.inputs[1]
    if x is None or weight is None or weight.shape is None or not _is_ranked(x):
        return "reads an input of unknown rank"
    if node.op_type != "Conv":
        if node.op_type == "Gemm" and node.attributes.get_int("transA", 0) == 1:
            return "reads its input transposed"
        return (x, Products()) if len(weight.shape) == 2 else "multiplies with several matrices"
    assert x.shape is not None
    if not isinstance(x.shape[1], int):
        return "reads an unknown number of channels"
    kernel = tuple(size for size in tuple(weight.shape)[2:] if isinstance(size, int))
    window = window_of(node, kernel, [size for size in tuple(x.shape)[2:] if isinstance(size, int)])
    return (x, Products(window=window)) if isinstance(window, Window) else window


def grams_needed(model: ir.Model, weight: ir.Value) -> Iterator[Need]:
    """What to observe for one weight: of the main graph, whose values alone are observed."""
    for node, index in weight.uses():
        found = multiplied_with(node, index)
        if isinstance(found, tuple) and node.graph is model.graph:
            yield Need(value=str(found[0].name), statistic=found[1])


def is_observed(model: ir.Model, weight: ir.Value) -> bool:
    """Whether all that `grams_needed` names was observed."""
    found = (multiplied_with(node, index) for node, index in weight.uses() if node.graph is model.graph)
    return all(observation_of(*each) is not None for each in found if isinstance(each, tuple))


def gram_of(model: ir.Model, weight: ir.Value, columns: int) -> np.ndarray | str | None:
    """The sum of what was observed for one weight.

    Args:
        model: The model.
        weight: The weight.
        columns: Those of its matrix.

    Returns:
        (groups, columns, columns), float64; why there is none; or None where nothing multiplies the weight.
    """
    grams, reasons = [], []
    for node, index in weight.uses():
        found = multiplied_with(node, index)
        if isinstance(found, str):
            reasons.append(found)
        elif found is not None and node.graph is not model.graph:
            reasons.append("is inside a body, whose values are not observed")
        elif found is not None:
            observed = observation_of(*found)
            if isinstance(observed, Gram) and observed.matrix.shape[-1] == columns:
                grams.append(observed.matrix)
    if len({gram.shape for gram in grams}) > 1:
        return "shares its weight with a node that multiplies it in another form"
    if not grams:
        return reasons[0] if reasons else None
    total = np.sum(grams, axis=0) if len(grams) > 1 else grams[0]
    return total if np.isfinite(total).all() else "reads values that are not finite"


def _is_ranked(x: ir.Value) -> bool:
    return x.shape is not None and len(x.shape) >= 2
