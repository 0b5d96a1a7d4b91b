"""Weights as their blocks will hold them, learned: codes by the straight-through estimator, scales as LSQ learns them.

    Ŵ = (clip(round(W / s), -z, 2^b - 1 - z)) s

Forward, exactly what `Blocks.real` gives, in float32. Backward, round passes gradients on, clip where it clips none;
those of s follow: ∂Ŵ/∂s = round(W / s) - W / s within the clip, the last code beyond it (S. Esser et al., "Learned Step
Size Quantization", ICLR 2020, eq. 3). Zero points stay as they were found. LLM-QAT (Z. Liu et al. 2023, arXiv
2305.17888, section 2.2) takes the range of the weights instead, whose block has one scale; scales that are learned
start from a searched one here, and end nearer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ....passes.weight_only.blocks import BlockForm, Blocks
from ....passes.weight_only.storage import from_matrix

__all__ = ["FakeBlocks"]


class FakeBlocks(nn.Module):
    """Fake quantization of one weight; put on its edge.

    Args:
        start: The blocks that it starts from.
        summed: Axes of the weight that end in the same output.
        shape: Of the weight.
        kept: bool, (N, K), False where the weight was pruned and stays 0; None where it is whole.
    """

    def __init__(
        self, start: Blocks, summed: Sequence[int], shape: Sequence[int], kept: np.ndarray | None = None
    ) -> None:
        super().__init__()
        self.form: BlockForm = start.form
        self._summed = tuple(summed)
        self._shape = tuple(shape)
        self.scale = nn.Parameter(torch.from_numpy(np.array(start.scale, np.float32)))
        middle = np.full(start.scale.shape, 1 << start.form.bits - 1, np.float32)
        self.register_buffer("kept", None if kept is None else torch.from_numpy(kept.astype(np.float32)))
        self.register_buffer("zero", torch.from_numpy(middle if start.zero is None else start.zero.astype(np.float32)))

    def forward(self, weight: Tensor) -> Tensor:
        """What the blocks of a weight stand for."""
        matrix = self._matrix(weight)
        scale, zero = self._spread(self.scale, matrix), self._spread(self.zero, matrix)
        inside = torch.clamp(matrix / scale, -zero, self.form.largest - zero)
        whole = inside.detach().round()
        learned = (inside + (whole - inside.detach())) * scale
        exact = whole * scale.detach()
        made = exact + (learned - learned.detach())
        lead, tail = self._sides()
        return made.reshape(lead, tail, -1).transpose(1, 2).reshape(self._shape)

    def blocks(self, weight: Tensor) -> Blocks:
        """The blocks of a weight: `real` of them is what `forward` gives, bit for bit."""
        with torch.no_grad():
            matrix = self._matrix(weight)
            scale, zero = self._spread(self.scale, matrix), self._spread(self.zero, matrix)
            whole = torch.clamp(matrix / scale, -zero, self.form.largest - zero).round()
            codes = (whole + zero).to(torch.uint8).cpu().numpy()
        own = None if self.form.symmetric else self.zero.to(torch.uint8).cpu().numpy()
        return Blocks(form=self.form, codes=codes, scale=self.scale.detach().cpu().numpy().copy(), zero=own)

    def real(self, weight: Tensor) -> np.ndarray:
        """What the blocks of a weight stand for, float32, in its shape."""
        return from_matrix(self.blocks(weight).real, self._shape, self._summed)

    def _matrix(self, weight: Tensor) -> Tensor:
        """(N, K): see `storage.as_matrix`."""
        lead, tail = self._sides()
        matrix = weight.reshape(lead, -1, tail).transpose(1, 2).reshape(lead * tail, -1)
        return matrix if self.kept is None else matrix * self.kept

    def _sides(self) -> tuple[int, int]:
        """Elements before and after the summed axes."""
        before, after = self._shape[: min(self._summed)], self._shape[max(self._summed) + 1 :]
        return int(np.prod(before, dtype=np.int64)), int(np.prod(after, dtype=np.int64))

    def _spread(self, each: Tensor, matrix: Tensor) -> Tensor:
        size = self.form.size or matrix.shape[1]
        return each.repeat_interleave(size, 1)[:, : matrix.shape[1]]
