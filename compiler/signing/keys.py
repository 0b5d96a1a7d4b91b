"""Ed25519 keys (RFC 8032) in PEM, from a file or the environment."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import MissingExtraError, OptionError, OutputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = ["SIGNING_KEY", "fingerprint", "need_cryptography", "new_key", "private_key", "public_key", "public_raw"]

SIGNING_KEY = "EDGEC_SIGNING_KEY"
_MAKE = "Make one with `edgec sign --new-key FILE`, or openssl genpkey -algorithm ed25519"


def private_key(file: Path | None) -> Ed25519PrivateKey:
    """The key that signs.

    Args:
        file: A PEM file; None takes EDGEC_SIGNING_KEY, which holds the PEM itself.

    Raises:
        OptionError: There is none, or it is no unencrypted Ed25519 key.
        MissingExtraError: `cryptography` is not installed.
    """
    where = f"${SIGNING_KEY}" if file is None else str(file)
    need_cryptography(where)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if file is None and not os.environ.get(SIGNING_KEY):
        raise OptionError("--key", f"is not given, and ${SIGNING_KEY} is not set", remedy=_MAKE)
    pem = os.environ[SIGNING_KEY].encode() if file is None else _read(file)
    try:
        key = load_pem_private_key(pem, password=None)
    except (TypeError, ValueError) as error:
        problem = "is encrypted" if isinstance(error, TypeError) else "is no private key in PEM"
        raise OptionError(where, problem, remedy=_MAKE) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise OptionError(where, f"is no Ed25519 key but {type(key).__name__}", remedy=_MAKE)
    return key


def public_key(file: Path) -> Ed25519PublicKey:
    """The key that a signature is checked with, from a PEM file; of a private one, its public half.

    Raises:
        OptionError: It is no Ed25519 key.
        MissingExtraError: `cryptography` is not installed.
    """
    need_cryptography(str(file))
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    pem = _read(file)
    if b"PRIVATE KEY" in pem:
        return private_key(file).public_key()
    try:
        key = load_pem_public_key(pem)
    except ValueError as error:
        remedy = "Give the file that `edgec sign --new-key` wrote beside the key"
        raise OptionError(str(file), "is no public key in PEM", remedy=remedy) from error
    if not isinstance(key, Ed25519PublicKey):
        raise OptionError(str(file), f"is no Ed25519 key but {type(key).__name__}", remedy=_MAKE)
    return key


def new_key(file: Path) -> Path:
    """Write a new key to a file that only its owner reads, and its public half beside it (`.pub`).

    Returns:
        The file of the public half.

    Raises:
        OutputError: One of them exists, or cannot be written.
        MissingExtraError: `cryptography` is not installed.
    """
    need_cryptography(str(file))
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key, beside = Ed25519PrivateKey.generate(), file.with_name(f"{file.name}.pub")
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    public = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    for path, text, mode in ((file, private, 0o600), (beside, public, 0o644)):
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as written:
                written.write(text)
        except FileExistsError as error:
            raise OutputError(str(path), "exists", remedy="Name another file: no key is ever replaced") from error
        except OSError as error:
            raise OutputError(str(path), f"cannot be written: {error.strerror}", remedy="Name another file") from error
    return beside


def public_raw(key: Ed25519PublicKey) -> bytes:
    """The 32 bytes of a public key."""
    raw: Any = key.public_bytes_raw()
    return bytes(raw)


def fingerprint(raw: bytes) -> str:
    """What people compare: the first 16 hex digits of the sha256 of the 32 bytes."""
    return hashlib.sha256(raw).hexdigest()[:16]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise OptionError(str(file), f"cannot be read: {error.strerror}", remedy=_MAKE) from error


def need_cryptography(where: str) -> None:
    """Raise MissingExtraError, with the pip line, where `cryptography` is not installed."""
    try:
        import cryptography  # noqa: F401 - whether it is there
    except ImportError as error:
        raise MissingExtraError(where, "cryptography", "sign") from error
