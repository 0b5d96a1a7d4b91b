"""Refuses a model of dynamic shapes for a target that runs static ones only."""

from __future__ import annotations

import onnx_ir as ir

from ..errors import ModelError
from ..targets.spec import TargetSpec

__all__ = ["check_static"]


def check_static(model: ir.Model, target: TargetSpec) -> None:
    """Every dimension of every input must be a number.

    Args:
        model: As it was loaded, its shapes fixed as far as the user fixed them.
        target: A target of static shapes.

    Raises:
        ModelError: An input has a dynamic dimension; names a shape to fix it to.
    """
    for value in model.graph.inputs:
        if value.is_initializer():
            continue
        dims = None if value.shape is None else [dim if isinstance(dim, int) else dim.value for dim in value.shape]
        if dims is not None and all(isinstance(dim, int) for dim in dims):
            continue
        shape = "an unknown shape" if dims is None else f"shape ({', '.join(str(dim or '?') for dim in dims)})"
        wanted = ",".join(_wanted(axis, dim) for axis, dim in enumerate(dims or ("?",)))
        raise ModelError(
            f"input {value.name!r}",
            f"has {shape}, and target {target.name} runs static shapes only",
            affects="With a dynamic shape the device's whole graph runs on its CPU",
            remedy=f"Fix it, say --shape {value.name}={wanted}",
        )


def _wanted(axis: int, dim: int | str | None) -> str:
    """A dimension as the user may fix it; one sample at a time is how a device runs."""
    return str(dim) if isinstance(dim, int) else "1" if axis == 0 and dim != "?" else "N"
