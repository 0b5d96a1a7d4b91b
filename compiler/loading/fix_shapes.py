"""Fix the shapes of inputs, as `--shape` asks."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import onnx

from ...errors import OptionError

__all__ = ["fix_shapes", "shape_text"]


def fix_shapes(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Give inputs fixed shapes; a symbol fixed in one input gets the same size everywhere.

    Args:
        model: Changed in place.
        shapes: Sizes by input name.

    Raises:
        OptionError: No such input, another rank, a size that contradicts the model, or one symbol with two sizes.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = {value.name: value for value in model.graph.input if value.name not in constants}
    sizes: dict[str, tuple[int, str]] = {}
    for name, shape in shapes.items():
        where = f"--shape {name}={','.join(map(str, shape))}"
        if name not in inputs:
            near = difflib.get_close_matches(name, inputs, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"The inputs are: {', '.join(inputs)}"
            raise OptionError(where, f"the model has no input {name!r}", remedy=hint)
        _fix(inputs[name], shape, sizes, where)
    if sizes:
        for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
            for dim in value.type.tensor_type.shape.dim:
                if dim.dim_param in sizes:
                    dim.dim_value = sizes[dim.dim_param][0]


def shape_text(value: onnx.ValueInfoProto) -> str:
    """A declared shape as messages write it."""
    dims = value.type.tensor_type.shape.dim
    return f"[{', '.join(str(dim.dim_value) if dim.HasField('dim_value') else dim.dim_param or '?' for dim in dims)}]"


def _fix(value: onnx.ValueInfoProto, shape: tuple[int, ...], sizes: dict[str, tuple[int, str]], where: str) -> None:
    if not value.type.HasField("tensor_type"):
        raise OptionError(where, f"input {value.name!r} is not a tensor", remedy="Leave it out")
    tensor = value.type.tensor_type
    declared = tensor.shape.dim
    if tensor.HasField("shape") and len(declared) != len(shape):
        raise OptionError(
            where,
            f"has {len(shape)} dimensions, input {value.name!r} has {len(declared)}: {shape_text(value)}",
            remedy="Give one size per dimension",
        )
    if not tensor.HasField("shape"):
        tensor.shape.SetInParent()
        for _ in shape:
            declared.add()
    for axis, (dim, size) in enumerate(zip(declared, shape, strict=True)):
        if size < 0:
            raise OptionError(where, f"size {size} of dimension {axis} is negative", remedy="Give a size")
        if dim.HasField("dim_value") and dim.dim_value != size:
            raise OptionError(
                where,
                f"dimension {axis} of input {value.name!r} is fixed to {dim.dim_value} in the model",
                remedy=f"Give {dim.dim_value}, or export the model with a dynamic dimension",
            )
        if dim.dim_param:
            known, other = sizes.setdefault(dim.dim_param, (size, value.name))
            if known != size:
                raise OptionError(
                    where,
                    f"dimension {dim.dim_param!r} would be {size} here and {known} in input {other!r}",
                    remedy="Give the same size to both",
                )
        dim.dim_value = size
