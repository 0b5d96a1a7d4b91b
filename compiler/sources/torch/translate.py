"""A captured module in ONNX's operators, one by one, in memory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import onnx_ir as ir

from .attention import translations
from .explain import not_translated
from .quiet import quiet

if TYPE_CHECKING:
    import torch

__all__ = ["OPSET", "translate"]

# The oldest with a Gelu of its own, and the newest that every runtime reads: load raises it or lowers it.
OPSET = 20


def translate(exported: torch.export.ExportedProgram, symbols: Mapping[str, str], origin: str) -> ir.Model:
    """The model; weights stay in the module's own memory.

    Args:
        exported: The captured module.
        symbols: What torch's symbols of sizes are called.
        origin: How messages call the model.

    Raises:
        ModelError: It has an operator that ONNX has not.
    """
    import torch

    with quiet(), torch.no_grad():
        try:
            made = torch.onnx.export(
                exported,
                dynamo=True,
                opset_version=OPSET,
                optimize=False,
                verbose=False,
                custom_translation_table=translations(),
            )
        except Exception as error:  # its errors have no common ground, and are nested
            raise not_translated(origin, exported, error) from error
    assert made is not None
    model = made.model
    _name_sizes(model, symbols)
    return model


def _name_sizes(model: ir.Model, symbols: Mapping[str, str]) -> None:
    """Write names for symbols, alone or in what is computed of them: `s77`, `4*s77`."""
    if not symbols:
        return
    pattern = re.compile("|".join(rf"\b{re.escape(symbol)}\b" for symbol in sorted(symbols, key=len, reverse=True)))
    for value in _values(model):
        if value.shape is None:
            continue
        for axis, dim in enumerate(value.shape):
            if isinstance(dim, ir.SymbolicDim) and dim.value is not None:
                named = pattern.sub(lambda match: symbols[match[0]], dim.value)
                value.shape[axis] = ir.SymbolicDim(named)


def _values(model: ir.Model) -> list[ir.Value]:
    found = [*model.graph.inputs]
    for graph in model.graphs():
        for node in graph:
            found.extend(node.outputs)
    return found
