"""The story of one export: capture → translate → tidy → name → compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from ....errors import ModelError
from ..built import Built
from .capture import capture, free_dims
from .dims import asked_dims, enlarged
from .leaves import leaf_names, leaves, output_names
from .naming import name_after_modules
from .program import Dims, Program
from .tidy import tidy
from .translate import translate
from .verify import run_example, verify

if TYPE_CHECKING:
    import torch

__all__ = ["export"]


def export(program: Program, dynamic: Mapping[str, Dims], cases: Iterable[Mapping[str, Any]]) -> Built:
    """Make an ONNX model of a module, and compare both.

    Args:
        program: The module and an example.
        dynamic: What the user says of dimensions, by input.
        cases: What both are compared on besides the example.

    Raises:
        ModelError: The module cannot be exported, or its export computes something else.
        OptionError: `dynamic` does not fit the module.
    """
    import torch

    names = list(program.names) or leaf_names(dict(program.inputs))
    said = {**program.dynamic, **dynamic}
    with torch.random.fork_rng(devices=()):
        outputs = output_names(run_example(program), names)
        exported, inputs, symbols, notes = _captured(program, names, said)
        model = translate(exported, symbols, program.origin)
        weights = frozenset({*exported.state_dict, *exported.constants}) & set(model.graph.initializers)
        tidy(model, weights)
        name_after_modules(model, names, outputs, program.wrapper)
        found = verify(model, program, chain([inputs], program.others, cases), names, outputs)
    compared = f"{found.samples} sample{'s' if found.samples > 1 else ''}"
    told = f"exported by torch {torch.__version__.partition('+')[0]}, within {found.relative:.1g} of it on {compared}"
    model.producer_version = torch.__version__.partition("+")[0]  # what it was built for computes the same
    return Built(
        model=model,
        files=program.files,
        companions=program.companions,
        notes=(*program.notes, told, *notes),
    )


def _captured(
    program: Program, names: list[str], said: Mapping[str, Dims]
) -> tuple[torch.export.ExportedProgram, Mapping[str, Any], dict[str, str], tuple[str, ...]]:
    """The captured module, what it is compared on first, what torch's symbols are called, and notes."""
    origin, tensors = program.origin, leaves(dict(program.inputs))
    free = asked_dims(names, tensors, said, origin)
    if program.exported is not None:
        symbols, _ = free_dims(program.exported, names, free, said, origin)
        return program.exported, program.inputs, symbols, ()
    inputs = enlarged(program.inputs, names, tensors, free)
    try:
        exported = capture(program, inputs, names, free)
        symbols, every = free_dims(exported, names, free, said, origin)
        if every:
            return exported, inputs, symbols, ()
    except ModelError:
        if all(name in said for name in names):
            raise
    # A batch that nobody asked for is given up: the first dimensions stay as the example has them.
    fixed = {name: dims if name in said else (None,) * len(dims) for name, dims in free.items()}
    inputs = enlarged(program.inputs, names, tensors, fixed)
    exported = capture(program, inputs, names, fixed)
    symbols, _ = free_dims(exported, names, fixed, said, origin)
    sizes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in zip(names, leaves(dict(inputs)), strict=True))
    return exported, inputs, symbols, (f"the module takes no other batch than its example: {sizes}",)
