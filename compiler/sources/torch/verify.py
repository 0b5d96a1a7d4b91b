"""The exported model against the module itself, before anything else is done with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from ....errors import ModelError
from ....runtimes.ort import OrtCpu
from ...materialize import in_memory
from .explain import first_line, state_kept
from .frames import line_of_error
from .leaves import leaves
from .program import Program
from .quiet import quiet

__all__ = ["TOLERANCE", "Difference", "run_example", "verify"]

# max |ONNX - torch| / max |torch| of an output.
TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """The output that differs most.

    Attributes:
        output: Its name.
        relative: max |ONNX - torch| / max |torch|; for integers and truths the share that differs.
        samples: How many were compared.
    """

    output: str
    relative: float
    samples: int


def run_module(program: Program, inputs: Mapping[str, Any]) -> Any:
    """What the module gives.

    Args:
        program: The module.
        inputs: What it is called on.

    Raises:
        ModelError: It raises; names the user's line.
    """
    import torch

    with torch.no_grad(), quiet():
        try:
            values = list(inputs.items())
            return program.module(
                *(value for _, value in values[: program.positional]), **dict(values[program.positional :])
            )
        except Exception as error:  # the user's own code may raise anything
            line = line_of_error(error)
            at = f" at {line}" if line else ""
            raise ModelError(
                program.origin,
                f"forward raised {type(error).__name__}{at}: {first_line(error)}",
                affects=f"It was called on {_described(inputs)}",
                remedy="Give samples that the module takes, or mend it",
            ) from error


def run_example(program: Program) -> Any:
    """What the module gives for its example; it is called for the first time, and watched.

    Raises:
        ModelError: It raises, gives no tensor, or changes its own buffers, which are put back.
    """
    module = program.module
    before = {name: (buffer, buffer._version, buffer.clone()) for name, buffer in module.named_buffers()}
    found = run_module(program, program.inputs)
    changed = ""
    for name, (buffer, version, value) in before.items():
        if module.get_buffer(name) is not buffer or buffer._version != version:
            changed = changed or name
            owner, _, last = name.rpartition(".")
            module.get_submodule(owner)._buffers[last] = buffer
            buffer.copy_(value)
    if changed:
        raise state_kept(program.origin, module, changed)
    if not leaves(found):
        raise ModelError(program.origin, "gives no tensor", remedy="Return tensors from forward")
    return found


def verify(
    model: ir.Model,
    program: Program,
    cases: Iterable[Mapping[str, Any]],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> Difference:
    """Run both on the same inputs.

    Args:
        model: The exported model; as it was afterwards.
        program: What it was exported from.
        cases: What `forward` is called on, one after the other.
        inputs: Names of the model's inputs, in order.
        outputs: Names of its outputs, in order.

    Returns:
        The output that differs most.

    Raises:
        ModelError: One differs by more than `TOLERANCE`, or the module gives NaN.
    """
    origin = program.origin
    session = OrtCpu().open(in_memory(model))
    worst, count = Difference(output=outputs[0], relative=0.0, samples=0), 0
    try:
        for count, case in enumerate(cases, 1):
            given = leaves(dict(case))
            wanted = [tensor.detach().cpu().numpy() for tensor in leaves(run_module(program, case))]
            needed = {info.name for info in session.inputs}
            feeds = {name: tensor.numpy() for name, tensor in zip(inputs, given, strict=True) if name in needed}
            made = session.run(feeds)
            for name, want in zip(outputs, wanted, strict=True):
                found = _relative(made[name], want, name, origin)
                if found > worst.relative:
                    worst = Difference(output=name, relative=found, samples=count)
    finally:
        session.close()
    if worst.relative > TOLERANCE:
        raise ModelError(
            f"{origin}, output {worst.output!r}",
            f"differs from the module by {worst.relative:.2g} of its largest value, {TOLERANCE:.0e} is allowed",
            affects=f"Compared on {count} of the samples that were given",
            remedy="Report it with the module: its export does not compute what it does",
        )
    return Difference(output=worst.output, relative=worst.relative, samples=count)


def _relative(made: np.ndarray, want: np.ndarray, name: str, origin: str) -> float:
    if made.shape != want.shape:
        raise ModelError(
            f"{origin}, output {name!r}",
            f"has shape {list(made.shape)}, the module gives {list(want.shape)}",
            remedy="Fix the dimension that the code fixes: name dimensions with --dynamic",
        )
    if want.dtype.kind != "f":
        return float(np.mean(made != want)) if want.size else 0.0
    if np.isnan(want).any():
        raise ModelError(
            f"{origin}, output {name!r}",
            f"has {int(np.isnan(want).sum())} NaN of {want.size} values already in torch",
            remedy="Mend the weights or the samples: NaN cannot be compared or quantized",
        )
    same = made == want  # infinities of one sign are equal
    gap = np.abs(np.where(same, 0, made.astype(np.float64)) - np.where(same, 0, want.astype(np.float64)))
    finite = np.abs(want[np.isfinite(want)])
    largest = float(finite.max()) if finite.size else 0.0
    return float(gap.max(initial=0.0)) / (largest or 1.0) if np.isfinite(gap).all() else float("inf")


def _described(inputs: Mapping[str, Any]) -> str:
    parts = []
    for name, value in inputs.items():
        shapes = ", ".join(f"{str(leaf.dtype).removeprefix('torch.')} {list(leaf.shape)}" for leaf in leaves(value))
        parts.append(f"{name}: {shapes or type(value).__name__}")
    return "; ".join(parts)
