"""Orthogonal matrices that spread what is in one place over all: Hadamard matrices, and products of two small ones.

A vector of K = a b numbers, as a matrix X (a, b), times kron(A, B) is Aᵀ X B: two small products instead of K².
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..rewrite.hadamard import paley

__all__ = ["Spread", "hadamard", "spread"]

# No factor is larger: its matrix is stored, and its product takes as many steps for every element.
_LARGEST_FACTOR = 512
# Entries of a random orthogonal matrix are not all alike: it spreads less evenly than a Hadamard matrix of the size.
_ROUGH = 1.5


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Spread:
    """An orthogonal matrix kron(left, right).

    Attributes:
        left, right: float64, (a, a) and (b, b), orthogonal.
    """

    left: np.ndarray
    right: np.ndarray

    @property
    def size(self) -> int:
        """Elements of a vector it is multiplied with."""
        return len(self.left) * len(self.right)

    def rows(self, X: np.ndarray) -> np.ndarray:
        """X kron(left, right), (..., K)."""
        parts = X.reshape(*X.shape[:-1], self.left.shape[0], self.right.shape[0])
        made: np.ndarray = self.left.T @ (parts @ self.right)
        return made.reshape(X.shape)

    def back(self, X: np.ndarray) -> np.ndarray:
        """X kron(left, right)ᵀ, (..., K): what `rows` changed as it was."""
        return Spread(left=self.left.T, right=self.right.T).rows(X)

    def around(self, H: np.ndarray) -> np.ndarray:
        """Pᵀ H P for P = kron(left, right), (K, K): the Gram matrix of X P."""
        return self.rows(self.rows(H).T).T


def spread(size: int, seed: int) -> Spread | None:
    """A random orthogonal matrix: Hadamard matrices with random signs.

    The signs of a vector of K are those of kron(s, t), s of a and t of b, and so lie in the two factors. Where there
    is no Hadamard matrix of a factor, a random orthogonal one stands for it.

    Args:
        size: K.
        seed: Of the signs.

    Returns:
        The factors, as small as may be; None where one would be above 512.
    """
    found = _split(size)
    if found is None:
        return None
    rng = np.random.default_rng((size, seed))
    left, right = (_factor(n, rng) for n in found)
    return Spread(left=left, right=right)


def _factor(size: int, rng: np.random.Generator) -> np.ndarray:
    """Signs along the rows of an orthogonal matrix."""
    H = hadamard(size)
    signs = rng.choice([-1.0, 1.0], size)
    if H is None:
        return np.asarray(np.linalg.qr(rng.standard_normal((size, size)))[0] * signs[:, None])
    made: np.ndarray = H * (signs / np.sqrt(size))[:, None]
    return made


@cache
def _split(size: int) -> tuple[int, int] | None:
    """The two factors with the least steps for an element, a + b, those with Hadamard matrices preferred."""
    pairs = [(a, size // a) for a in range(1, size + 1) if size % a == 0]
    fit = [pair for pair in pairs if max(pair) <= _LARGEST_FACTOR]
    return min(fit, key=lambda pair: sum(n if hadamard(n) is not None else _ROUGH * n for n in pair), default=None)


@cache
def hadamard(n: int) -> np.ndarray | None:
    """A matrix of n x n ones and minus ones with orthogonal rows, or None where none of these constructions has one.

    Sylvester's doubling, and what `paley` has.
    """
    if n in (1, 2):
        return np.ones((1, 1)) if n == 1 else np.array([[1.0, 1.0], [1.0, -1.0]])
    if n < 1 or n % 4:
        return None
    half = hadamard(n // 2)
    if half is not None:
        return np.block([[half, half], [half, -half]])
    return paley(n)
