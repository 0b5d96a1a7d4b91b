"""LSTM, GRU and RNN as ONNX has them: one node a layer, any number of steps.

torch writes them out step by step when it traces, for the one length of the example. ONNX's gates stand in another
order: LSTM i, o, f, c (torch i, f, g, o), GRU z, r, h (torch r, z, n) with `linear_before_reset`; onnx 1.23, operators
LSTM-14, GRU-14, RNN-14.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["as_operators"]

_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}
_SINCE = 14


@contextmanager
def as_operators() -> Iterator[None]:
    """Inside, recurrent modules trace as nodes of ONNX; they cannot be run."""
    from torch import nn

    kinds: Any = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}
    before = {name: kind.forward for name, kind in kinds.items()}
    try:
        for name, kind in kinds.items():
            kind.forward = _forward_of(name, before[name])
        yield
    finally:
        for name, kind in kinds.items():
            kind.forward = before[name]


def _forward_of(op: str, before: Any) -> Any:
    def forward(self: Any, input: Any, hx: Any = None) -> Any:  # noqa: A002 - its name in torch
        import torch

        if not isinstance(input, torch.Tensor) or input.dim() != 3 or getattr(self, "proj_size", 0):
            return before(self, input, hx)
        return _written(self, op, input, hx)

    return forward


def _written(module: Any, op: str, x: torch.Tensor, start: Any) -> Any:
    """The layers one after the other, x (batch, steps, channels) where `batch_first`, else (steps, batch, channels)."""
    import torch

    both, hidden = 2 if module.bidirectional else 1, module.hidden_size
    if module.batch_first:
        x = x.transpose(0, 1)
    steps, batch = x.shape[0], x.shape[1]
    starts = [] if start is None else [start] if isinstance(start, torch.Tensor) else list(start)
    states = 2 if op == "LSTM" else 1
    ends: list[list[torch.Tensor]] = [[] for _ in range(states)]
    attributes: dict[str, Any] = {
        "hidden_size": hidden,
        "direction": "bidirectional" if both == 2 else "forward",
    }
    if op == "GRU":
        attributes["linear_before_reset"] = 1
    if op == "RNN":
        attributes["activations"] = ["Tanh" if module.nonlinearity == "tanh" else "Relu"] * both
    for layer in range(module.num_layers):
        weights = [_joined(module, op, f"{kind}_l{layer}", both) for kind in ("weight_ih", "weight_hh")]
        bias = None
        if module.bias:
            bias = torch.cat([_joined(module, op, f"{kind}_l{layer}", both) for kind in ("bias_ih", "bias_hh")], 1)
        here = [each[layer * both : (layer + 1) * both] for each in starts]
        operands = (x, *weights, bias, None, *here)
        shape = (both, batch, hidden)
        made = torch.onnx.ops.symbolic_multi_out(
            op,
            operands,
            attrs=attributes,
            dtypes=(x.dtype,) * (1 + states),
            shapes=((steps, both, batch, hidden), *(shape,) * states),
            version=_SINCE,
        )
        for kept, end in zip(ends, made[1:], strict=True):
            kept.append(end)
        x = made[0].permute(0, 2, 1, 3).reshape(steps, batch, both * hidden)
    if module.batch_first:
        x = x.transpose(0, 1)
    last = [torch.cat(each, 0) for each in ends]
    return x, (tuple(last) if op == "LSTM" else last[0])


def _joined(module: Any, op: str, name: str, both: int) -> torch.Tensor:
    """A parameter of all directions, its gates in ONNX's order: (directions, gates · hidden, ...)."""
    import torch

    parts = [getattr(module, name + suffix) for suffix in ("", "_reverse")[:both]]
    order = _GATES[op]
    if len(order) > 1:
        parts = [torch.cat([part.chunk(len(order), 0)[gate] for gate in order], 0) for part in parts]
    return torch.stack(parts)
