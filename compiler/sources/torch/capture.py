"""A module captured by `torch.export`: no Python left in it, dimensions free where they were asked to be."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .dims import BATCH, free_tree
from .explain import changed_attribute, not_captured, not_free, wraps_trained
from .multihead import as_attention
from .program import Program
from .quiet import quiet
from .recurrent import as_operators

if TYPE_CHECKING:
    import torch

__all__ = ["capture", "free_dims"]

# What torch warns of when a module remembers something that is no buffer: it is lost.
_REMEMBERED = re.compile(r"The tensor attributes? (?P<names>.+?) (?:was|were) assigned during export")


def capture(
    program: Program, inputs: Mapping[str, Any], names: Sequence[str], asked: Mapping[str, Sequence[str | None]]
) -> torch.export.ExportedProgram:
    """Trace a module.

    Args:
        program: The module.
        inputs: What it is called on.
        names: The tensors of `inputs`.
        asked: Names of dimensions that are to be free, by tensor.

    Raises:
        ModelError: The code does what a graph cannot; names its line and the rewrite that helps. Or it wraps a module
            that was trained for integers.
    """
    import torch

    inner = next((name for name, each in program.module.named_modules() if hasattr(each, "to_learned")), None)
    if inner is not None:
        raise wraps_trained(program.origin, inner)
    dims = free_tree(inputs, names, asked)
    with quiet(), as_operators(), as_attention(), torch.no_grad(), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            exported = torch.export.export(program.module, (), kwargs=dict(inputs), dynamic_shapes=dims, strict=False)
        except Exception as error:  # torch raises what it likes, and what the user's code raised
            raise not_captured(program.origin, error) from error
    for warning in said:
        if match := _REMEMBERED.search(str(warning.message)):
            raise changed_attribute(program.origin, program.module, match["names"].partition(",")[0].strip())
    return exported


def free_dims(
    exported: torch.export.ExportedProgram,
    names: Sequence[str],
    asked: Mapping[str, Sequence[str | None]],
    said: Mapping[str, Sequence[str | int]],
    origin: str,
) -> tuple[dict[str, str], bool]:
    """What torch's symbols are called, and whether every dimension asked for is free.

    Args:
        exported: The captured module.
        names: Its inputs, in order.
        asked: Names of dimensions by input.
        said: Those the user named: these must be free.
        origin: How messages call the model.

    Returns:
        Symbol → name, and whether none of those nobody named is fixed.

    Raises:
        ModelError: A dimension that the user named is fixed by the code.
    """
    import torch

    symbols: dict[str, str] = {}
    every = True
    shapes = _input_shapes(exported)
    for name, shape in zip(names, shapes, strict=True):
        for axis, size in enumerate(shape):
            dim = asked[name][axis] if name in asked else None
            if isinstance(size, torch.SymInt) and size.node.expr.free_symbols:
                called = dim or (BATCH if axis == 0 else f"{name}_{axis}")
                symbols.setdefault(str(size.node.expr), called)
            elif dim is not None and name in said:
                raise not_free(origin, exported, name, axis, dim, int(size))
            elif dim is not None:
                every = False
    return symbols, every


def _input_shapes(exported: torch.export.ExportedProgram) -> list[Any]:
    """Shapes of what the user gives, in order."""
    import torch

    given = set(exported.graph_signature.user_inputs)
    values = [node.meta.get("val") for node in exported.graph.nodes if node.op == "placeholder" and node.name in given]
    return [value.shape for value in values if isinstance(value, torch.Tensor)]
