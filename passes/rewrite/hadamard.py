"""Rotations made of Hadamard matrices: they spread what lies in one channel over all of them.

H of order 2^p is Sylvester's, H_2n = [[H, H], [H, -H]]. Others are a core times that (Kronecker): R. E. A. C. Paley,
"On Orthogonal Matrices" (1933). With Q_ab = χ(a - b), χ the quadratic character of a field of q elements,

    q = 3 mod 4:  order q + 1,    I + [[0, 1], [-1, Q]]
    q = 1 mod 4:  order 2(q + 1), C ⊗ [[1, 1], [1, -1]] + I ⊗ [[1, -1], [-1, -1]],  C = [[0, 1], [1, Q]]

Here q is a prime or the square of one, which is every order up to 200 that is a multiple of 4, but 92, 116, 156, 172,
184 and 188.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["Rotation", "core_order", "paley", "random_rotation"]

# Sylvester's matrices are applied in factors of this order: one product with 64 x 64 beats six of additions.
_FACTOR = 64
_TWO = np.array([[1.0, 1.0], [1.0, -1.0]])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rotation:
    """An orthogonal Q of shape (n, n), applied without being written out.

    Q = diag(signs) H / √n, or, where it keeps the mean, Q = H diag(signs) Hᵀ / n with a first column of ones in H and
    a first sign of 1: then Q 1 = 1, and rotation commutes with taking the mean away.

    Attributes:
        core: Hadamard matrix of order `core_order(n)`, its first column ones; float64.
        signs: 1 or -1, float64, (n,).
        keeps_mean: Whether Q 1 = 1.
    """

    core: np.ndarray
    signs: np.ndarray
    keeps_mean: bool

    def turned(self, x: np.ndarray, axis: int = -1) -> np.ndarray:
        """The product x Q along an axis of n elements, float64."""
        moved = np.moveaxis(np.asarray(x, np.float64), axis, -1)
        n = self.signs.size
        if self.keeps_mean:
            spread = self._times(self._times(moved, self.core) * self.signs, self.core.T) / n
        else:
            spread = self._times(moved * self.signs, self.core) / math.sqrt(n)
        return np.moveaxis(spread, -1, axis)

    def _times(self, x: np.ndarray, core: np.ndarray) -> np.ndarray:
        """The product x (core ⊗ Sylvester) along the last axis."""
        shape, rest = x.shape, x.shape[-1] // len(core)
        x = np.swapaxes(np.swapaxes(x.reshape(-1, len(core), rest), 1, 2) @ core, 1, 2)
        done = 1
        while done < rest:
            order = min(_FACTOR, rest // done)
            x = np.swapaxes(np.swapaxes(x.reshape(-1, order, done), 1, 2) @ _sylvester(order), 1, 2)
            done *= order
        return x.reshape(shape)


def random_rotation(n: int, rng: np.random.Generator, *, keeps_mean: bool = False) -> Rotation | str:
    """A rotation of n channels with random signs; why there is none for this n.

    Args:
        n: Channels.
        rng: Draws the signs.
        keeps_mean: Whether Q 1 = 1 is needed.
    """
    order = core_order(n)
    if order is None:
        return f"has {n} channels, for which no Hadamard matrix is known here"
    signs = rng.choice(np.array([-1.0, 1.0]), n)
    if keeps_mean:
        signs[0] = 1.0
    core = np.ones((1, 1)) if order == 1 else paley(order)
    assert core is not None
    return Rotation(core=core * core[:, :1], signs=signs, keeps_mean=keeps_mean)


def core_order(n: int) -> int | None:
    """The order c of the smallest core with n = c 2^p; 1 for powers of two, None where there is none."""
    odd = n // (n & -n)
    if odd == 1:
        return 1
    orders = (odd << k for k in range(2, n.bit_length()) if n % (odd << k) == 0)
    return next((order for order in orders if _paley_field(order)), None)


def paley(order: int) -> np.ndarray | None:
    """Paley's Hadamard matrix of an order, of 1 and -1 in float64; None where he has none over these fields."""
    field = _paley_field(order)
    if field is None:
        return None
    p, degree = field
    q = p**degree
    edge = 1.0 if q % 4 == 1 else -1.0
    conference = np.block([[np.zeros((1, 1)), np.ones((1, q))], [np.full((q, 1), edge), _characters(p, degree)]])
    one, two = (np.ones((1, 1)), np.ones((1, 1))) if q % 4 == 3 else (_TWO, np.array([[1.0, -1.0], [-1.0, -1.0]]))
    made: np.ndarray = np.kron(conference, one) + np.kron(np.eye(q + 1), two)
    return made


def _paley_field(order: int) -> tuple[int, int] | None:
    """The prime and the degree of the field that gives this order."""
    for q, rest in ((order - 1, 3), (order // 2 - 1, 1)):
        root = math.isqrt(q) if q > 0 else 0
        if order % 4 or q % 4 != rest:
            continue
        if _is_prime(q):
            return q, 1
        if root * root == q and _is_prime(root):
            return root, 2
    return None


def _is_prime(n: int) -> bool:
    return n > 1 and all(n % k for k in range(2, math.isqrt(n) + 1))


def _characters(p: int, degree: int) -> np.ndarray:
    """χ(a - b) for all a, b of the field: 1 for squares, -1 for the rest, 0 for 0.

    In the field of p² elements a + b √n, n no square, χ is that of the norm a² - n b² in the field of p.
    """
    k = np.arange(p)
    legendre = np.full(p, -1.0)
    legendre[k * k % p] = 1.0
    legendre[0] = 0.0
    if degree == 1:
        difference = k[:, None] - k
    else:
        n = int(np.flatnonzero(legendre < 0)[0])
        a, b = (each.reshape(-1) for each in np.meshgrid(k, k, indexing="ij"))
        difference = (a[:, None] - a) ** 2 - n * (b[:, None] - b) ** 2
    found: np.ndarray = legendre[difference % p]
    return found


def _sylvester(order: int) -> np.ndarray:
    made = np.ones((1, 1))
    while len(made) < order:
        made = np.kron(_TWO, made)
    return made
