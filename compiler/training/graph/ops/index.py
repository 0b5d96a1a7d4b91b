"""Operators that look up, scatter, sort and count."""

from __future__ import annotations

import torch
from torch import Tensor

from ..call import Call
from ..steps import Operator
from .together import together

__all__ = ["OPERATORS"]


def _whole(indices: Tensor, size: int) -> Tensor:
    """Indices from 0, where some count from the end."""
    indices = indices.long()
    return torch.where(indices < 0, indices + size, indices)


def _gather(call: Call, x: Tensor, indices: Tensor) -> Tensor:
    x, indices = together(x, indices)
    axis = call.get("axis", 0) % x.dim()
    flat = _whole(indices, x.shape[axis]).reshape(-1)
    return x.index_select(axis, flat).reshape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])


def _gather_elements(call: Call, x: Tensor, indices: Tensor) -> Tensor:
    x, indices = together(x, indices)
    axis = call.get("axis", 0) % x.dim()
    return torch.gather(x, axis, _whole(indices, x.shape[axis]))


def _gather_nd(call: Call, x: Tensor, indices: Tensor) -> Tensor:
    x, indices = together(x, indices)
    batch = call.get("batch_dims", 0)
    depth = indices.shape[-1]
    before = []
    for k in range(batch):
        shape = [1] * (indices.dim() - 1)
        shape[k] = -1
        before.append(torch.arange(x.shape[k], device=x.device).reshape(shape))
    return x[(*before, *(_whole(indices[..., k], x.shape[batch + k]) for k in range(depth)))]


_REDUCED = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def _scatter_elements(call: Call, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    x, indices, updates = together(x, indices, updates)
    axis = call.get("axis", 0) % x.dim()
    at, how = _whole(indices, x.shape[axis]), call.get("reduction", "none")
    if how == "none":
        return x.scatter(axis, at, updates)
    return x.scatter_reduce(axis, at, updates, _REDUCED[how])


def _scatter_nd(call: Call, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    x, indices, updates = together(x, indices, updates)
    depth, how = indices.shape[-1], call.get("reduction", "none")
    at = torch.zeros(indices.shape[:-1], dtype=torch.int64, device=x.device)
    for k in range(depth):
        at = at * x.shape[k] + _whole(indices[..., k], x.shape[k])
    rest = x.shape[depth:]
    width = rest.numel()
    places = (at.reshape(-1, 1) * width + torch.arange(width, device=x.device)).reshape(-1)
    flat, new = x.reshape(-1), updates.reshape(-1)
    made = flat.scatter(0, places, new) if how == "none" else flat.scatter_reduce(0, places, new, _REDUCED[how])
    return made.reshape(x.shape)


def _top_k(call: Call, x: Tensor, k: Tensor | None = None) -> tuple[Tensor, Tensor]:
    count = int(call.attributes["k"] if k is None else k.item())
    found = torch.topk(
        x, count, call.get("axis", -1), largest=bool(call.get("largest", 1)), sorted=bool(call.get("sorted", 1))
    )
    return found.values, found.indices


def _arg(call: Call, x: Tensor) -> Tensor:
    axis, kept = call.get("axis", 0), bool(call.get("keepdims", 1))
    signed = x if call.op == "ArgMax" else -x
    if call.get("select_last_index", 0):
        return x.shape[axis] - 1 - signed.flip(axis).argmax(axis, keepdim=kept)
    return signed.argmax(axis, keepdim=kept)


def _nonzero(call: Call, x: Tensor) -> Tensor:
    return torch.nonzero(x).t()


def _cumulated(call: Call, x: Tensor, axis: Tensor) -> Tensor:
    along = int(axis.item())
    x = x.flip(along) if call.get("reverse", 0) else x
    made = x.cumsum(along).to(x.dtype)
    made = made - x if call.get("exclusive", 0) else made
    return made.flip(along) if call.get("reverse", 0) else made


def _triangle(call: Call, x: Tensor, k: Tensor | None = None) -> Tensor:
    offset = 0 if k is None else int(k.item())
    return torch.triu(x, offset) if call.get("upper", 1) else torch.tril(x, offset)


def _one_hot(call: Call, indices: Tensor, depth: Tensor, values: Tensor) -> Tensor:
    indices, values = together(indices, values)
    count = int(depth.item())
    axis = call.get("axis", -1)
    axis = axis + indices.dim() + 1 if axis < 0 else axis
    at = indices.long()
    at = torch.where(at < 0, at + count, at).unsqueeze(axis)
    shape = [1] * at.dim()
    shape[axis] = count
    hot = at == torch.arange(count, device=at.device).reshape(shape)
    return torch.where(hot, values[1], values[0])


OPERATORS: dict[str, Operator] = {
    "ArgMax": _arg,
    "ArgMin": _arg,
    "CumSum": _cumulated,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "NonZero": _nonzero,
    "OneHot": _one_hot,
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
    "TopK": _top_k,
    "Trilu": _triangle,
}
