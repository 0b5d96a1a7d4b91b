"""Reductions along axes: attributes up to operator set 12 or 17, an input since."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ..call import Call
from ..steps import Operator
from .shape import axes_of

__all__ = ["OPERATORS"]
_Reduced = Callable[[Tensor, list[int], bool], Tensor]


def _product(x: Tensor, axes: list[int], kept: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = x.prod(axis, keepdim=kept)
    return x


def _log_sum_exp(x: Tensor, axes: list[int], kept: bool) -> Tensor:
    return x.logsumexp(axes, keepdim=kept)


_KINDS: dict[str, _Reduced] = {
    "ReduceL1": lambda x, axes, kept: x.abs().sum(axes, keepdim=kept),
    "ReduceL2": lambda x, axes, kept: x.square().sum(axes, keepdim=kept).sqrt(),
    "ReduceLogSum": lambda x, axes, kept: x.sum(axes, keepdim=kept).log(),
    "ReduceLogSumExp": _log_sum_exp,
    "ReduceMax": lambda x, axes, kept: x.amax(axes, keepdim=kept),
    "ReduceMean": lambda x, axes, kept: x.mean(axes, keepdim=kept),
    "ReduceMin": lambda x, axes, kept: x.amin(axes, keepdim=kept),
    "ReduceProd": _product,
    "ReduceSum": lambda x, axes, kept: x.sum(axes, keepdim=kept, dtype=x.dtype),
    "ReduceSumSquare": lambda x, axes, kept: x.square().sum(axes, keepdim=kept, dtype=x.dtype),
}


def _reduce(reduced: _Reduced) -> Operator:
    def run(call: Call, x: Tensor, axes: Tensor | None = None) -> Tensor:
        which = axes_of(call, axes)
        if not which:
            if call.get("noop_with_empty_axes", 0):
                return x
            which = list(range(x.dim()))
        return reduced(x, [axis % x.dim() for axis in which] if x.dim() else [], bool(call.get("keepdims", 1)))

    return run


OPERATORS: dict[str, Operator] = {name: _reduce(kind) for name, kind in _KINDS.items()}
