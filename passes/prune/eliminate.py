"""Leave out inputs of a layer and let the others make up for it: least squares, one group of columns after the other.

Of y = W x with H = X Xᵀ, leaving out the columns c costs, the others at their best,

    ΔL = tr(W_c ([H⁻¹]_cc)⁻¹ W_cᵀ),    W ← W - W_c ([H⁻¹]_cc)⁻¹ [H⁻¹]_c:

(optimal brain surgeon, Hassibi and Stork 1992, equations 5, for columns instead of single weights; Frantar et al. 2022,
OBC, arXiv 2208.11580, theorem 1 takes row and column out of H⁻¹). What is left is W H_:S (H_SS)⁻¹, the least-squares
reconstruction of ThiNet (Luo et al. 2017, arXiv 1707.06342, equation 7), whatever the order was.

Where the layer has a bias it makes up for the mean, so that weights need not: with the means m of the inputs, H is that
of X - m, and b ← b + (W_before - W) m.
"""

from __future__ import annotations

import numpy as np

__all__ = ["Eliminator"]


class Eliminator:
    """One layer whose inputs are left out step by step.

    Attributes:
        W: The weights now, (groups, rows, columns), float64; those left out are 0.
        energy: Of what losses are a share: what the layer writes in all, tr(W H Wᵀ), before anything was left out, or
            the sum it is added to.
    """

    def __init__(
        self,
        W: np.ndarray,
        H: np.ndarray | None,
        means: np.ndarray | None = None,
        *,
        energy: float | None = None,
        percdamp: float = 0.01,
    ) -> None:
        """Begin with all inputs.

        Args:
            W: (groups, rows, columns).
            H: Gram matrix of the inputs, (groups, columns, columns), over all rows, divided by their number where means
                are given; None goes by weights alone: nothing is made up.
            means: Of the inputs, (groups, columns), where a bias takes what they lose; None without one.
            energy: Of what losses are a share, as H counts it; None is what the layer writes.
            percdamp: Added to the diagonal of H, as a share of its mean.
        """
        self.W = np.array(W, np.float64)
        self._before, self._means = self.W.copy(), means
        self._inverse: np.ndarray | None = None
        if H is None:
            self.energy = float(np.square(self.W).sum())
            return
        if means is not None:
            H = H - means[:, :, None] * means[:, None, :]
        k = np.arange(H.shape[-1])
        damped = np.array(H, np.float64)
        mean = damped[:, k, k].mean(-1, keepdims=True)
        damped[:, k, k] += percdamp * np.where(mean > 0, mean, 1)
        self._inverse = np.linalg.inv(damped)
        written = float(np.einsum("gnk,gkl,gnl->", self.W, H, self.W, optimize=True))
        self.energy = max(written if energy is None else energy, 0.0)

    def losses(self, columns: np.ndarray) -> np.ndarray:
        """What leaving out each group of columns alone would cost, as a share of the layer's energy.

        Args:
            columns: (n, taps): indices of the columns of each of n inputs.

        Returns:
            (n,).
        """
        w = np.moveaxis(self.W[..., columns], -2, 0)  # (n, groups, rows, taps)
        if self._inverse is None:
            lost = np.square(w).sum((1, 2, 3))
        else:
            block = np.moveaxis(self._inverse[:, columns[:, :, None], columns[:, None, :]], 1, 0)
            lost = (np.linalg.solve(block, w.swapaxes(-1, -2)).swapaxes(-1, -2) * w).sum((1, 2, 3))
        share: np.ndarray = lost / (self.energy or 1.0)
        return share

    @property
    def offset(self) -> np.ndarray | None:
        """What the bias takes, (groups * rows,); None where none does."""
        if self._means is None:
            return None
        taken: np.ndarray = np.einsum("gnk,gk->gn", self._before - self.W, self._means).reshape(-1)
        return taken

    def leave_out(self, columns: np.ndarray) -> None:
        """Leave these columns out, (m,), for good."""
        if self._inverse is not None:
            across = self._inverse[:, columns]  # (groups, m, columns)
            gain = np.linalg.solve(across[..., columns], across)
            self.W -= self.W[..., columns] @ gain
            self._inverse -= across.swapaxes(-1, -2) @ gain
            # Rounding aside they are 0 already; the rest of the inverse must not see them again.
            self._inverse[:, columns] = 0
            self._inverse[..., columns] = 0
            self._inverse[:, columns, columns] = 1
        self.W[..., columns] = 0
