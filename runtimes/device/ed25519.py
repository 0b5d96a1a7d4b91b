"""Ed25519 signatures (RFC 8032, 5.1) for machines that have nothing but Python.

    A = s B        s: clamped first half of SHA-512(seed)
    R = r B        r = SHA-512(second half, M) mod L
    S = r + SHA-512(R, A, M) s mod L

Where `cryptography` is installed it signs in their stead: the same bytes, in constant time. What stands here takes a
time that depends on the key: sign with it where nobody measures, on a device of your own.
"""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import os
from pathlib import Path

__all__ = ["fingerprint", "new_key", "public_of", "seed_of", "sign"]

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_Y = 4 * pow(5, -1, _P) % _P
_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202  # the even root: RFC 8032, 5.1
# x, y, z, t of a point: x/z, y/z on the curve, t = x y / z
_BASE = (_X, _Y, 1, _X * _Y % _P)
_ZERO = (0, 1, 1, 0)
# RFC 8410, 7: PKCS #8 and SubjectPublicKeyInfo of this algorithm, up to the 32 bytes
_PRIVATE = bytes.fromhex("302e020100300506032b657004220420")
_PUBLIC = bytes.fromhex("302a300506032b6570032100")


def sign(seed: bytes, message: bytes) -> bytes:
    """The signature, 64 bytes.

    Args:
        seed: The 32 bytes of the private key.
        message: What is signed.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except Exception:  # not there, or built for another processor
        return sign_plainly(seed, message)
    return bytes(Ed25519PrivateKey.from_private_bytes(seed).sign(message))


def sign_plainly(seed: bytes, message: bytes) -> bytes:
    """The same with Python's integers alone."""
    scalar, prefix = _halves(seed)
    public = public_of(seed)
    once = _number(prefix + message)
    point = _packed(_times(once, _BASE))
    total = (once + _number(point + public + message) * scalar) % _ORDER
    return point + total.to_bytes(32, "little")


def public_of(seed: bytes) -> bytes:
    """The public key, 32 bytes."""
    return _packed(_times(_halves(seed)[0], _BASE))


def fingerprint(public: bytes) -> str:
    """What people compare: the first 16 hex digits of the sha256 of the 32 bytes."""
    return hashlib.sha256(public).hexdigest()[:16]


def seed_of(pem: str) -> bytes:
    """The 32 bytes of a private key in PEM, as `edgec sign --new-key` and openssl write it.

    Raises:
        ValueError: It is none, or encrypted.
    """
    lines = [line.strip() for line in pem.strip().splitlines()]
    if not lines or lines[0] != "-----BEGIN PRIVATE KEY-----" or lines[-1] != "-----END PRIVATE KEY-----":
        raise ValueError("is no unencrypted private key in PEM")
    try:
        der = base64.b64decode("".join(lines[1:-1]), validate=True)
    except binascii.Error:
        raise ValueError("is no private key in PEM") from None
    if der[: len(_PRIVATE)] != _PRIVATE or len(der) != len(_PRIVATE) + 32:
        raise ValueError("is no Ed25519 key")
    return der[len(_PRIVATE) :]


def new_key(file: Path) -> Path:
    """Write a new key to a file that only its owner reads, and its public half beside it.

    Returns:
        The file of the public half.

    Raises:
        OSError: One of them exists, or cannot be written.
    """
    seed, beside = os.urandom(32), file.with_name(f"{file.name}.pub")
    for path in (file, beside):
        if path.exists():  # before either is written: a half alone is of no use
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    texts = ((file, "PRIVATE", _PRIVATE + seed, 0o600), (beside, "PUBLIC", _PUBLIC + public_of(seed), 0o644))
    for path, kind, der, mode in texts:
        text = f"-----BEGIN {kind} KEY-----\n{base64.b64encode(der).decode()}\n-----END {kind} KEY-----\n"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="ascii") as written:
            written.write(text)
    return beside


def _halves(seed: bytes) -> tuple[int, bytes]:
    """The scalar and the prefix that a seed stands for."""
    digest = hashlib.sha512(seed).digest()
    clamped = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | (1 << 254)
    return clamped, digest[32:]


def _number(data: bytes) -> int:
    return int.from_bytes(hashlib.sha512(data).digest(), "little") % _ORDER


def _add(p: tuple[int, ...], q: tuple[int, ...]) -> tuple[int, ...]:
    """RFC 8032, 5.1.4."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % _P, (p[1] + p[0]) * (q[1] + q[0]) % _P
    c, d = 2 * p[3] * q[3] * _D % _P, 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(scalar: int, point: tuple[int, ...]) -> tuple[int, ...]:
    total: tuple[int, ...] = _ZERO
    while scalar:
        if scalar & 1:
            total = _add(total, point)
        point, scalar = _add(point, point), scalar >> 1
    return total


def _packed(point: tuple[int, ...]) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")
