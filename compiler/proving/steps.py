"""How far a place is from the reference, in quantization steps: the unit in which kernels differ.

One step of an output is the scale of the DequantizeLinear that writes it; for an output that no such node writes
(a Gemm with float output, a Softmax), 1/255 of the range the reference's answers span.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ...runtimes.around import Around
from ...runtimes.base import Feeds, Session
from ...runtimes.compare import Comparer, Comparison

__all__ = ["Beside", "OutputSteps", "output_steps"]

_LEVELS = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputSteps:
    """One output of a place against the reference's.

    Attributes:
        step: One quantization step, in the output's unit; None for integers and strings.
        max_steps: Largest difference in steps; None as above.
        comparison: Signal to noise, equal share and the rest.
    """

    step: float | None
    max_steps: float | None
    comparison: Comparison

    def to_json(self) -> dict[str, object]:
        return {"step": self.step, "max_steps": self.max_steps, **self.comparison.to_json()}


class Beside(Around):
    """A session of a place that also runs the reference, and keeps how far they are apart.

    Each answer is compared on the same feeds: state that is fed back is the place's own.

    Args:
        session: The place's.
        reference: The same bundle in the reference.
        steps: One step of each output, where the graph tells it.
    """

    def __init__(self, session: Session, reference: Session, steps: Mapping[str, float]) -> None:
        super().__init__(session)
        self._reference = reference
        self._steps = steps
        self._comparers = {info.name: Comparer() for info in session.outputs}
        self._low = dict.fromkeys(self._comparers, np.inf)
        self._high = dict.fromkeys(self._comparers, -np.inf)

    def run(self, feeds: Feeds) -> dict[str, np.ndarray]:
        """The place's outputs."""
        answer, wanted = self._session.run(feeds), self._reference.run(feeds)
        for name, comparer in self._comparers.items():
            reference = wanted[name]
            comparer.add(reference, answer[name])
            if reference.size and reference.dtype.kind == "f":
                self._low[name] = min(self._low[name], float(np.nanmin(reference)))
                self._high[name] = max(self._high[name], float(np.nanmax(reference)))
        return answer

    def close(self) -> None:
        """Free both sessions."""
        super().close()
        self._reference.close()

    def results(self) -> dict[str, OutputSteps]:
        """What was found so far, by output."""
        found = {}
        for name, comparer in self._comparers.items():
            comparison, step = comparer.result(), self._step(name)
            error = comparison.max_error
            apart = None if step is None or error is None else error / step
            found[name] = OutputSteps(step=step, max_steps=apart, comparison=comparison)
        return found

    def _step(self, name: str) -> float | None:
        if name in self._steps:
            return self._steps[name]
        span = self._high[name] - self._low[name]
        return float(span / _LEVELS) if np.isfinite(span) and span > 0 else None


def output_steps(model: Path) -> dict[str, float]:
    """One step of each output that a DequantizeLinear with one scale writes, possibly behind moves of elements.

    Args:
        model: An ONNX file.
    """
    graph = onnx.load(model, load_external_data=False).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    made: dict[str, Any] = {name: node for node in graph.node for name in node.output}
    steps = {}
    for output in graph.output:
        node = made.get(output.name)
        while node is not None and node.op_type in _MOVES:
            node = made.get(node.input[0])
        if node is None or node.op_type != "DequantizeLinear" or node.input[1] not in constants:
            continue
        scale = onnx.numpy_helper.to_array(constants[node.input[1]])
        if scale.size == 1:
            steps[output.name] = float(scale.reshape(()))
    return steps


_MOVES = frozenset({"Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Slice", "Gather"})
