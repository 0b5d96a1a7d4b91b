"""`.pt2`: a program that torch.export.save wrote; it brings its own example and its own free dimensions."""

from __future__ import annotations

from pathlib import Path

from ....errors import ModelError
from .explain import first_line
from .leaves import leaves
from .program import Program
from .quiet import quiet

__all__ = ["read_exported"]


def read_exported(path: Path, origin: str) -> Program:
    """Read a program.

    Raises:
        ModelError: It is none, or has no example inputs.
    """
    import torch

    with quiet():
        try:
            exported = torch.export.load(path)
        except Exception as error:  # a torn zip, another version's schema
            raise ModelError(
                origin,
                f"cannot be read by torch.export: {first_line(error)}",
                remedy="Save it again: torch.export.save(program, 'model.pt2')",
            ) from error
    return program_of(exported, origin, (path.resolve(),))


def program_of(exported: object, origin: str, files: tuple[Path, ...] = ()) -> Program:
    """A program in memory.

    Raises:
        ModelError: It has no example inputs.
    """
    import torch

    assert isinstance(exported, torch.export.ExportedProgram)
    example = exported.example_inputs
    if example is None:
        raise ModelError(origin, "has no example inputs", remedy="Export it again with torch.export.export")
    args, kwargs = example
    inputs = {**{f"input_{place}": value for place, value in enumerate(args)}, **kwargs}
    # None and numbers of Python were given too, and are constants by now.
    tensors = {node.name for node in exported.graph.nodes if isinstance(node.meta.get("val"), torch.Tensor)}
    names = [str(name) for name in exported.graph_signature.user_inputs if name in tensors]
    return Program(
        origin=origin,
        module=exported.module(),
        inputs=inputs,
        exported=exported,
        positional=len(args),
        names=tuple(name for name, _ in zip(names, leaves(inputs), strict=True)),
        files=files,
    )
