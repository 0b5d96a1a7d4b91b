"""A matrix in 2 bits a weight, behind an orthogonal change of its inputs (and outputs) that leaves no outliers in it.

    y = x Wᵀ = (x P) (W P)ᵀ,    W P (N, K) ≈ points * scale,    P = kron(...) random: `hadamard.py`

Tseng et al. 2024 (QuIP#), arXiv 2402.04396: after the change weights are near to normally distributed, so one codebook
fits them all (section 3), and are rounded under the Gram matrix Pᵀ H P (section 4). Two codebooks:

=========== ================================ ================== ====================================
kind        points, in units of `scale`      kernel's codes     W P is the kernel's (c - z) s, and
=========== ================================ ================== ====================================
`e8`        the E8 lattice's, eight a code   4 bits, (c - 8)/2  1/4 of the scale, for every element
`midrise`   -3/2, -1/2, 1/2, 3/2             2 bits, c - 2      1/2 of the scale, for every element
=========== ================================ ================== ====================================

What is the same for all elements of a row is the row's `shift`, times the sum of x P.

A row has one scale, the best one for the codes chosen; with it, changing the outputs too gains nothing measurable
(seeded layer of 512 x 512 with outliers and correlated inputs, relative error of the output: .0874 and .0873 with e8,
.0989 and .0988 with midrise), so that is left to be asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..weight_only.blocks import BlockForm, Blocks
from .e8 import DIMENSION, e8_points, nearest_e8
from .hadamard import Spread, spread
from .ldlq import best_scale, ldlq, settle

__all__ = ["KINDS", "Incoherent", "incoherent", "why_not_incoherent"]

KINDS = ("e8", "midrise")
# Standard deviations of a normal distribution that the codebook's unit is best put to: of E8's points 1 / 1.03 (minimum
# of the squared error, measured), of four levels .9957 (Max 1960, "Quantizing for minimum distortion", table II).
_UNIT = {"e8": 1 / 1.03, "midrise": 0.9957}
_WIDTH = {"e8": DIMENSION, "midrise": 1}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Incoherent:
    """A matrix W (N, K) in codes of W P, or of Qᵀ W P.

    Attributes:
        kind: Of `KINDS`.
        inputs: P.
        outputs: Q, or None.
        codes: uint16, (N, K / 8), indices of E8's points; or uint8, (N, K), from 0 to 3.
        scale: float32, (N,).
    """

    kind: str
    inputs: Spread
    outputs: Spread | None
    codes: np.ndarray
    scale: np.ndarray

    @property
    def blocks(self) -> Blocks:
        """The kernel's codes and scales, one a row: without `shift`."""
        rows = len(self.codes)
        if self.kind == "midrise":
            return Blocks(form=BlockForm(bits=2, size=0), codes=self.codes, scale=self.scale[:, None])
        codes = ((e8_points(self.codes) - 1) // 2 + 8).astype(np.uint8).reshape(rows, -1)
        return Blocks(form=BlockForm(bits=4, size=0), codes=codes, scale=self.scale[:, None] / np.float32(2))

    @property
    def shift(self) -> np.ndarray:
        """What every element of a row of W P is above its block's number, float32, (N,)."""
        return self.scale / np.float32(2 if self.kind == "midrise" else 4)

    @property
    def real(self) -> np.ndarray:
        """What it stands for, float32, (N, K)."""
        W = self.blocks.real + self.shift[:, None]
        W = self.inputs.back(W)
        return (W if self.outputs is None else self.outputs.back(W.T).T).astype(np.float32)


def why_not_incoherent(shape: tuple[int, int], kind: str) -> str | None:
    """Why a matrix (N, K) is not stored so, or None."""
    if shape[1] % _WIDTH[kind]:
        return f"sums {shape[1]} products, which points of {_WIDTH[kind]} numbers do not divide"
    if spread(shape[1], 0) is None:
        return f"sums {shape[1]} products, which make no two factors of at most 512"
    return None


def incoherent(
    W: np.ndarray,
    H: np.ndarray | None,
    kind: str,
    *,
    outputs: bool = False,
    seed: int = 0,
    passes: int = 2,
    damp: float = 0.01,
) -> Incoherent:
    """Round a matrix to 2 bits a weight under the Gram matrix of its inputs.

    Args:
        W: float, (N, K); see `why_not_incoherent`.
        H: X Xᵀ, (K, K); None weighs all inputs alike.
        kind: Of `KINDS`.
        outputs: Whether the outputs are changed too, where they can be.
        seed: Of the changes.
        passes: Of coordinate descent.
        damp: Added to the diagonal of H, as a share of its mean.
    """
    P = spread(W.shape[1], seed)
    assert P is not None, "why_not_incoherent was not asked"
    Q = spread(W.shape[0], seed + 1) if outputs else None
    W = P.rows(np.asarray(W, np.float64))
    if Q is not None:
        W = np.ascontiguousarray(Q.rows(np.ascontiguousarray(W.T)).T)
    H = np.eye(W.shape[1]) if H is None else P.around(H)
    nearest, width = (_e8, DIMENSION) if kind == "e8" else (_midrise, 1)
    rms = np.sqrt(np.square(W).mean(axis=1, keepdims=True))
    scale = np.where(rms > 0, rms * _UNIT[kind], 1)
    codes, rounded = ldlq(W / scale, H, nearest, width, damp=damp)
    for _ in range(passes):
        scale = _fitted(W, H, rounded)
        codes, rounded = settle((W / scale).astype(np.float32), H, nearest, codes, rounded)
    scale = _fitted(W, H, rounded)
    return Incoherent(
        kind=kind,
        inputs=P,
        outputs=Q,
        codes=codes.reshape(len(W), -1),
        scale=np.where(rms > 0, scale, 0)[:, 0].astype(np.float32),
    )


def _fitted(W: np.ndarray, H: np.ndarray, rounded: np.ndarray) -> np.ndarray:
    """The best scale of each row, (N, 1); never 0, by which rows are divided."""
    scale = best_scale(W, H, rounded)[:, None]
    return np.where(np.abs(scale) > np.finfo(np.float32).tiny, scale, 1)


def _e8(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    index = nearest_e8(x)
    return index, e8_points(index) * np.float32(0.25)


def _midrise(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    code = np.clip(np.floor(x), -2, 1)
    return (code[:, 0] + 2).astype(np.uint8), (code + 0.5).astype(np.float32)
