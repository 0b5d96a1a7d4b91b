"""One signature: what it covers, by which key, in a file that has one spelling only.

Whatever byte of the file is changed, it is no longer the spelling of a record, or the signature no longer holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import BundleError
from .keys import public_raw

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["Record", "read_record", "write_record"]

_KEYS = ("algorithm", "public_key", "schema_version", "signature", "signed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A signature that holds.

    Attributes:
        kind: What it covers: `payload` or `proof`.
        signed: Digests, as they were signed.
        public_key: The 32 bytes of the key that signed.
    """

    kind: str
    signed: Mapping[str, Any]
    public_key: bytes


def write_record(file: Path, kind: str, signed: Mapping[str, Any], key: Ed25519PrivateKey) -> None:
    """Sign digests and write the signature, whole or not at all."""
    values = {
        "schema_version": "1",
        "algorithm": "Ed25519",
        "public_key": public_raw(key.public_key()).hex(),
        "signed": {"kind": kind, **signed},
        "signature": key.sign(_message(kind, signed)).hex(),
    }
    part = file.with_name(f".{file.name}.part")
    part.write_bytes(_spelling(values))
    part.replace(file)


def read_record(file: Path, kind: str) -> Record:
    """Read a signature and check it against its own key.

    Raises:
        BundleError: It is no signature of this kind, or does not hold.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    raw = file.read_bytes()
    try:
        values = json.loads(raw)
        if sorted(values) != list(_KEYS) or _spelling(values) != raw:
            raise ValueError("is spelled otherwise")
        signed = {name: value for name, value in values["signed"].items() if name != "kind"}
        if (values["schema_version"], values["algorithm"], values["signed"]["kind"]) != ("1", "Ed25519", kind):
            raise ValueError("is of another kind")
        public = bytes.fromhex(values["public_key"])
        Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(values["signature"]), _message(kind, signed))
    except (ValueError, KeyError, TypeError, AttributeError, InvalidSignature) as error:
        raise BundleError(
            str(file),
            "is not the signature that was written",
            remedy="Do not use the bundle: it was altered. Or sign it again, if that was you",
        ) from error
    return Record(kind=kind, signed=signed, public_key=public)


def _message(kind: str, signed: Mapping[str, Any]) -> bytes:
    return b"edgec signature 1\0" + _spelling({"kind": kind, **signed})


def _spelling(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, sort_keys=True, indent=1) + "\n").encode("ascii")
