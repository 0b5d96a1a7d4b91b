"""Recurrent nets, step after step: RNN, GRU and LSTM (equations: ONNX 1.23, operator documentation)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..call import Call
from ..steps import Operator

__all__ = ["OPERATORS", "refuse_recurrent"]
# Makes the next state of a step: what the input gives (batch, gates), state h, and other states.
_Cell = Callable[[Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor | None]]

_ACTIVATIONS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}


def refuse_recurrent(call: Call) -> str | None:
    """Forms that are not computed: other activations than the usual, clipping, coupled gates."""
    usual = _ACTIVATIONS[call.op]
    given = call.get("activations")
    names = [each.decode() if isinstance(each, bytes) else str(each) for each in given or ()]
    if names and any(name != usual[k % len(usual)] for k, name in enumerate(names)):
        return f"activations other than {', '.join(usual)} are not computed"
    if call.get("clip", 0.0):
        return "cells with a clip are not computed"
    return "coupled gates are not computed" if call.get("input_forget", 0) else None


def _lstm(
    call: Call,
    x: Tensor,
    W: Tensor,
    R: Tensor,
    B: Tensor | None = None,
    lengths: Tensor | None = None,
    h: Tensor | None = None,
    c: Tensor | None = None,
    P: Tensor | None = None,
) -> tuple[Tensor, ...]:
    def cell(direction: int) -> _Cell:
        recurrent, bias = R[direction].t(), _biases(B, direction)
        peep = None if P is None else P[direction].chunk(3)

        def step(given: Tensor, h: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
            assert c is not None
            gates = given + h @ recurrent
            gates = gates if bias is None else gates + bias
            i, o, f, g = gates.chunk(4, -1)
            if peep is not None:
                i, f = i + peep[0] * c, f + peep[2] * c
            new = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            o = o if peep is None else o + peep[1] * new
            return torch.sigmoid(o) * torch.tanh(new), new

        return step

    return _directions(call, x, W, lengths, h, c, cell)


def _gru(
    call: Call,
    x: Tensor,
    W: Tensor,
    R: Tensor,
    B: Tensor | None = None,
    lengths: Tensor | None = None,
    h: Tensor | None = None,
) -> tuple[Tensor, ...]:
    late = bool(call.get("linear_before_reset", 0))

    def cell(direction: int) -> _Cell:
        size = R.shape[-1]
        recurrent = R[direction].t()
        both = torch.zeros(6 * size, dtype=x.dtype, device=x.device) if B is None else B[direction]
        given_bias, state_bias = both.chunk(2)

        def step(given: Tensor, h: Tensor, _: Tensor | None) -> tuple[Tensor, None]:
            given = given + given_bias
            if late:
                inner = h @ recurrent + state_bias
                z = torch.sigmoid(given[:, :size] + inner[:, :size])
                r = torch.sigmoid(given[:, size : 2 * size] + inner[:, size : 2 * size])
                new = torch.tanh(given[:, 2 * size :] + r * inner[:, 2 * size :])
            else:
                inner = h @ recurrent[:, : 2 * size] + state_bias[: 2 * size]
                z, r = torch.sigmoid(given[:, : 2 * size] + inner).chunk(2, -1)
                new = torch.tanh(given[:, 2 * size :] + (r * h) @ recurrent[:, 2 * size :] + state_bias[2 * size :])
            return (1 - z) * new + z * h, None

        return step

    return _directions(call, x, W, lengths, h, None, cell)[:2]


def _rnn(
    call: Call,
    x: Tensor,
    W: Tensor,
    R: Tensor,
    B: Tensor | None = None,
    lengths: Tensor | None = None,
    h: Tensor | None = None,
) -> tuple[Tensor, ...]:
    def cell(direction: int) -> _Cell:
        recurrent, bias = R[direction].t(), _biases(B, direction)

        def step(given: Tensor, h: Tensor, _: Tensor | None) -> tuple[Tensor, None]:
            total = given + h @ recurrent
            return torch.tanh(total if bias is None else total + bias), None

        return step

    return _directions(call, x, W, lengths, h, None, cell)[:2]


def _biases(B: Tensor | None, direction: int) -> Tensor | None:
    """The sum of the input's and the state's biases."""
    if B is None:
        return None
    first, second = B[direction].chunk(2)
    return first + second


def _directions(
    call: Call,
    x: Tensor,
    W: Tensor,
    lengths: Tensor | None,
    h: Tensor | None,
    c: Tensor | None,
    cell: Callable[[int], _Cell],
) -> tuple[Tensor, ...]:
    """Y, and the last states; one direction after the other."""
    first_batch = bool(call.get("layout", 0))
    if first_batch:
        x = x.transpose(0, 1)
        h = None if h is None else h.transpose(0, 1)
        c = None if c is None else c.transpose(0, 1)
    tokens, rows = x.shape[:2]
    how, size = call.get("direction", "forward"), call.attributes["hidden_size"]
    outputs, hs, cs = [], [], []
    for direction in range(W.shape[0]):
        back = how == "reverse" or direction == 1
        given = torch.matmul(x, W[direction].t())
        zeros = torch.zeros(rows, size, dtype=x.dtype, device=x.device)
        state, other = (zeros if h is None else h[direction]), (zeros if c is None else c[direction])
        made: list[Tensor] = [zeros] * tokens
        step = cell(direction)
        for t in reversed(range(tokens)) if back else range(tokens):
            new, beside = step(given[t], state, other)
            if lengths is None:
                made[t], state, other = new, new, beside if beside is not None else other
                continue
            alive = (t < lengths.to(x.device)).unsqueeze(1)  # after a row's end its states stay, its outputs are 0
            made[t] = torch.where(alive, new, zeros)
            state = torch.where(alive, new, state)
            other = other if beside is None else torch.where(alive, beside, other)
        outputs.append(torch.stack(made))
        hs.append(state)
        cs.append(other)
    y, last, beside = torch.stack(outputs, 1), torch.stack(hs), torch.stack(cs)
    if first_batch:
        y, last, beside = y.permute(2, 0, 1, 3), last.transpose(0, 1), beside.transpose(0, 1)
    return y, last, beside


OPERATORS: dict[str, Operator] = {"GRU": _gru, "LSTM": _lstm, "RNN": _rnn}
