"""A product by a matrix that is kept in few bits: gradients pass to its inputs, none to it.

    y = x Ŵᵀ,   ∂L/∂x = ∂L/∂y Ŵ

T. Dettmers et al., "QLoRA" (2023, arXiv 2305.14314), section 3: the base is stored in four bits, made wide where it is
multiplied, forward and backward, and dropped again. Ŵ is what the kernel of the bundle stands for, bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ....errors import ModelError
from ....passes.codebook.levels import Levelled
from ....passes.weight_only.blocks import Blocks
from ..graph.linear import Linear

__all__ = ["FrozenLinear"]


class FrozenLinear(Linear):
    """A `torch.nn.Linear` without a weight of its own; two codes of at most four bits share a byte.

    Args:
        base: What it takes the place of.
        blocks: What the kernel multiplies by, (out, in).
        levelled: The same as levels, where 8-bit codes of blocks are made from them.
    """

    def __init__(self, base: Linear, blocks: Blocks, levelled: Levelled | None = None) -> None:
        nn.Module.__init__(self)
        self.out_features, self.in_features = base.out_features, base.in_features
        self.flipped = base.flipped
        self._name, self.__dict__["_edges"] = base._name, base.__dict__["_edges"]
        self.register_parameter("bias", None)
        form, codes = blocks.form, blocks.codes if levelled is None else levelled.codes
        middle = 1 << form.bits - 1
        if levelled is None:
            steps = np.arange(1 << form.bits, dtype=np.float32)
            table = steps if blocks.zero is not None else steps - middle
        else:
            table = levelled.table.astype(np.float32) - middle
        self._size = form.size or self.in_features
        self._narrow = len(table) <= 16
        self.register_buffer("codes", torch.from_numpy(_paired(codes) if self._narrow else codes.copy()))
        self.register_buffer("table", torch.from_numpy(table))
        self.register_buffer("scale", torch.from_numpy(np.array(blocks.scale, np.float32)))
        zero = None if blocks.zero is None else torch.from_numpy(blocks.zero.astype(np.float32))
        self.register_buffer("zero", zero)

    @property
    def weight(self) -> Tensor:
        """What the codes stand for, (out, in), made anew whenever it is read."""
        made = self._wide().as_subclass(_ReadOnly)
        made.initializer = self._name
        return made

    def _wide(self) -> Tensor:
        codes = self.codes
        if self._narrow:
            codes = torch.stack([codes & 15, codes >> 4], -1).flatten(1)[:, : self.in_features]
        steps = self.table[codes.int()]
        if self.zero is not None:
            steps = steps - self._spread(self.zero)
        return steps * self._spread(self.scale)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply."""
        return _Product.apply(x, self)

    def _spread(self, each: Tensor) -> Tensor:
        return each.repeat_interleave(self._size, 1)[:, : self.in_features]


class _ReadOnly(Tensor):
    """A tensor whose numbers nobody else holds: an adapter that is merged into it would be lost without a word."""

    initializer: str
    # What is computed of it is a plain tensor.
    __torch_function__ = torch._C._disabled_torch_function_impl

    @property
    def data(self) -> Tensor:
        """The numbers."""
        return self.detach()

    @data.setter
    def data(self, _: Tensor) -> None:
        raise ModelError(
            f"initializer {self.initializer!r}",
            "is kept in few bits: no adapter can be merged into it",
            remedy="Save the adapter, and give it to edgec.compile: adapters={...}, or merge_adapter",
        )


class _Product(torch.autograd.Function):
    """x Ŵᵀ, which keeps the codes for its way back, not the wide matrix."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, linear: FrozenLinear) -> Tensor:
        ctx.linear = linear
        return nn.functional.linear(x, linear._wide())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] @ ctx.linear._wide(), None


def _paired(codes: np.ndarray) -> np.ndarray:
    """Codes below 16, two of a row in a byte, the first in the low half."""
    even = np.pad(codes, ((0, 0), (0, codes.shape[1] % 2)))
    joined: np.ndarray = even[:, ::2] | even[:, 1::2] << 4
    return joined
