"""Modules that no graph can hold, each for a reason of its own; messages name the lines of this file."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = [
    "Branches", "Calls", "Chooses", "Counts", "Fits", "Fixed", "Halves", "Missing", "Nan", "Remembers", "Values",
    "ViaNumpy",
]  # fmt: skip


class Branches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            return x * 2
        return x


class Chooses(nn.Module):
    """The same, as a graph can hold it."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cond(x.sum() > 0, lambda x: x * 2, lambda x: x.clone(), (x,))


class Values(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[: int(x.sum().item())]


class ViaNumpy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(x.numpy() * 2)


class Remembers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return x + len(self.seen)


class Counts(nn.Module):
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return x + self.count


class Missing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x)


class Fixed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = x
        for _ in range(x.shape[0]):
            y = y * 2
        return y


class Calls(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x @ torch.zeros(7, 3)


class Nan(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x - 2).log()


class Halves(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Linear(5, 3).half()

    def forward(self, x: Tensor) -> Tensor:
        return self.scale(x.to(self.scale.weight.dtype))


class Fits(nn.Module):
    """Nothing is wrong with it; a buffer that is no parameter goes along."""

    offset: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 3)
        self.register_buffer("offset", torch.arange(3.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.offset
