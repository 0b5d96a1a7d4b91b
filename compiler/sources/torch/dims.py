"""Which dimensions are free, and what they are called.

torch proves what may vary while it traces: a dimension asked to be free is free unless the code fixes it. Sizes 0 and 1
are always fixed (they broadcast), so the example is repeated until a free dimension has 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ....errors import OptionError
from .leaves import leaf_names
from .program import Dims

if TYPE_CHECKING:
    import torch

__all__ = ["BATCH", "asked_dims", "enlarged", "free_tree"]

BATCH = "batch"


def asked_dims(
    names: Sequence[str], tensors: Sequence[torch.Tensor], said: Mapping[str, Dims], origin: str
) -> dict[str, tuple[str | None, ...]]:
    """Names of the dimensions that are to be free, by input; None for those that are fixed.

    Args:
        names: The inputs.
        tensors: An example of each.
        said: What was said of some of them; of the others the first dimension is free and called `batch`.
        origin: How messages call the model.

    Raises:
        OptionError: What was said is of no input, or does not fit the example.
    """
    for name in said:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            raise OptionError(
                _written(name, said[name]),
                f"{origin} has no input {name!r}" + (f", did you mean {near[0]!r}?" if near else ""),
                remedy=f"Its inputs are {', '.join(names)}",
            )
    found: dict[str, tuple[str | None, ...]] = {}
    for name, tensor in zip(names, tensors, strict=True):
        dims = said.get(name)
        if dims is None:
            found[name] = tuple(None if axis else BATCH for axis in range(tensor.dim()))
            continue
        _check(name, dims, tensor)
        found[name] = tuple(dim if isinstance(dim, str) else None for dim in dims)
    return found


def enlarged(
    inputs: Any, names: Sequence[str], tensors: Sequence[torch.Tensor], asked: Mapping[str, Sequence[str | None]]
) -> Any:
    """The example with every free dimension repeated up to 2; dimensions of one name stay of one size.

    Args:
        inputs: What `forward` is called on.
        names: What its tensors are called.
        tensors: They.
        asked: Names of free dimensions by input.
    """
    import torch
    from torch.utils import _pytree

    least = {dim: 2 for dims in asked.values() for dim in dims if dim is not None}
    for name, tensor in zip(names, tensors, strict=True):
        for axis, dim in enumerate(asked[name]):
            if dim is not None:
                least[dim] = max(least[dim], tensor.shape[axis])
    order = iter(names)

    def grown(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        for axis, dim in enumerate(asked[next(order)]):
            if dim is not None:
                leaf = _repeated(leaf, axis, least[dim])
        return leaf

    return _pytree.tree_map(grown, inputs)


def free_tree(inputs: Any, names: Sequence[str], asked: Mapping[str, Sequence[str | None]]) -> Any:
    """What `torch.export` takes as `dynamic_shapes`: what is asked to be free is left to it."""
    import torch
    from torch.utils import _pytree

    order, free = iter(names), torch.export.Dim.AUTO

    def dims(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return None
        return {axis: free for axis, dim in enumerate(asked[next(order)]) if dim is not None}

    return _pytree.tree_map(dims, dict(inputs))


def _check(name: str, dims: Dims, tensor: torch.Tensor) -> None:
    have = list(tensor.shape)
    if len(dims) != len(have):
        raise OptionError(
            _written(name, dims),
            f"gives {len(dims)} dimensions, the example has {len(have)}: {have}",
            remedy="Give one word for each: a name where it is free, a number where it is fixed",
        )
    for dim, size in zip(dims, have, strict=True):
        if isinstance(dim, int) and dim != size:
            raise OptionError(
                _written(name, dims),
                f"fixes {dim}, the example has {size}: {have}",
                remedy="Give samples of that size, or a name where it is free",
            )


def _repeated(tensor: torch.Tensor, axis: int, size: int) -> torch.Tensor:
    """The tensor again and again along an axis, until it has `size`; of none, zeros."""
    import torch

    have = tensor.shape[axis]
    if have == size:
        return tensor
    if have == 0:
        return torch.zeros([size if at == axis else n for at, n in enumerate(tensor.shape)], dtype=tensor.dtype)
    return torch.cat([tensor] * -(-size // have), axis).narrow(axis, 0, size).contiguous()


def _written(name: str, dims: Dims) -> str:
    return f"--dynamic {name}={','.join(map(str, dims))}"


def leaf_table(inputs: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """The names of tensors, given or by their arguments."""
    return list(names) or leaf_names(dict(inputs))
