"""The peak of a static compile: the larger of what observing and what the guard hold above the process as it is.

Constants are fitted to 16 models of 0.1 to 14 MB of weights (ONNX Runtime 1.31.1 on Linux x86-64, 2026-11-21). What a
search holds that goes on after the guard is not known beforehand, nor are the buffers that some kernels take.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import onnx_ir as ir

from ...passes.observe.statistics import Counts, Need
from ..materialize import weight_bytes
from ..observing.layout import lay_out, usable_cores
from .liveness import peak_activation_bytes, value_elements
from .memory import resident_bytes

__all__ = ["compile_peak", "guard_bytes"]

# What runs for the first time: modules, ONNX Runtime's pages, threads; and ONNX Runtime where it is not there yet.
_FIRST_BYTES, _RUNTIME_BYTES = 20_000_000, 19_000_000
# Of each session: copies of the weights (as they are, and packed), a node and the statistics of what it makes, and
# activations of each worker's arena.
_COPIES, _NODE_BYTES, _ARENA = 2.05, 28_700, 0.75
# Of the guard: copies of the weights in float and in the candidate, and arenas of both.
_GUARD_BYTES, _GUARD_COPIES, _GUARD_ARENA = 3_000_000, 3.5, 1.3
# As `searching/bench.py`: answers that are kept, of float and of the candidate.
_ANSWER_MACS, _FEWEST, _MOST, _ANSWERS_BYTES = 1e9, 8, 64, 128 << 20


def compile_peak(
    model: ir.Model, needs: Sequence[Need], *, samples: int, sessions: int, threads: int, macs: int, guarded: bool
) -> int:
    """Bytes this process will have held at most.

    Args:
        model: The model with its decisions taken; dimensions are those of a sample.
        needs: What will be observed.
        samples: How many there are.
        sessions: Open at once while observing.
        threads: Cores to use; 0 is all of them.
        macs: Of one inference.
        guarded: Whether float and the candidate are compared.
    """
    values = {str(value.name): 4 * value_elements(value) for value in model.graph.inputs}
    values |= {str(value.name): 4 * value_elements(value) for node in model.graph for value in node.outputs}
    weights, activations = weight_bytes(model), peak_activation_bytes(model, lambda _: 4)
    layout = lay_out(model, needs, threads)
    runs = layout.workers * layout.batch
    held = sessions * (_COPIES * weights + _NODE_BYTES * len(model.graph) + _ARENA * runs * activations)
    held += runs * sum(_shown(need, values[need.value]) for need in needs)
    if guarded:
        held = max(held, guard_bytes(model, samples=samples, threads=threads, macs=macs))
    first = _FIRST_BYTES + (0 if "onnxruntime" in sys.modules else _RUNTIME_BYTES)
    return int(resident_bytes() + first + held)


def guard_bytes(model: ir.Model, *, samples: int, threads: int, macs: int) -> float:
    """Bytes that comparing float and a candidate holds above the process: weights, arenas, answers of both.

    Args:
        model: The model; dimensions are those of a sample.
        samples: How many there are to choose from.
        threads: Samples run at once; 0 is all cores.
        macs: Of one inference.
    """
    looked_at = min(samples, max(_FEWEST, min(_MOST, int(_ANSWER_MACS / max(1, macs)))))
    answers = min(_ANSWERS_BYTES, looked_at * sum(4 * value_elements(each) for each in model.graph.outputs))
    arenas = 2 * (threads or usable_cores()) * _GUARD_ARENA * peak_activation_bytes(model, lambda _: 4)
    return _GUARD_BYTES + _GUARD_COPIES * weight_bytes(model) + arenas + 2 * answers


def _shown(need: Need, size: int) -> int:
    """Bytes of the elements that one sample shows to be counted."""
    if not isinstance(need.statistic, Counts):
        return 0
    return size if need.statistic.elements is None else min(size, 4 * need.statistic.elements)
